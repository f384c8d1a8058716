/** Extensions of the architecture that no model here has: what their instructions look like, so that they are named when met. */

import { Encoding } from '../decode/pattern.ts';

/** Rows that name an extension; the first that fits counts. Advanced SIMD of T32 has A32's bits, as in its table. */
// biome-ignore format: a table, one row per encoding
const ROWS: readonly (readonly [extension: string, pattern: string])[] = [
  ['ThumbEE', '111100111011 1111 1000 1111 000- 1111'],
  ['iWMMXt', '----110- ---- ---- ---- 000- ---- ----'],
  ['iWMMXt', '----1110 ---- ---- ---- 000- ---- ----'],
  ['FPA', '----110- ---- ---- ---- 0010 ---- ----'],
  ['FPA', '----1110 ---- ---- ---- 0010 ---- ----'],
];

/** Names of all of them. */
export const REFUSED_EXTENSIONS: readonly string[] = [...new Set(ROWS.map(([extension]) => extension))];

let parsed: readonly Encoding[] | null = null;

/** Name of the extension a 32-bit instruction without a meaning belongs to; null: of none that is known. */
export function refusedExtension(word: number): string | null {
  parsed ??= ROWS.map(([name, pattern], index) => new Encoding(name, pattern, '', '', '', index, 32));
  return parsed.find(({ mask, value }) => ((word ^ value) & mask) === 0)?.name ?? null;
}
