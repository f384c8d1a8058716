// Valid qcow2 images with something of every structure in them, where each structure lies, and how they are damaged.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { addBitmap } from '../../src/block/qcow2/bitmap.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { createSnapshot } from '../../src/block/qcow2/snapshot.ts';
import type { Random } from './differential.ts';

export const SIZE = 4 << 20;

/** Relative names, so that mutated ones stay in the scratch folder. */
const DATA = 'sample.data';
export const BACKING = 'sample.base';
const JSON_BACKING = `json:{"driver":"raw","size":1048576,"file":{"driver":"file","filename":"${BACKING}"}}`;

export const VARIANTS = [
  '',
  'cluster_size=512',
  'cluster_size=4096,refcount_bits=1',
  'extended_l2=on,cluster_size=16384',
  'compat=0.10',
  'cluster_size=4096,refcount_bits=64,compression_type=zstd',
  'cluster_size=4096,data_file=DATA',
  'cluster_size=4096,data_file=DATA,data_file_raw=on',
  'cluster_size=512,refcount_bits=2',
  'cluster_size=1024,refcount_bits=4,lazy_refcounts=on',
  'cluster_size=2048,refcount_bits=8',
  'cluster_size=4096,refcount_bits=32,backing=json',
  'cluster_size=32768,extended_l2=on,compression_type=zstd,refcount_bits=64',
];

/** A range of bytes that holds one structure. */
interface Region {
  from: number;
  to: number;
}

export interface Sample {
  options: string;
  image: Buffer;
  /** Ranges by the name of their structure. */
  regions: Map<string, Region[]>;
}

/** A valid image with something of everything in it; the current folder must be `dir`. */
export async function makeSample(dir: string, options: string): Promise<Sample> {
  const path = join(dir, 'sample');
  const raw = options.includes('data_file_raw');
  await createImage({
    filename: path,
    format: 'qcow2',
    optionTexts: [options.replace('DATA', DATA).replace(',backing=json', '')].filter((t) => t !== ''),
    size: SIZE,
    ...(raw ? {} : { backingFile: options.includes('json') ? JSON_BACKING : BACKING, backingFormat: 'raw' }),
  });
  const node = (await openImage({ filename: path, unmap: true, noFlush: true })) as Qcow2Node;
  const cluster = node.s.clusterSize;
  const some = Math.max(cluster * 4, 60000);
  await node.write(0, new Uint8Array(some).fill(1));
  await node.write(1 << 20, new Uint8Array(100).fill(2));
  await node.writeZeroes(2 << 20, 300000);
  // (Counts of two bits are too small for compressed clusters in snapshots.)
  if (!node.s.hasDataFile && node.s.refcountMax !== 3)
    for (let i = 0; i < 4; i++) await node.write((3 << 20) + i * cluster, noise(cluster, 7 + i), 8);
  if (node.s.refcountMax > 1 && !node.s.hasDataFile) {
    await node.s.lock.with(() => createSnapshot(node.s, 'one'));
    await node.write(cluster, new Uint8Array(some / 2).fill(3));
    await node.writeVmState(0, new Uint8Array(30000).fill(9));
    await node.s.lock.with(() => createSnapshot(node.s, 'two', 30000));
  }
  if (node.s.header.version >= 3) {
    await node.s.lock.with(() => addBitmap(node.s, 'b', 65536, false));
    await node.s.lock.with(() => addBitmap(node.s, 'second', 512, true));
  }
  await closeImage(node);
  // What is written while there are bitmaps sets their bits.
  const again = (await openImage({ filename: path, unmap: true, noFlush: true })) as Qcow2Node;
  await again.write(1 << 20, new Uint8Array(5000).fill(4));
  await closeImage(again);
  const image = readFileSync(path);
  return { options, image, regions: findRegions(image) };
}

/** Bytes that deflate to about half of their number. */
function noise(bytes: number, seed: number): Uint8Array {
  const out = new Uint8Array(bytes);
  for (let i = 0, s = seed; i < bytes; i++) {
    s = (s * 1103515245 + 12345) >>> 0;
    out[i] = (s >>> 16) & 15;
  }
  return out;
}

