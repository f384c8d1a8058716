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
  return statusFrom(top, top, base, offset, bytes, wantZero, 0, false);
}

/** Goes on from a layer at some depth; `eof` says that the top ends with the range. */
function statusFrom(
  from: BlockNode | undefined,
  top: BlockNode,
  base: BlockNode | undefined,
  offset: number,
  limit: number,
  wantZero: boolean,
  depth: number,
  eof: boolean,
): Soon<ChainStatus> {
  for (let at = from; at && at !== base; at = at.layerBelow(), depth++) {
    const layer = at;
    const deep = depth;
    /** The answer, if this layer has one. */
    const take = (status: BlockStatus): ChainStatus | undefined => {
      if (layer === top && status.eof) eof = true;
      if (layer !== top && status.bytes === 0) {
        // This layer ends before the range: what is above reads zeroes here.
        return { bytes: limit, data: false, zero: true, allocated: true, offset: -1, file: null, depth: deep, eof };
      }
      limit = Math.min(limit, status.bytes);
      return status.allocated || status.data || status.zero ? { ...status, bytes: limit, depth: deep, eof } : undefined;
    };
    const got = at.blockStatus(offset, limit, wantZero);
    if (got instanceof Promise) {
      return got.then(
        (status) => take(status) ?? statusFrom(layer.layerBelow(), top, base, offset, limit, wantZero, deep + 1, eof),
      );
    }
    const answer = take(got);
    if (answer) return answer;
  }
  return { bytes: limit, data: false, zero: false, allocated: false, offset: -1, file: null, depth, eof };
}
