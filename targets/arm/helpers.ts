// Helper rows of the ARM guest and the functions behind them.
import type { HelperRow } from '../../tcg/ir/helper-table.ts';
import type { HelperFunction, HelperPort } from '../target.ts';
import { writeFpscrParts } from './fpscr.ts';
import { ARM_OFFSETS as O } from './state.ts';

/** The virtual counter: with 0 it is read anew and its low half returned, with 1 the high half of what was read. */
export const COUNTER: HelperRow = { name: 'counter', args: ['i32'], result: 'i32', sideEffects: true };
/** One CRC step: CRC so far, data, and bytes of data plus 256 for the Castagnoli polynomial. */
export const CRC32: HelperRow = { name: 'crc32', args: ['i32', 'i32', 'i32'], result: 'i32' };

/** FPSCR but for the flags of comparisons. */
export const WRITE_FPSCR: HelperRow = { name: 'write_fpscr', args: ['i32'], result: null, sideEffects: true };

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

/** Nanoseconds per tick of the counter; CNTFRQ says the same. */
const TICK = 16;

/** The helper functions by row name. */
export function armHelpers(port: HelperPort): Record<string, HelperFunction> {
  const { view } = port;
  return {
    crc32,
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
