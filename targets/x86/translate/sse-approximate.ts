// RCPPS, RCPSS, RSQRTPS, RSQRTSS: approximations, which touch neither flags nor rounding of MXCSR.
import type { HelperRow } from '../../../tcg/ir/helper-table.ts';
import type { Value } from '../../../tcg/ir/value.ts';
import { XMM } from '../state.ts';
import { type Handler, readLow32, setXmm } from './vector.ts';
import { packedUnary } from './vector-arithmetic.ts';

const RECIPROCAL: HelperRow = { name: 'approximate_reciprocal', args: ['i32'], result: 'i32' };
const ROOT: HelperRow = { name: 'approximate_root', args: ['i32'], result: 'i32' };

function scalar(helper: HelperRow): Handler {
  return (t) => {
    const result = t.b.call(helper, readLow32(t, t.src));
    setXmm(t, t.dst.num, t.b.emit('setlane_i32', XMM[t.dst.num]!, result, null, 32, 0));
  };
}

function packedWhole(helper: HelperRow): Handler {
  return packedUnary((t, a) => {
    let result: Value = a;
    for (let n = 0; n < 4; n++) {
      const element = t.b.call(helper, t.b.emit('lane_i32', a, null, null, 32, n));
      result = t.b.emit('setlane_i32', result, element, null, 32, n);
    }
    return result;
  });
}

export const APPROXIMATE_HANDLERS = {
  RCPPS: packedWhole(RECIPROCAL),
  RCPSS: scalar(RECIPROCAL),
  RSQRTPS: packedWhole(ROOT),
  RSQRTSS: scalar(ROOT),
} as const satisfies Record<string, Handler>;
