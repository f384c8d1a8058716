// Moving content between the layers of a chain: commit into a lower layer, rebase onto another backing file.
import { statusAbove } from './block-status.ts';
import { equalBytes, isZero } from './bytes.ts';
import { type BlockNode, REQ } from './driver.ts';
import { BlockError, errnoOf, failingAs } from './errors.ts';

const CHUNK = 1 << 20;

/** Layers from `top` down to `base`. */
function layersAbove(top: BlockNode, base: BlockNode): BlockNode[] {
  const out: BlockNode[] = [];
  for (let at: BlockNode | undefined = top; at && at !== base; at = at.layerBelow()) out.push(at);
  return out;
}

/**
 * Writes everything the layers above `base` hold into `base`, which becomes as long as `top` if it was shorter; `empty` then
 * empties the top layer. `rate` limits bytes per second (0: none).
 */
export async function commitImage(
  top: BlockNode,
  base: BlockNode,
  empty: boolean,
  rate: number,
  progress: (fraction: number) => void,
): Promise<void> {
  const over = layersAbove(top, base);
  await base.setReadOnly(false);
  base.flags.unmap = true;
  try {
    await failingAs('Block job failed', () => copyDown(top, base, rate, progress));
  } finally {
    await base.setReadOnly(true).catch(() => {});
  }
  if (empty) await failingAs(`Failed to empty ${(top.file ?? top).filename}`, () => over[0]!.makeEmpty());
}

/** Writes what the layers above `base` hold into it. */
async function copyDown(
  top: BlockNode,
  base: BlockNode,
  rate: number,
  progress: (fraction: number) => void,
): Promise<void> {
  const started = performance.now();
  const length = top.length;
  if (base.length < length) await base.truncate(length);
  const buffer = new Uint8Array(CHUNK);
  // What is copied counts for the rate.
  let copied = 0;
  for (let at = 0; at < length; ) {
    const ahead = rate > 0 ? (copied / rate) * 1000 - (performance.now() - started) : 0;
    if (ahead > 0) await Bun.sleep(ahead);
    const status = await statusAbove(top, base, at, length - at);
    let n = status.bytes;
    if (status.allocated) {
      if (status.zero) {
        await base.writeZeroes(at, n, REQ.MAY_UNMAP);
      } else {
        n = Math.min(n, CHUNK);
        const part = buffer.subarray(0, n);
        await top.read(at, part);
        await base.write(at, part);
      }
      copied += n;
    }
    at += n;
    progress(at / length);
  }
  // The base is safe before the overlay gives its copy up.
  await base.flush();
}

/**
 * Copies into `node` what its old backing file shows and the new one does not, so that the new one can take its place. Without a
 * new backing file everything is copied. `compressed`: what is copied is compressed.
 */
export async function rebaseImage(
  node: BlockNode,
  fresh: BlockNode | undefined,
  compressed: boolean,
  progress: (fraction: number) => void,
): Promise<void> {
  const old = node.backing;
  const length = node.length;
  const chunk = Math.max(CHUNK, node.clusterSize);
  const before = new Uint8Array(chunk);
  const after = new Uint8Array(chunk);
  for (let at = 0; at < length; ) {
    const status = await node.blockStatus(at, Math.min(length - at, chunk), false);
    const n = Math.min(status.bytes, chunk);
    // Whatever the overlay has itself stays as it is.
    if (!status.allocated) {
      const a = before.subarray(0, n);
      const b = after.subarray(0, n);
      await readOr(old, at, a, 'old');
      await readOr(fresh, at, b, 'new');
      await failingAs('Error while writing to COW image', () => writeDifferences(node, at, a, b, compressed));
    }
    at += n;
    progress(at / length);
  }
  await node.flush();
}

async function readOr(from: BlockNode | undefined, at: number, into: Uint8Array, which: string): Promise<void> {
  if (!from) {
    into.fill(0);
    return;
  }
  try {
    await from.read(at, into);
  } catch (error) {
    throw new BlockError(`error while reading from ${which} backing file`, errnoOf(error));
  }
}

const SECTOR = 512;

/** What becomes of a cluster when its backing file changes. */
type Change = 'same' | 'zero' | 'data';

/** Writes what is in `a` and not in `b`: cluster by cluster if it is compressed, else as many together as are alike. */
async function writeDifferences(
  node: BlockNode,
  at: number,
  a: Uint8Array,
  b: Uint8Array,
  compressed: boolean,
): Promise<void> {
  if (equalBytes(a, b)) return;
  const { length } = a;
  const unit = Math.max(SECTOR, node.clusterSize);
  const endOf = (i: number): number => Math.min(i + unit - ((at + i) % unit), length);
  const changeOf = (i: number, end: number): Change => {
    const part = a.subarray(i, end);
    return equalBytes(part, b.subarray(i, end)) ? 'same' : isZero(part) ? 'zero' : 'data';
  };
  for (let i = 0; i < length; ) {
    let end = endOf(i);
    const change = changeOf(i, end);
    if (change !== 'data' || !compressed) while (end < length && changeOf(end, endOf(end)) === change) end = endOf(end);
    if (change === 'zero') await node.writeZeroes(at + i, end - i);
    else if (change === 'data') {
      // Only whole clusters can be compressed.
      const whole = (at + i) % unit === 0 && (end - i === unit || at + end === node.length);
      const packed = compressed && whole ? REQ.COMPRESSED : 0;
      await node.write(at + i, a.subarray(i, end), REQ.UNCHANGED | packed);
    }
    i = end;
  }
}
