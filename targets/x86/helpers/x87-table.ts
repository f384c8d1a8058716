// One row per helper exported by the x87 module, the types made from the rows, and the module's loader.

import { readPackageFile } from '../../../src/util/package-files.ts';

/** Wasm type of an argument or result. */
export type X87Type = 'i32' | 'i64';

/** What a helper does to the FPU state: nothing, reads it, or reads and changes it. */
export type X87Effect = 'none' | 'reads' | 'writes';

/** Declaration of one helper; the first argument, `env`, is not listed. */
export interface X87Helper {
  readonly args: readonly X87Type[];
  readonly result: X87Type | 'void';
  readonly fpu: X87Effect;
  /** May set an exception flag, and so leave an unmasked exception pending for the next waiting instruction. */
  readonly mayRaise: boolean;
  /** Guest memory touched at an address argument; the caller has found it accessible. */
  readonly memory: 'none' | 'reads' | 'writes';
}

function row(
  args: readonly X87Type[],
  result: X87Type | 'void' = 'void',
  fpu: X87Effect = 'writes',
  mayRaise = true,
  memory: 'none' | 'reads' | 'writes' = 'none',
): X87Helper {
  return { args, result, fpu, mayRaise, memory };
}

const REGISTERS = row(['i32', 'i32', 'i32']); // dst, src, pop: numbers of ST registers, then 0 or 1
const M32 = row(['i32']); // f32 bits
const M64 = row(['i64']); // f64 bits
const INTEGER = row(['i32']); // m16int sign-extended, or m32int
const NO_OPERAND = row([]);

/** Argument meanings are in the doc comments of x87/*.as.ts. */
export const X87_HELPERS = {
  fadd_r: REGISTERS,
  fsub_r: REGISTERS,
  fsubr_r: REGISTERS,
  fmul_r: REGISTERS,
  fdiv_r: REGISTERS,
  fdivr_r: REGISTERS,
  fadd_m32: M32,
  fsub_m32: M32,
  fsubr_m32: M32,
  fmul_m32: M32,
  fdiv_m32: M32,
  fdivr_m32: M32,
  fadd_m64: M64,
  fsub_m64: M64,
  fsubr_m64: M64,
  fmul_m64: M64,
  fdiv_m64: M64,
  fdivr_m64: M64,
  fiadd: INTEGER,
  fisub: INTEGER,
  fisubr: INTEGER,
  fimul: INTEGER,
  fidiv: INTEGER,
  fidivr: INTEGER,
  fabs: NO_OPERAND,
  fchs: NO_OPERAND,
  fsqrt: NO_OPERAND,
  frndint: NO_OPERAND,
  fscale: NO_OPERAND,
  fprem: row(['i32']), // 1: FPREM1
  fxtract: NO_OPERAND,

  // Within half a unit of the last place of the true value; the last bit of a particular processor may differ.
  f2xm1: NO_OPERAND,
  fyl2x: NO_OPERAND,
  fyl2xp1: NO_OPERAND,
  fpatan: NO_OPERAND,
  fsin: NO_OPERAND,
  fcos: NO_OPERAND,
  fsincos: NO_OPERAND,
  fptan: NO_OPERAND,

  fcom_r: row(['i32', 'i32']), // i, pops
  fucom_r: row(['i32', 'i32']),
  fcom_m32: row(['i32', 'i32']), // f32 bits, pop
  fcom_m64: row(['i64', 'i32']),
  ficom: row(['i32', 'i32']),
  fcomi: row(['i32', 'i32'], 'i32'), // i, pop -> ZF, PF, CF
  fucomi: row(['i32', 'i32'], 'i32'),
  ftst: NO_OPERAND,
  fxam: row([], 'void', 'writes', false),

  fld_m32: M32,
  fld_m64: M64,
  fld_m80: row(['i64', 'i32']), // significand, sign and exponent
  fld_st: row(['i32']),
  fild: INTEGER,
  fild_m64: row(['i64']),
  fbld: row(['i64', 'i32']),
  fld_const: row(['i32']),
  fst_m32: row([], 'i32'),
  fst_m64: row([], 'i64'),
  fst_m80: NO_OPERAND,
  fbst: NO_OPERAND,
  fist_m16: row(['i32'], 'i32'), // truncate
  fist_m32: row(['i32'], 'i32'),
  fist_m64: row(['i32'], 'i64'),
  fpop: row([], 'void', 'writes', false),
  fst_st: row(['i32', 'i32']), // i, pop
  fxch: row(['i32']),
  fcmov: row(['i32', 'i32']), // i, condition

  x87_pending: row([], 'i32', 'reads', false),
  x87_tag_word: row([], 'i32', 'reads', false),
  fninit: row([], 'void', 'writes', false),
  fnclex: row([], 'void', 'writes', false),
  fldcw: row(['i32']),
  fnstcw: row([], 'i32', 'reads', false),
  fnstsw: row([], 'i32', 'reads', false),
  ffree: row(['i32', 'i32'], 'void', 'writes', false), // i, pop
  fincstp: row([], 'void', 'writes', false),
  fdecstp: row([], 'void', 'writes', false),
  fnstenv: row(['i32', 'i32'], 'void', 'writes', false, 'writes'), // address, format
  fldenv: row(['i32', 'i32'], 'void', 'writes', true, 'reads'),
  fnsave: row(['i32', 'i32'], 'void', 'writes', false, 'writes'),
  frstor: row(['i32', 'i32'], 'void', 'writes', true, 'reads'),
  fxsave_x87: row(['i32'], 'void', 'reads', false, 'writes'), // address
  fxrstor_x87: row(['i32'], 'void', 'writes', true, 'reads'),
} as const satisfies Record<string, X87Helper>;

export type X87HelperName = keyof typeof X87_HELPERS;

/** The module's exports as JavaScript sees them: i64 as BigInt, so generated code calls them wasm to wasm. */
// biome-ignore lint/suspicious/noExplicitAny: the argument types differ from row to row
export type X87Exports = Record<X87HelperName, (env: number, ...args: any[]) => any>;

let module: WebAssembly.Module | undefined;

/**
 * Instantiates the helpers on `memory` (one instance per thread: results travel in module globals).
 * Throws if the module has not been built.
 */
export function instantiateX87(memory: WebAssembly.Memory): X87Exports {
  module ??= new WebAssembly.Module(readX87());
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as X87Exports;
}

function readX87(): Uint8Array<ArrayBuffer> {
  try {
    return readPackageFile('targets/x86/helpers/x87.wasm');
  } catch {
    throw new Error('x87 helper module not built: run `npm run build`');
  }
}
