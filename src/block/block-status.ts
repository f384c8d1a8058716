// Block status through a chain of layers.
import type { BlockNode, BlockStatus } from './driver.ts';

/** A status and the layer it comes from, 0 being the top. */
export interface ChainStatus extends BlockStatus {
  depth: number;
}

/**
 * Status of a range as seen from `top`, asking layers down to but not including `base`. A range no layer asked has, is
 * returned as not allocated.
 */
export async function statusAbove(
  top: BlockNode,
  base: BlockNode | undefined,
  offset: number,
  bytes: number,
  wantZero = true,
): Promise<ChainStatus> {
  let limit = bytes;
  let depth = 0;
  let eof = false;
  for (let at: BlockNode | undefined = top; at && at !== base; at = at.layerBelow(), depth++) {
    const status = await at.blockStatus(offset, limit, wantZero);
    if (at === top && status.eof) eof = true;
    if (at !== top && status.bytes === 0) {
      // This layer ends before the range: what is above reads zeroes here.
      return { bytes: limit, data: false, zero: true, allocated: true, offset: -1, file: null, depth, eof };
    }
    limit = Math.min(limit, status.bytes);
    if (status.allocated || status.data || status.zero) return { ...status, bytes: limit, depth, eof };
  }
  return { bytes: limit, data: false, zero: false, allocated: false, offset: -1, file: null, depth, eof };
}
