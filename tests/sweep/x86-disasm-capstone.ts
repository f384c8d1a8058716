/** Capstone called through its C interface: 30 times faster than the objects of its JavaScript wrapper. */

import { SEQUENCE_BYTES } from './x86-disasm-cases.ts';

/** What the module object shows of the compiled C library. */
interface CapstoneModule {
  _cs_disasm(handle: number, code: number, length: number, address: bigint, count: number, result: number): number;
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  HEAPU8: Uint8Array;
  HEAPU16: Uint16Array;
  HEAPU32: Uint32Array;
}

/** Offsets in struct cs_insn. */
const SIZE_AT = 16;
const MNEMONIC_AT = 42;
const OPERANDS_AT = 74;

/** The wrapper, as far as it is used; its package does not export its types. */
interface Wrapper {
  loadCapstone(module: object): Promise<void>;
  Capstone: new (architecture: number, mode: number) => { handle: number };
  Const: { CS_ARCH_X86: number; CS_MODE_16: number; CS_MODE_32: number };
}

const PACKAGE: string = 'capstone-wasm';
let wrapper: Wrapper;
const module = {} as CapstoneModule;

/** Capstone's x86 disassembler for 16- or 32-bit code; `load` comes first. */
export class CapstoneX86 {
  private readonly handle: number;
  private readonly code: number;
  private readonly result: number;
  /** Text of the last instruction found by `length`, when that was asked for. */
  text = '';

  static async load(): Promise<void> {
    wrapper = (await import(PACKAGE)) as Wrapper;
    await wrapper.loadCapstone(module);
  }

  constructor(code32: boolean) {
    const { Capstone, Const } = wrapper;
    this.handle = new Capstone(Const.CS_ARCH_X86, code32 ? Const.CS_MODE_32 : Const.CS_MODE_16).handle;
    this.code = module._malloc(SEQUENCE_BYTES);
    this.result = module._malloc(4);
  }

  /** Length of the instruction that SEQUENCE_BYTES bytes at `address` begin with; 0 for none. */
  length(bytes: Uint8Array, address: number, options = { text: false }): number {
    module.HEAPU8.set(bytes, this.code);
    if (module._cs_disasm(this.handle, this.code, SEQUENCE_BYTES, BigInt(address), 1, this.result) === 0) return 0;
    const insn = module.HEAPU32[this.result >> 2]!;
    const size = module.HEAPU16[(insn + SIZE_AT) >> 1]!;
    if (options.text) this.text = `${this.string(insn + MNEMONIC_AT)} ${this.string(insn + OPERANDS_AT)}`.trim();
    module._free(insn);
    return size;
  }

  private string(at: number): string {
    let text = '';
    for (let byte = module.HEAPU8[at]!; byte !== 0; byte = module.HEAPU8[++at]!) text += String.fromCharCode(byte);
    return text;
  }
}
