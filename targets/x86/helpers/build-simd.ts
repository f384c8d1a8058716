// Builds the vector helper module (simd/*.as.ts) to simd.wasm, with the tables of finite fields computed here.
//
// Usage: bun targets/x86/helpers/build-simd.ts

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildModule } from '../../../src/softfloat/build-module.ts';
import { boxedEntry } from '../../boxed-entry.ts';
import { inverses, substitutionBoxes } from '../../finite-field.ts';
import { SIMD_HELPERS } from './simd-table.ts';

const FOLDER = 'targets/x86/helpers/simd';

/** A function that looks 16 bytes up in a table of 256: in each of its 16 rows, those bytes that are in its range. */
function lookup(name: string, table: readonly number[]): string {
  const rows = Array.from({ length: 16 }, (_, row) => {
    const values = table.slice(16 * row, 16 * row + 16).map((value) => (value << 24) >> 24);
    const index = row === 0 ? 'x' : `i8x16.sub(x, i8x16.splat(${((16 * row) << 24) >> 24}))`;
    return `i8x16.swizzle(i8x16(${values.join(', ')}), ${index})`;
  });
  const sum = rows.slice(1).reduce((text, row) => `v128.or(${text}, ${row})`, rows[0]!);
  return `export function ${name}(x: v128): v128 {\n  return ${sum};\n}`;
}

/** Source of the module of tables, which exists only inside the compilation. */
export function tablesSource(): string {
  const [sbox, inverseSbox] = substitutionBoxes();
  return [lookup('fieldInverse', inverses()), lookup('sbox', sbox), lookup('inverseSbox', inverseSbox)].join('\n');
}

/** Compiles the module. */
export function buildSimd(): Promise<Uint8Array> {
  return buildModule({
    name: 'simd',
    entry: `${FOLDER}/boxed.as.ts`,
    generated: {
      [`${FOLDER}/tables.as.ts`]: tablesSource(),
      [`${FOLDER}/boxed.as.ts`]: boxedEntry('./index.as', Object.values(SIMD_HELPERS)),
    },
    softfloat: false,
  });
}

if (import.meta.main) {
  const wasm = await buildSimd();
  writeFileSync(join(import.meta.dir, 'simd.wasm'), wasm);
  console.log(`targets/x86/helpers/simd.wasm: ${wasm.length} bytes`);
}