/** Finds the structures of a valid image by the format's specification, not by the code under test. */
function findRegions(b: Buffer): Map<string, Region[]> {
  const out = new Map<string, Region[]>();
  const put = (name: string, from: number, bytes: number): void => {
    const to = Math.min(b.length, from + bytes);
    if (from >= to) return;
    const list = out.get(name);
    if (!list) out.set(name, [{ from, to }]);
    else if (!list.some((r) => r.from === from)) list.push({ from, to });
  };
  const u64 = (at: number): number => Number(b.readBigUInt64BE(at));
  const offset = (at: number): number => Number(b.readBigUInt64BE(at) & 0x00ff_ffff_ffff_fe00n);
  const version = b.readUInt32BE(4);
  const cluster = 1 << b.readUInt32BE(20);
  const length = version >= 3 ? b.readUInt32BE(100) : 72;
  put('header', 0, length);
  const backing = u64(8);
  for (let at = length; at + 8 <= (backing || cluster); ) {
    const type = b.readUInt32BE(at);
    const bytes = b.readUInt32BE(at + 4);
    put(type === 0x6803f857 ? 'feature names' : type === 0 ? 'end of extensions' : 'extensions', at, 8 + bytes);
    if (type === 0) break;
    if (type === 0x23852875) bitmaps(at + 8);
    at += 8 + Math.ceil(bytes / 8) * 8;
  }
  if (backing) put('backing name', backing, b.readUInt32BE(16));
  const extended = version >= 3 && (b[79]! & 16) !== 0;
  const hasData = version >= 3 && (b[79]! & 4) !== 0;
  const tree = (l1: number, entries: number, name: string): void => {
    put(name, l1, entries * 8);
    for (let i = 0; i < entries; i++) {
      const l2 = offset(l1 + i * 8);
      if (l2 === 0) continue;
      put('L2 tables', l2, cluster);
      for (let at = l2; at < l2 + cluster && at + 8 <= b.length; at += extended ? 16 : 8) {
        if (b[at]! & 0x40) {
          // The number of sectors stands above the offset, at a place that depends on the cluster size.
          const bits = 62n - (BigInt(b.readUInt32BE(20)) - 8n);
          const descriptor = b.readBigUInt64BE(at) & 0x3fff_ffff_ffff_ffffn;
          put('compressed descriptors', at, 8);
          put('compressed data', Number(descriptor & ((1n << bits) - 1n)), 512);
        } else if (!hasData && offset(at) !== 0) put('data', offset(at), 512);
      }
    }
  };
  tree(u64(40), b.readUInt32BE(36), 'L1 table');
  const table = u64(48);
  put('refcount table', table, 64);
  for (let at = table; at < table + b.readUInt32BE(56) * cluster && at + 8 <= b.length; at += 8)
    if (offset(at) !== 0) put('refcount blocks', offset(at), Math.min(cluster, 2048));
  for (let i = 0, at = u64(64); i < b.readUInt32BE(60); i++) {
    const end = at + 40 + b.readUInt32BE(at + 36) + b.readUInt16BE(at + 12) + b.readUInt16BE(at + 14);
    put('snapshot table', at, end - at);
    tree(u64(at), b.readUInt32BE(at + 8), 'snapshot L1 tables');
    at = Math.ceil(end / 8) * 8;
  }
  function bitmaps(ext: number): void {
    const directory = u64(ext + 16);
    put('bitmap directory', directory, u64(ext + 8));
    for (let at = directory; at < directory + u64(ext + 8); ) {
      put('bitmap tables', u64(at), b.readUInt32BE(at + 8) * 8);
      for (let i = 0; i < b.readUInt32BE(at + 8); i++)
        if (offset(u64(at) + i * 8) !== 0) put('bitmap data', offset(u64(at) + i * 8), cluster);
      at += Math.ceil((24 + b.readUInt32BE(at + 20) + b.readUInt16BE(at + 18)) / 8) * 8;
    }
  }
  return out;
}

/** Names that lead a mutated backing or data file somewhere else within the folder. */
const NAMES = [
  BACKING,
  'mutant',
  'other',
  './mutant',
  'none',
  '',
  'json:{"driver":"qcow2","file":{"driver":"file","filename":"mutant"}}',
  'json:{"driver":"raw","offset":512,"file":{"driver":"file","filename":"sample.base"}}',
  'json:{"driver":"null-co","size":9223372036854775807}',
  "json:{'driver':'qcow2','file.filename':'other','backing':{'driver':'raw','file':'x'}}",
  'json:{',
  'json:[]',
  'json:{"driver":"copy-on-read","file":{"driver":"qcow2","file":{"driver":"file","filename":"mutant"}}}',
  'nbd:unix:x',
  'fat:rw:.',
  'file:other',
  'host_device:other',
  'a\nb\0c',
];

