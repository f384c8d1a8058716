// Guest disassembly by capstone, for `-d in_asm`; loading it takes 50 ms, so it is loaded only when something is printed.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Disassembler } from '../exec/log-block.ts';
import { PACKAGE_ROOT, packageFile } from '../util/package-files.ts';

/** The part of capstone-wasm's interface that is used. */
interface CapstoneModule {
  readonly Const: Readonly<Record<string, number>>;
  loadCapstone(options: object): Promise<void>;
  readonly Capstone: new (
    arch: number,
    mode: number,
  ) => { disasm(code: Uint8Array, options: object): readonly { size: number; mnemonic: string; opStr: string }[] };
}

/**
 * Architecture and mode by guest, and the mode where bit 0 of the PC is set; guests that capstone-wasm lacks print with
 * their own disassembler.
 */
const MODES: Readonly<Record<string, readonly [arch: string, mode: string, oddMode?: string]>> = {
  i386: ['CS_ARCH_X86', 'CS_MODE_32'],
  arm: ['CS_ARCH_ARM', 'CS_MODE_ARM', 'CS_MODE_THUMB'],
};

/** The first instruction; capstone throws where there is none. */
function first(capstone: InstanceType<CapstoneModule['Capstone']>, code: Uint8Array, address: number) {
  try {
    return capstone.disasm(code, { address, count: 1 })[0];
  } catch {
    return undefined;
  }
}

/** The package's main file. In the executable of `npm run build` Bun does not look for packages, so it is looked for here. */
function findPackage(): string {
  const places = ['node_modules', '..'].map((folder) => packageFile(join(folder, 'capstone-wasm/dist/index.mjs')));
  return places.find((file) => existsSync(file)) ?? Bun.resolveSync('capstone-wasm', PACKAGE_ROOT);
}

/** A disassembler of one instruction at a time, `own` for what capstone does not know of a guest with two instruction sets, or null when capstone does not know the guest. */
export async function loadCapstone(guest: string, own: Disassembler): Promise<Disassembler | null> {
  const names = MODES[guest];
  if (!names) return null;
  const file = findPackage();
  const module = (await import(file)) as CapstoneModule;
  await module.loadCapstone({ wasmBinary: readFileSync(join(dirname(file), 'capstone.wasm')) });
  const [arch, mode, oddMode] = names;
  const open = (name: string) => new module.Capstone(module.Const[arch]!, module.Const[name]!);
  const even = open(mode);
  const odd = oddMode === undefined ? even : open(oddMode);
  return (bytes, pc) => {
    const address = oddMode === undefined ? pc : (pc & ~1) >>> 0;
    const insn = first(pc & 1 ? odd : even, bytes.slice(0, 16), address);
    if (!insn && oddMode !== undefined) return own(bytes, pc);
    if (!insn) return { text: `.byte 0x${(bytes[0] ?? 0).toString(16).padStart(2, '0')}`, length: 1 };
    return { text: `${insn.mnemonic} ${insn.opStr}`.trim(), length: insn.size };
  };
}
