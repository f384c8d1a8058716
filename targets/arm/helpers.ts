// Helper rows of the ARM guest and the functions behind them.
import type { HelperRow } from '../../tcg/ir/helper-table.ts';
import type { HelperFunction, HelperPort } from '../target.ts';
import { FPSCR_FZ, FPSCR_IDC, FPSCR_IOC, FPSCR_IXC, FPSCR_Z, writeFpscrParts } from './fpscr.ts';
import { ARM_OFFSETS as O } from './state.ts';

/** The virtual counter: with 0 it is read anew and its low half returned, with 1 the high half of what was read. */
export const COUNTER: HelperRow = { name: 'counter', args: ['i32'], result: 'i32', sideEffects: true };
/** One CRC step: CRC so far, data, and bytes of data plus 256 for the Castagnoli polynomial. */
export const CRC32: HelperRow = { name: 'crc32', args: ['i32', 'i32', 'i32'], result: 'i32' };

/** FPSCR but for the flags of comparisons. */
export const WRITE_FPSCR: HelperRow = { name: 'write_fpscr', args: ['i32'], result: null, sideEffects: true };

/** A double, low word first, to an integer as JavaScript has it: modulo 2 to the 32. */
export const JS_TO_INT: HelperRow = { name: 'js_to_int', args: ['i32', 'i32'], result: 'i32' };
/** Z of FPSCR, set when that was exact, and the cumulative flags it sets. */
export const JS_FLAGS: HelperRow = { name: 'js_flags', args: ['i32', 'i32'], result: 'i32', sideEffects: true };

/** Polynomials with their bits reversed, as the instructions use them. */
const POLYNOMIAL = 0xedb88320;
const POLYNOMIAL_C = 0x82f63b78;

const tables: Int32Array[] = [];

/** What a byte does to the CRC; made when first needed. */
function table(polynomial: number): Int32Array {
  const made = Int32Array.from({ length: 256 }, (_, n) => {
    let crc = n;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    return crc;
  });
  return made;
}

function crc32(_env: number, crc: number, data: number, kind: number): number {
  const castagnoli = kind >>> 8;
  const steps = (tables[castagnoli] ??= table(castagnoli ? POLYNOMIAL_C : POLYNOMIAL));
  for (let n = kind & 0xff; n > 0; n--) {
    crc = steps[(crc ^ data) & 0xff]! ^ (crc >>> 8);
    data >>>= 8;
  }
  return crc | 0;
}

const double = new DataView(new ArrayBuffer(8));

function doubleOf(low: number, high: number): number {
  double.setInt32(0, low, true);
  double.setInt32(4, high, true);
  return double.getFloat64(0, true);
}

const LEAST_NORMAL = 2 ** -1022;

/** What VJCVT tells of a conversion (ARM ARM, FPToFixedJS). */
function conversionFlags(value: number, flushes: boolean): number {
  if (Number.isNaN(value)) return FPSCR_IOC;
  const whole = Math.trunc(value);
  if (whole < -0x80000000 || whole > 0x7fffffff) return FPSCR_IOC;
  if (flushes && value !== 0 && Math.abs(value) < LEAST_NORMAL) return FPSCR_IDC;
  if (whole !== value) return FPSCR_IXC;
  return Object.is(value, -0) ? 0 : FPSCR_Z;
}

/** Nanoseconds per tick of the counter; CNTFRQ says the same. */
const TICK = 16;

/** The helper functions by row name. */
export function armHelpers(port: HelperPort): Record<string, HelperFunction> {
  const { view } = port;
  return {
    crc32,
    js_to_int: (_env: number, low: number, high: number) => doubleOf(low, high) | 0,
    js_flags: (env: number, low: number, high: number) =>
      conversionFlags(doubleOf(low, high), (view.getInt32(env + O.fpscr, true) & FPSCR_FZ) !== 0),
    write_fpscr: (env: number, value: number) => {
      writeFpscrParts(view, env, value);
      return undefined;
    },
    counter: (env: number, part: number) => {
      if (part === 0) {
        const now = Math.floor(port.clock() / TICK);
        view.setUint32(env + O.scratch, Math.floor(now / 0x100000000), true);
        return now | 0;
      }
      return view.getInt32(env + O.scratch, true);
    },
  };
}
