// Builds the x87 helper module (x87/*.as.ts) to x87.wasm, with the state offsets taken from ../x87-state.ts.
//
// Usage: bun targets/x86/helpers/build-x87.ts [offset of the FPU area in the CPU state]

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildModule } from '../../../src/softfloat/build-module.ts';
import { X87_AREA_OFFSET, X87_AREA_SIZE, X87_FIELDS } from '../x87-state.ts';

const ENTRY = 'targets/x86/helpers/x87/index.as.ts';
/** The module of offsets exists only inside the compilation. */
const LAYOUT = 'targets/x86/helpers/x87/layout.as.ts';

/** Source text of the offsets, one exported constant per state field: `fpr0se` becomes `FPR0SE`. */
export function layoutSource(areaOffset: number): string {
  if (areaOffset % 16 !== 0)
    throw new Error(`x87: the FPU area must start on a 16-byte boundary, not at ${areaOffset}`);
  const rows = X87_FIELDS.map((f) => {
    const size = f.type === 'i64' ? 8 : 4;
    if (f.offset % size !== 0 || f.offset + size > X87_AREA_SIZE) throw new Error(`x87: field ${f.name} is misplaced`);
    return `export const ${f.name.toUpperCase()}: usize = ${areaOffset + f.offset};`;
  });
  return `${rows.join('\n')}\n`;
}

/** Compiles the module for an FPU area at `areaOffset` bytes into the CPU state. Throws as `buildModule` does. */
export async function buildX87(areaOffset: number = X87_AREA_OFFSET): Promise<Uint8Array> {
  return buildModule({ name: 'x87', entry: ENTRY, generated: { [LAYOUT]: layoutSource(areaOffset) } });
}

if (import.meta.main) {
  const wasm = await buildX87(process.argv[2] ? Number(process.argv[2]) : X87_AREA_OFFSET);
  writeFileSync(join(import.meta.dir, 'x87.wasm'), wasm);
  console.log(`targets/x86/helpers/x87.wasm: ${wasm.length} bytes`);
}
