/** Capstone's ARM disassembler, called through its C interface. */

/** What the module object shows of the compiled C library. */
interface CapstoneModule {
  _cs_disasm(handle: number, code: number, length: number, address: bigint, count: number, result: number): number;
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  HEAPU8: Uint8Array;
  HEAPU32: Uint32Array;
}

/** Offsets in struct cs_insn. */
const MNEMONIC_AT = 42;
const OPERANDS_AT = 74;

/** The wrapper, as far as it is used; its package does not export its types. */
interface Wrapper {
  loadCapstone(module: object): Promise<void>;
  Capstone: new (architecture: number, mode: number) => { handle: number };
  Const: { CS_ARCH_ARM: number; CS_MODE_ARM: number; CS_MODE_V8: number };
}

const PACKAGE: string = 'capstone-wasm';
let wrapper: Wrapper;
const module = {} as CapstoneModule;

/** A32 with the instructions of ARMv8; `load` comes first. */
export class CapstoneA32 {
  private readonly handle: number;
  private readonly code: number;
  private readonly result: number;

  static async load(): Promise<void> {
    wrapper = (await import(PACKAGE)) as Wrapper;
    await wrapper.loadCapstone(module);
  }

  constructor() {
    const { Capstone, Const } = wrapper;
    this.handle = new Capstone(Const.CS_ARCH_ARM, Const.CS_MODE_ARM | Const.CS_MODE_V8).handle;
    this.code = module._malloc(4);
    this.result = module._malloc(4);
  }

  /** Text of an instruction; empty for none. */
  text(word: number): string {
    for (let k = 0; k < 4; k++) module.HEAPU8[this.code + k] = (word >>> (8 * k)) & 0xff;
    if (module._cs_disasm(this.handle, this.code, 4, 0x1000n, 1, this.result) === 0) return '';
    const insn = module.HEAPU32[this.result >> 2]!;
    const text = `${this.string(insn + MNEMONIC_AT)} ${this.string(insn + OPERANDS_AT)}`.trim();
    module._free(insn);
    return text;
  }

  private string(at: number): string {
    let text = '';
    for (let byte = module.HEAPU8[at]!; byte !== 0; byte = module.HEAPU8[++at]!) text += String.fromCharCode(byte);
    return text;
  }
}
