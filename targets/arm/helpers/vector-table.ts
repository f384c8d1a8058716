// One row per helper that the vector module exports, as IR helper rows, and the module's loader.

import { readPackageFile } from '../../../src/util/package-files.ts';
import type { HelperRow } from '../../../tcg/ir/helper-table.ts';
import type { Type } from '../../../tcg/ir/types.ts';

type Signature = readonly [args: readonly Type[], result: Type | null];

const W1: Signature = [['i32'], 'i32'];
const W2: Signature = [['i32', 'i32'], 'i32'];
const W3: Signature = [['i32', 'i32', 'i32'], 'i32'];
const L1: Signature = [['i64'], 'i64'];
const L2: Signature = [['i64', 'i64'], 'i64'];
const LW: Signature = [['i64', 'i32'], 'i64'];
const LWW: Signature = [['i64', 'i32', 'i32'], 'i64'];
const LLW: Signature = [['i64', 'i64', 'i32'], 'i64'];
const L3: Signature = [['i64', 'i64', 'i64'], 'i64'];

/** Those that add to the cumulative flags of FPSCR. Arguments are described in vector/*.as.ts. */
const NOTING = {
  vfp_add32: W2,
  vfp_sub32: W2,
  vfp_mul32: W2,
  vfp_div32: W2,
  vfp_sqrt32: W1,
  vfp_fma32: W3,
  vfp_add64: L2,
  vfp_sub64: L2,
  vfp_mul64: L2,
  vfp_div64: L2,
  vfp_sqrt64: L1,
  vfp_fma64: L3,
  vfp_cmp32: W3,
  vfp_cmp64: [['i64', 'i64', 'i32'], 'i32'],
  vfp_maxnum32: W3,
  vfp_maxnum64: [['i64', 'i64', 'i32'], 'i64'],
  vfp_32to64: [['i32'], 'i64'],
  vfp_64to32: [['i64'], 'i32'],
  vfp_16to32: W1,
  vfp_32to16: W1,
  vfp_16to64: [['i32'], 'i64'],
  vfp_64to16: [['i64'], 'i32'],
  vfp_toint32: W3,
  vfp_toint64: [['i64', 'i32', 'i32'], 'i32'],
  vfp_fromint32: W3,
  vfp_fromint64: [['i32', 'i32', 'i32'], 'i64'],
  vfp_rint32: W2,
  vfp_rint64: [['i64', 'i32'], 'i64'],
  vfp_half: W3,
  vfp_sqrt16: W1,
  vfp_fma16: W3,
  vfp_cmp16: W3,
  vfp_toint16: W3,
  vfp_fromint16: W3,
  vfp_rint16: W2,
  vfp_32tobf: W1,
  neon_qshift: LLW,
  neon_f2: LLW,
  neon_f3: [['i64', 'i64', 'i64', 'i32'], 'i64'],
  neon_festimate: LW,
  neon_toint: LWW,
  neon_fromint: LWW,
  neon_rint: LW,
  neon_fromhalves: [['i32'], 'i64'],
  neon_tohalves: [['i64'], 'i32'],
  neon_h2: LLW,
  neon_h3: [['i64', 'i64', 'i64', 'i32'], 'i64'],
  neon_hestimate: LW,
  neon_htoint: LWW,
  neon_hfromint: LWW,
  neon_hrint: LW,
  neon_tobf: [['i64'], 'i32'],
} as const satisfies Record<string, Signature>;

/** Those that only compute. */
const PURE = {
  neon_clz: LW,
  neon_shift: LLW,
  neon_pmul8: L2,
  neon_pmull8: LLW,
  neon_pmull64: LLW,
  neon_uestimate: LW,
  neon_widenhalves: [['i32'], 'i64'],
  neon_bfdot: L3,
} as const satisfies Record<string, Signature>;

const ALL: Readonly<Record<VectorHelper, Signature>> = { ...NOTING, ...PURE };

export type VectorHelper = keyof typeof NOTING | keyof typeof PURE;

const rows = new Map<VectorHelper, HelperRow>();

/** The IR helper row of a helper, made at first use. */
export function vectorHelper(name: VectorHelper): HelperRow {
  let row = rows.get(name);
  if (!row) {
    const [args, result] = ALL[name];
    rows.set(name, (row = { name, args, result, sideEffects: name in NOTING, module: 'vector' }));
  }
  return row;
}

let module: WebAssembly.Module | undefined;

/**
 * Instantiates the helpers on `memory` (one instance per thread: what was raised travels in module globals).
 * Throws if the module has not been built.
 */
export function instantiateVector(memory: WebAssembly.Memory): Record<string, unknown> {
  module ??= new WebAssembly.Module(readModule());
  return new WebAssembly.Instance(module, { env: { memory } }).exports;
}

function readModule(): Uint8Array<ArrayBuffer> {
  try {
    return readPackageFile('targets/arm/helpers/vector.wasm');
  } catch {
    throw new Error('vector helper module not built: run `npm run build`');
  }
}
