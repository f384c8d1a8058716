// One row per vector helper of the simd module, and the module's loader. None of them touches CPU state or guest memory.

import { readPackageFile } from '../../../src/util/package-files.ts';
import type { HelperRow } from '../../target.ts';

type Signature = Pick<HelperRow, 'args' | 'result'>;

const V1: Signature = { args: ['v128'], result: 'v128' };
const V2: Signature = { args: ['v128', 'v128'], result: 'v128' };
const V3: Signature = { args: ['v128', 'v128', 'v128'], result: 'v128' };
/** Two vectors and an immediate. */
const V2I: Signature = { args: ['v128', 'v128', 'i32'], result: 'v128' };

/** MMX registers. */
const M1: Signature = { args: ['i64'], result: 'i64' };
const M2: Signature = { args: ['i64', 'i64'], result: 'i64' };

/** Argument meanings are in the doc comments of simd/*.as.ts. */
const SIGNATURES = {
  aesenc: V2,
  aesenclast: V2,
  aesdec: V2,
  aesdeclast: V2,
  aesimc: V1,
  aeskeygenassist: { args: ['v128', 'i32'], result: 'v128' },
  pclmulqdq: { args: ['i64', 'i64'], result: 'v128' },
  sha1rnds4: V2I,
  sha1nexte: V2,
  sha1msg1: V2,
  sha1msg2: V2,
  sha256rnds2: V3,
  sha256msg1: V2,
  sha256msg2: V2,
  gf2p8mulb: V2,
  gf2p8affineqb: V2I,
  gf2p8affineinvqb: V2I,
  mpsadbw: V2I,
  pcmpistr: { args: ['v128', 'v128', 'i32'], result: 'i32' },
  pcmpestr: { args: ['v128', 'v128', 'i32', 'i32', 'i32'], result: 'i32' },
  pfadd: M2,
  pfsub: M2,
  pfmul: M2,
  pfacc: M2,
  pfnacc: M2,
  pfpnacc: M2,
  pfcmpeq: M2,
  pfcmpge: M2,
  pfcmpgt: M2,
  pfmax: M2,
  pfmin: M2,
  pfrcpit1: M2,
  pfrsqit1: M2,
  pf2id: M1,
  pf2iw: M1,
  pi2fd: M1,
  pi2fw: M1,
  pfrcp: M1,
  pfrsqrt: M1,
  crc32: { args: ['i32', 'i32', 'i32'], result: 'i32' },
} as const satisfies Record<string, Signature>;

export type SimdHelperName = keyof typeof SIGNATURES;

/** The IR helper rows by name. */
export const SIMD_HELPERS = {} as Readonly<Record<SimdHelperName, HelperRow>>;
for (const name in SIGNATURES) {
  const row: HelperRow = { name, ...SIGNATURES[name as SimdHelperName], module: 'simd' };
  (SIMD_HELPERS as Record<string, HelperRow>)[name] = row;
}

let module: WebAssembly.Module | undefined;

/** Instantiates the helpers on `memory`. Throws if the module has not been built. */
export function instantiateSimd(memory: WebAssembly.Memory): Record<string, unknown> {
  module ??= new WebAssembly.Module(readModule());
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Record<string, unknown>;
}

function readModule(): Uint8Array<ArrayBuffer> {
  try {
    return readPackageFile('targets/x86/helpers/simd.wasm');
  } catch {
    throw new Error('vector helper module not built: run `npm run build`');
  }
}
