// Builds the helper module of floating point and Advanced SIMD (vector/*.as.ts) to vector.wasm.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildModule } from '../../../src/softfloat/build-module.ts';
import { FPSCR_AHP, FPSCR_IXC, FPSCR_QC, STANDARD_MODE } from '../fpscr.ts';
import { ARM_OFFSETS as O } from '../state.ts';

const ENTRY = 'targets/arm/helpers/vector/index.as.ts';
/** The module of offsets exists only inside the compilation. */
const LAYOUT = 'targets/arm/helpers/vector/layout.as.ts';

/** Source text of the constants that helpers share with the translator. */
function layoutSource(): string {
  const { fpscr, fpexc, fpmode, fpmode16, scratch } = O;
  const offsets = Object.entries({ fpscr, fpexc, fpmode, fpmode16, scratch });
  const bits = Object.entries({ FPSCR_AHP, FPSCR_IXC, FPSCR_QC, STANDARD_MODE });
  const lines = [
    ...offsets.map(([name, offset]) => `export const ${name.toUpperCase()}: usize = ${offset};`),
    ...bits.map(([name, value]) => `export const ${name}: i32 = ${value};`),
  ];
  return `${lines.join('\n')}\n`;
}

const wasm = await buildModule({ name: 'vector', entry: ENTRY, generated: { [LAYOUT]: layoutSource() } });
writeFileSync(join(import.meta.dir, 'vector.wasm'), wasm);
console.log(`targets/arm/helpers/vector.wasm: ${wasm.length} bytes`);
