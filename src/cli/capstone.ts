// Guest disassembly by capstone, for `-d in_asm`; loading it takes 50 ms, so it is loaded only when something is printed.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Disassembler } from '../exec/log-block.ts';
import { PACKAGE_ROOT } from '../util/package-files.ts';

/** The part of capstone-wasm's interface that is used. */
interface CapstoneModule {
  readonly Const: Readonly<Record<string, number>>;
  loadCapstone(options: object): Promise<void>;
  readonly Capstone: new (
    arch: number,
    mode: number,
  ) => { disasm(code: Uint8Array, options: object): readonly { size: number; mnemonic: string; opStr: string }[] };
}

/** Architecture and mode by guest; guests that capstone-wasm lacks print with their own disassembler. */
const MODES: Readonly<Record<string, readonly [arch: string, mode: string]>> = {
  i386: ['CS_ARCH_X86', 'CS_MODE_32'],
};

/** A disassembler of one instruction at a time, or null when capstone does not know the guest. */
export async function loadCapstone(guest: string): Promise<Disassembler | null> {
  const names = MODES[guest];
  if (!names) return null;
  // The package does not export its types.
  const packageName: string = 'capstone-wasm';
  const file = Bun.resolveSync(packageName, PACKAGE_ROOT);
  const module = (await import(file)) as CapstoneModule;
  await module.loadCapstone({ wasmBinary: readFileSync(join(dirname(file), 'capstone.wasm')) });
  const capstone = new module.Capstone(module.Const[names[0]]!, module.Const[names[1]]!);
  return (bytes, pc) => {
    const [insn] = capstone.disasm(bytes.slice(0, 16), { address: pc, count: 1 });
    if (!insn) return { text: `.byte 0x${(bytes[0] ?? 0).toString(16).padStart(2, '0')}`, length: 1 };
    return { text: `${insn.mnemonic} ${insn.opStr}`.trim(), length: insn.size };
  };
}
