// Builds the vector helper module (simd/*.as.ts) to simd.wasm, with the tables of finite fields computed here.
//
// Usage: bun targets/x86/helpers/build-simd.ts

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildModule } from '../../../src/softfloat/build-module.ts';
import { boxedEntry } from '../../boxed-entry.ts';
import { SIMD_HELPERS } from './simd-table.ts';

const FOLDER = 'targets/x86/helpers/simd';

/** The polynomial of AES and GFNI: x^8 + x^4 + x^3 + x + 1. */
const POLYNOMIAL = 0x11b;

function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit++) {
    if ((b >> bit) & 1) product ^= a;
    a <<= 1;
    if (a & 0x100) a ^= POLYNOMIAL;
  }
  return product;
}

/** Multiplicative inverses; that of 0 is 0. */
function inverses(): number[] {
  const table = new Array<number>(256).fill(0);
  for (let a = 1; a < 256; a++) {
    for (let b = 1; table[a] === 0; b++) if (multiply(a, b) === 1) table[a] = b;
  }
  return table;
}

/** The S-box of FIPS 197, 5.1.1: the inverse, then an affine map of its bits. */
function substitute(inverse: number): number {
  let result = 0x63;
  for (let turn = 0; turn < 5; turn++) result ^= ((inverse << turn) | (inverse >> (8 - turn))) & 0xff;
  return result;
}

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
  const inverse = inverses();
  const sbox = inverse.map(substitute);
  const inverseSbox = sbox.map((_, value) => sbox.indexOf(value));
  return [lookup('fieldInverse', inverse), lookup('sbox', sbox), lookup('inverseSbox', inverseSbox)].join('\n');
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