/** Values that lie at limits. */
function oddValue(image: Buffer, r: Random): bigint {
  const cluster = 1n << BigInt(image.readUInt32BE(20) & 31);
  const near = [0n, 1n, 0xffn, 0xffffn, 0xffff_ffffn, 1n << 32n, 1n << 56n, 1n << 62n, 1n << 63n, (1n << 64n) - 1n];
  switch (r.below(4)) {
    case 0:
      return near[r.below(near.length)]!;
    case 1:
      return BigInt(Math.floor(image.length / Number(cluster)) + r.below(4)) * cluster;
    case 2:
      return BigInt(r.below(32)) * cluster;
    default:
      return 1n << BigInt(r.below(64));
  }
}

/** Damages a sample: structures are chosen evenly, so that small ones are hit as often as large ones. */
export function mutate(sample: Sample, r: Random): Buffer {
  const { image, regions } = sample;
  let out = Buffer.from(image);
  const names = [...regions.keys()];
  const place = (): { at: number; region: Region } => {
    const list = regions.get(names[r.below(names.length)]!)!;
    const region = list[r.below(list.length)]!;
    // Rather where something is than where nothing is.
    for (let tries = 0; ; tries++) {
      const at = region.from + r.below(region.to - region.from);
      if (image[at] !== 0 || tries > 3) return { at, region };
    }
  };
  for (let i = 0, count = 1 + r.below(4); i < count; i++) {
    const { at, region } = place();
    const word = Math.min(region.from + Math.floor((at - region.from) / 8) * 8, out.length - 8);
    if (word < 0) break;
    switch (r.below(11)) {
      case 0:
        out[at]! ^= 1 << r.below(8);
        break;
      case 1:
        out[at] = r.below(256);
        break;
      case 2:
        out.fill(0xff, at, Math.min(out.length, at + 1 + r.below(8)));
        break;
      case 3:
        out.fill(0, at, Math.min(out.length, at + 1 + r.below(8)));
        break;
      case 4: {
        // Points somewhere else that exists: loops and shared clusters come of this.
        const from = place().at;
        image.copy(out, word, from - (from % 8), from - (from % 8) + 8);
        break;
      }
      case 5:
        out.writeBigUInt64BE(oddValue(image, r) & ((1n << 64n) - 1n), word);
        break;
      case 6:
        out.writeUInt32BE(Number(oddValue(image, r) & 0xffff_ffffn), word + r.below(2) * 4);
        break;
      case 7: {
        // A pointer to some structure, its flags as they were.
        const to = place().region.from;
        out.writeBigUInt64BE((out.readBigUInt64BE(word) & 0xff00_0000_0000_01ffn) | BigInt(to), word);
        break;
      }
      case 8: {
        const list = regions.get('backing name');
        if (!list || r.below(2)) break;
        const name = Buffer.from(NAMES[r.below(NAMES.length)]!);
        const cluster = 1 << image.readUInt32BE(20);
        const start = list[0]!.from;
        name.copy(out, start, 0, Math.max(0, Math.min(name.length, cluster - start)));
        if (out.length >= 20) out.writeUInt32BE(name.length, 16);
        break;
      }
      case 9:
        if (r.below(6) === 0) out = Buffer.from(out.subarray(0, r.below(out.length)));
        else out.writeUInt32BE(r.next(), Math.min(at, out.length - 4));
        break;
      default:
        // A whole run of entries becomes the same one.
        out.fill(out.subarray(word, word + 8), word, Math.min(region.to, out.length, word + 8 * (1 + r.below(40))));
    }
    if (out.length < 8) break;
  }
  return out;
}

/** Apparent size the file is given after it was written: mostly none, sometimes a great one without content. */
export function stretched(image: Buffer, r: Random): number | undefined {
  return r.below(24) === 0 ? image.length + 2 ** (16 + r.below(15)) : undefined;
}
