// Block status through a chain of layers.
import type { BlockNode, BlockStatus, Soon } from './driver.ts';

/** A status and the layer it comes from, 0 being the top. */
export interface ChainStatus extends BlockStatus {
  depth: number;
}

/**
 * Status of a range as seen from `top`, asking layers down to but not including `base`. A range no layer asked has, is
 * returned as not allocated.
 */
export function statusAbove(
  top: BlockNode,
  base: BlockNode | undefined,
  offset: number,
  bytes: number,
  wantZero = true,
): Soon<ChainStatus> {
  return statusFrom(top, top, base, offset, bytes, wantZero, 0, false, false);
}

/**
 * Goes on from a layer at some depth; `eof` says that the top ends with the range, `zero` that the layers above read as zeroes
 * there, as what is below is too short.
 */
function statusFrom(
  from: BlockNode | undefined,
  top: BlockNode,
  base: BlockNode | undefined,
  offset: number,
  limit: number,
  wantZero: boolean,
  depth: number,
  eof: boolean,
  zero: boolean,
): Soon<ChainStatus> {
  for (let at = from; at && at !== base; at = at.layerBelow(), depth++) {
    const got = at.blockStatus(offset, limit, wantZero);
    if (got instanceof Promise) {
      const layer = at;
      const deep = depth;
      return got.then((status) => {
        const end = eof || (layer === top && status.eof === true);
        const answer = answerOf(status, layer === top, base !== undefined, limit, deep, end);
        if (answer) return answer;
        const less = Math.min(limit, status.bytes);
        return statusFrom(layer.layerBelow(), top, base, offset, less, wantZero, deep + 1, end, zero || status.zero);
      });
    }
    if (at === top && got.eof) eof = true;
    const answer = answerOf(got, at === top, base !== undefined, limit, depth, eof);
    if (answer) return answer;
    limit = Math.min(limit, got.bytes);
    zero ||= got.zero;
  }
  // Behind the end of the base the layers above read as zeroes.
  if (base && offset < base.length) limit = Math.min(limit, base.length - offset);
  return { bytes: limit, data: false, zero, allocated: false, offset: -1, file: null, depth, eof };
}

/**
 * What a layer says of a range of `limit` bytes, if that is an answer. That it reads as zeroes without having anything there is
 * none where the layer that has it is asked for (`owner`): the one below that ends before the range hides what is under it.
 */
function answerOf(
  status: BlockStatus,
  isTop: boolean,
  owner: boolean,
  limit: number,
  depth: number,
  eof: boolean,
): ChainStatus | undefined {
  if (!isTop && status.bytes === 0) {
    // This layer ends before the range: what is above reads zeroes here.
    return { bytes: limit, data: false, zero: true, allocated: true, offset: -1, file: null, depth, eof };
  }
  if (!status.allocated && !status.data && (owner || !status.zero)) return undefined;
  const { data, zero, allocated, offset, file, compressed } = status;
  return { bytes: Math.min(limit, status.bytes), data, zero, allocated, offset, file, compressed, depth, eof };
}
