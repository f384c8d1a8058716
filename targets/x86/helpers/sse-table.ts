// One row per helper exported by the SSE module, as helper rows for generated code, and the module's loader.

import { readPackageFile } from '../../../src/util/package-files.ts';
import type { HelperRow } from '../../../tcg/ir/helper-table.ts';
import type { Type } from '../../../tcg/ir/types.ts';

/** Arguments behind `env`, and the result. */
type Signature = readonly [args: readonly Type[], result: Type];

const BINARY_SS: Signature = [['f32', 'f32', 'i32'], 'f32']; // last argument: a SseOp
const BINARY_SD: Signature = [['f64', 'f64', 'i32'], 'f64'];
const BINARY_VECTOR: Signature = [['v128', 'v128', 'i32'], 'v128'];
const UNARY_VECTOR: Signature = [['v128'], 'v128'];

/**
 * Signatures by name. All set exception flags in MXCSR and `sseFault`. Meanings of arguments are in the doc comments of
 * sse/*.as.ts.
 */
export const SSE_HELPERS = {
  arith_ss: BINARY_SS,
  arith_sd: BINARY_SD,
  arith_ps: BINARY_VECTOR,
  arith_pd: BINARY_VECTOR,
  dot_ps: BINARY_VECTOR, // the immediate
  dot_pd: BINARY_VECTOR,
  compare_ss: [['f32', 'f32', 'i32'], 'i32'], // the predicate
  compare_sd: [['f64', 'f64', 'i32'], 'i32'],
  compare_ps: BINARY_VECTOR,
  compare_pd: BINARY_VECTOR,
  order_ss: [['f32', 'f32', 'i32'], 'i32'], // 1: quiet NaNs are invalid
  order_sd: [['f64', 'f64', 'i32'], 'i32'],
  round_ss: [['f32', 'i32'], 'f32'], // the immediate
  round_sd: [['f64', 'i32'], 'f64'],
  round_ps: [['v128', 'i32'], 'v128'],
  round_pd: [['v128', 'i32'], 'v128'],
  sd_to_ss: [['f64'], 'f32'],
  ss_to_sd: [['f32'], 'f64'],
  int_to_ss: [['i32'], 'f32'],
  ss_to_int: [['f32', 'i32'], 'i32'], // 1: truncate
  sd_to_int: [['f64', 'i32'], 'i32'],
  ps_to_pd: UNARY_VECTOR,
  pd_to_ps: UNARY_VECTOR,
  ints_to_ps: [['v128', 'i32'], 'v128'], // number of lanes
  ps_to_ints: [['v128', 'i32', 'i32'], 'v128'], // 1: truncate; number of lanes
  pd_to_ints: [['v128', 'i32'], 'v128'], // 1: truncate
} as const satisfies Record<string, Signature>;

export type SseHelperName = keyof typeof SSE_HELPERS;

const MODULE = 'sse';

/** The rows, by name. Their effect is to set sticky flags (and a word that is only looked at right behind the call). */
export const SSE_ROWS = Object.fromEntries(
  Object.entries(SSE_HELPERS).map(([name, [args, result]]) => [
    name,
    { name, args, result, accumulates: true, module: MODULE },
  ]),
) as unknown as Readonly<Record<SseHelperName, HelperRow>>;

/** What `arith_*` computes. */
export const SseOp = { ADD: 0, SUB: 1, MUL: 2, DIV: 3, MIN: 4, MAX: 5, ADDSUB: 6, SQRT: 7 } as const;

let module: WebAssembly.Module | undefined;

/**
 * Instantiates the helpers on `memory` (one instance per thread: results travel in module globals).
 * Throws if the module has not been built.
 */
export function instantiateSse(memory: WebAssembly.Memory): Record<string, unknown> {
  module ??= new WebAssembly.Module(readSse());
  return new WebAssembly.Instance(module, { env: { memory } }).exports;
}

function readSse(): Uint8Array<ArrayBuffer> {
  try {
    return readPackageFile('targets/x86/helpers/sse.wasm');
  } catch {
    throw new Error('SSE helper module not built: run `npm run build`');
  }
}
