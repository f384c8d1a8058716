// How large a qcow2 image would be: empty, full, or with the content of another image.
import { statusAbove } from '../block-status.ts';
import { roundUp } from '../bytes.ts';
import type { BlockNode, MeasureInfo } from '../driver.ts';
import { formatInteger } from '../options.ts';
import { bitmapBytes } from './bitmap.ts';
import { fullyAllocatedBytes, readMeasureOptions } from './create.ts';
import type { Qcow2Node } from './open.ts';

/** Bytes an image would take; the options are checked as for measuring, which is less strict than for creating. */
export async function measureQcow2(
  options: Map<string, string>,
  source: BlockNode | undefined,
  size: number,
): Promise<MeasureInfo> {
  const c = readMeasureOptions(new Map([...options, ['size', formatInteger(size)]]));
  const virtual = roundUp(c.size, c.clusterSize);
  const full = fullyAllocatedBytes(virtual, c.clusterSize, c.refcountBits, c.extendedL2);
  const info: MeasureInfo = { required: 0, fullyAllocated: full };
  let data = 0;
  if (c.preallocation === 'full' || c.preallocation === 'falloc' || (source && c.backingFile !== undefined)) {
    data = virtual;
  } else if (source) {
    const length = source.length;
    for (let at = 0; at < length; ) {
      const s = await statusAbove(source, undefined, at, length - at);
      let n = s.bytes;
      if (!s.zero && s.data) {
        // The rest of the last cluster is counted with it.
        n = roundUp(at + n, c.clusterSize) - at;
        data += (at % c.clusterSize) + n;
      }
      at += n;
    }
  }
  info.required = full - virtual + data;
  if (source?.driverName === 'qcow2') {
    const { s } = source as Qcow2Node;
    if (c.version >= 3 && s.header.version >= 3)
      info.bitmaps = s.header.bitmaps ? await bitmapBytes(s, c.clusterSize) : 0;
  }
  return info;
}
