// Crashes while `check -r` repairs an image: whatever could be read before can be read after, and a second repair ends clean.
// bun tests/block/crash-repair.ts [seeds] [mutations of each sample]
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BlkdebugNode, LogEntry } from '../../src/block/blkdebug.ts';
import type { CheckResult, FixMode } from '../../src/block/driver.ts';
import { BlockError } from '../../src/block/errors.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { loadTemporarily } from '../../src/block/qcow2/snapshot.ts';
import { crashStates } from './crash.ts';
import { Random } from './differential.ts';
import { BACKING, makeSample, mutate, type Sample } from './fuzz-samples.ts';

/** Bytes whose reading can fail alone. */
const UNIT = 4096;

/** Bytes that are read together where that works. */
const CHUNK = 1 << 18;

/** Machine state that the samples' snapshots have, from its beginning. */
const VM_STATE = 28 * 1024;

type Content = Map<string, (Buffer | undefined)[]>;

const open = (path: string, extra: object): Promise<Qcow2Node> =>
  openImage({
    options: new Map([
      ['driver', 'qcow2'],
      ['file.driver', 'blkdebug'],
      ['file.image.driver', 'file'],
      ['file.image.filename', path],
      ['file.image.cache.no-flush', 'on'],
    ]),
    check: true,
    ...extra,
  }) as Promise<Qcow2Node>;

/** The answer, or nothing where the disk layer refuses. */
async function attempt<T>(body: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await body();
  } catch (error) {
    if (error instanceof BlockError) return undefined;
    throw error;
  }
}

/** What can be read of the disk, of its snapshots and of their machine state; undefined if the image does not open. */
async function readable(path: string): Promise<Content | undefined> {
  const out: Content = new Map();
  for (let i = -1; ; i++) {
    const node = await attempt(() => open(path, { readOnly: true }));
    if (!node) return undefined;
    try {
      const sn = i < 0 ? undefined : node.s.snapshots[i];
      if (i >= 0 && !sn) return out;
      if (sn && (await attempt(() => loadTemporarily(node.s, sn).then(() => true))) === undefined) continue;
      const units: (Buffer | undefined)[] = [];
      const read = async (at: number, bytes: number): Promise<Buffer | undefined> => {
        const b = Buffer.alloc(Math.min(bytes, node.length - at));
        return attempt(() => Promise.resolve(node.read(at, b)).then(() => b));
      };
      for (let at = 0; at < Math.min(node.length, 6 << 20); at += CHUNK) {
        const chunk = await read(at, CHUNK);
        for (let unit = at; unit < Math.min(node.length, at + CHUNK); unit += UNIT)
          units.push(chunk ? chunk.subarray(unit - at, unit - at + UNIT) : await read(unit, UNIT));
      }
      if (sn && sn.vmStateSize > 0) {
        const b = Buffer.alloc(Math.min(VM_STATE, sn.vmStateSize));
        units.push(await attempt(() => node.readVmState(0, b).then(() => b)));
      }
      out.set(sn ? `snapshot ${sn.id}` : 'disk', units);
    } finally {
      await node.abandon();
    }
  }
}

/** What of the content before is not there after; undefined if all is. */
function worse(before: Content, after: Content | undefined): string | undefined {
  if (!after) return 'the image does not open';
  for (const [name, units] of before) {
    const now = after.get(name);
    if (!now) return `${name} is not there`;
    for (const [i, unit] of units.entries())
      if (unit && !now[i]?.equals(unit))
        return `${name}: bytes from ${i * UNIT} are ${now[i] ? 'others' : 'unreadable'}`;
  }
  return undefined;
}

/** Repairs an image; undefined if it cannot be opened or repaired. */
async function repair(path: string, fix: FixMode, log?: LogEntry[]): Promise<CheckResult | undefined> {
  const node = await attempt(() => open(path, { readOnly: fix === 'none' }));
  if (!node) return undefined;
  if (log) (node.file as BlkdebugNode).log = log;
  const result = await attempt(() => node.check(fix, () => {}));
  await attempt(() => closeImage(node).then(() => true));
  await node.abandon().catch(() => {});
  return result;
}

const isClean = (r: CheckResult | undefined): boolean =>
  r !== undefined && r.corruptions === 0 && r.leaks === 0 && r.checkErrors === 0;

/** Whether an image names something behind the end of its file. */
async function namesBehindEnd(path: string): Promise<boolean> {
  const node = await open(path, { readOnly: true });
  let found = false;
  await attempt(() => node.check('none', (line) => void (found ||= line.includes('exceeding the end of the file'))));
  await node.abandon();
  return found;
}

/** Repairs as often as it takes, at most so many times; whether the image is clean then. */
async function repairFully(path: string, times: number): Promise<boolean> {
  for (let i = 0; i < times; i++) {
    await repair(path, 'all');
    if (isClean(await repair(path, 'none'))) return true;
  }
  return false;
}

/** The marks of a header: 1 repair when opened for writing, 2 do not write at all. */
const marks = (image: Uint8Array): number => (image[7] === 3 ? image[79]! & 3 : 0);

/** An image that was marked keeps its mark as long as there is something to repair; says if this one has not. */
async function brokenPromise(path: string, before: Buffer): Promise<string | undefined> {
  if (marks(before) === 0 || marks(readFileSync(path)) !== 0) return undefined;
  const result = await repair(path, 'none');
  return result?.corruptions === 0 && result.checkErrors === 0 ? undefined : 'the mark is gone, the damage is not';
}

/** A named damage done to a sound image; false if the image has nothing that could be damaged so. */
export interface Damage {
  name: string;
  make: (image: Buffer, sample: Sample, r: Random) => Buffer | undefined;
}

const first = (sample: Sample, name: string, n = 0): number | undefined => sample.regions.get(name)?.[n]?.from;

/** Changes a word of 8 bytes of a structure. */
const word =
  (structure: string, n: number, change: (value: bigint, image: Buffer) => bigint): Damage['make'] =>
  (image, sample) => {
    const region = sample.regions.get(structure)?.[0];
    if (!region) return undefined;
    const out = Buffer.from(image);
    // The n-th that is in use.
    for (let at = region.from; at + 8 <= region.to; at += 8) {
      if (out.readBigUInt64BE(at) === 0n || n-- > 0) continue;
      out.writeBigUInt64BE(BigInt.asUintN(64, change(out.readBigUInt64BE(at), image)), at);
      return out;
    }
    return undefined;
  };

/** Changes what is recorded of several clusters. */
const counts =
  (change: (byte: number, r: Random) => number, times: number): Damage['make'] =>
  (image, sample, r) => {
    const regions = sample.regions.get('refcount blocks') ?? [];
    if (regions.length === 0) return undefined;
    const out = Buffer.from(image);
    for (let i = 0; i < times; i++) {
      const { from, to } = regions[r.below(regions.length)]!;
      const at = from + r.below(Math.min(to - from, 400));
      out[at] = change(out[at]!, r) & 0xff;
    }
    return out;
  };

const COPIED = 1n << 63n;

/** A byte of the header's features. */
const feature =
  (bit: number): Damage['make'] =>
  (image) => {
    if (image.readUInt32BE(4) < 3) return undefined;
    const out = Buffer.from(image);
    out[79]! |= bit;
    return out;
  };

/** One damage after the other. */
const both =
  (...damages: Damage['make'][]): Damage['make'] =>
  (image, sample, r) =>
    damages.reduce<Buffer | undefined>((b, d) => b && d(b, sample, r), image);

/** Space at the end that is counted as used and belongs to nobody. */
const leaks = counts((byte, r) => (byte === 0 ? 1 << r.below(2) : byte), 30);
const lost = counts((byte, r) => (r.below(2) ? 0 : byte >> 1), 6);
const wrongFlags = both(
  word('L1 table', 0, (v) => v ^ COPIED),
  word('L2 tables', 1, (v) => v ^ COPIED),
  word('L2 tables', 3, (v) => v ^ COPIED),
);

export const DAMAGES: readonly Damage[] = [
  { name: 'nothing', make: (image) => Buffer.from(image) },
  { name: 'leaks', make: leaks },
  { name: 'counts too low', make: lost },
  { name: 'counts anyhow', make: counts((_, r) => r.below(256), 20) },
  { name: 'flags', make: wrongFlags },
  { name: 'flags, leaks and low counts', make: both(leaks, lost, wrongFlags) },
  { name: 'no refcount block', make: word('refcount table', 0, () => 0n) },
  { name: 'refcount block outside', make: word('refcount table', 0, () => 1n << 40n) },
  { name: 'refcount block unaligned', make: word('refcount table', 0, (v) => v + 512n) },
  {
    name: 'refcount block in data',
    make: (image, sample, r) => {
      const data = first(sample, 'data');
      return data === undefined ? undefined : word('refcount table', 0, () => BigInt(data))(image, sample, r);
    },
  },
  {
    name: 'no refcount table',
    make: (image, sample, r) =>
      both(...Array(3).fill(word('refcount table', 0, () => 0n)))(image, sample, r) ??
      word('refcount table', 0, () => 0n)(image, sample, r),
  },
  {
    name: 'an L2 table twice',
    make: word('L1 table', 1, (_, image) => image.readBigUInt64BE(Number(image.readBigUInt64BE(40)))),
  },
  {
    name: 'a table that is data too',
    make: (image, sample, r) => {
      const table = first(sample, 'L2 tables');
      const data = table === undefined ? undefined : word('L2 tables', 2, () => COPIED | BigInt(table));
      return (
        data &&
        both(
          data,
          word('L2 tables', 1, (v) => v ^ COPIED),
          leaks,
        )(image, sample, r)
      );
    },
  },
  { name: 'reserved bits of entries', make: word('L2 tables', 1, (v) => v | 2n) },
  { name: 'marked as dirty', make: feature(1) },
  { name: 'marked as dirty, low counts', make: both(feature(1), lost, wrongFlags) },
  { name: 'marked as corrupt', make: feature(2) },
  { name: 'marked as corrupt, leaks', make: both(feature(2), leaks) },
];

export interface RepairResult {
  states: number;
  /** Repairs that were not looked at, since the damage is beyond them. */
  hopeless: number;
}

/** Repairs one damaged image with a crash at every point (at most so many); throws with the first that is wrong. */
export async function crashRepair(
  dir: string,
  image: Buffer,
  fix: FixMode,
  where: string,
  r: Random,
  most: number,
): Promise<RepairResult> {
  // (Not a name that a mutated image would call its own backing file.)
  const path = join(dir, 'damaged');
  writeFileSync(path, image);
  const before = await readable(path);
  if (!before) return { states: 0, hopeless: 1 };
  // What is named behind the end of the file reads as nothing until something comes to lie there.
  if (await namesBehindEnd(path)) return { states: 0, hopeless: 1 };
  const log: LogEntry[] = [];
  const result = await repair(path, fix, log);
  const changes = log.filter((e) => e.kind !== 'flush').length;
  if (!result) return { states: 0, hopeless: 1 };
  const gone = worse(before, await readable(path));
  if (gone !== undefined) throw new Error(`${where}: after a whole repair ${gone}`);
  const promised = await brokenPromise(path, image);
  if (promised !== undefined) throw new Error(`${where}: after a whole repair ${promised}`);
  const curable = await repairFully(path, 2);
  if (changes === 0) return { states: 0, hopeless: curable ? 0 : 1 };
  let states = 0;
  for (const state of crashStates([image], log, r, Math.ceil((log.length * 2) / most))) {
    states++;
    writeFileSync(path, state.images[0]!);
    const left = worse(before, await readable(path));
    if (left !== undefined) throw new Error(`${where}: ${state.what} ${left}`);
    const broken = await brokenPromise(path, image);
    if (broken !== undefined) throw new Error(`${where}: ${state.what} ${broken}`);
    if (!curable) continue;
    if (!(await repairFully(path, 2))) throw new Error(`${where}: ${state.what} repairing again does not end clean`);
    const then = worse(before, await readable(path));
    if (then !== undefined) throw new Error(`${where}: ${state.what} repairing again, ${then}`);
  }
  return { states, hopeless: curable ? 0 : 1 };
}

/** Makes the sample of that kind in `dir`, which becomes the current folder: data files are named from there. */
export async function sampleIn(dir: string, options: string): Promise<Sample> {
  process.chdir(dir);
  writeFileSync(BACKING, Buffer.alloc(1 << 20, 5));
  return makeSample(dir, options);
}

/** Kinds of images that are damaged. */
export const REPAIRED: readonly string[] = [
  'cluster_size=512',
  'cluster_size=4096,refcount_bits=1',
  'extended_l2=on,cluster_size=16384',
  'cluster_size=4096,compat=0.10',
  'cluster_size=4096,refcount_bits=64,compression_type=zstd',
  'cluster_size=4096,data_file=DATA',
  'cluster_size=512,refcount_bits=2',
  'cluster_size=1024,refcount_bits=4,lazy_refcounts=on',
  'cluster_size=2048,refcount_bits=8',
  'cluster_size=4096,refcount_bits=32',
];

/** Repairs every damage of one kind of image in both ways, or the one of that name. */
export async function crashRepairs(
  options: string,
  dir: string,
  seed: number,
  most: number,
  name?: string,
): Promise<RepairResult> {
  const sample = await sampleIn(dir, options);
  const total: RepairResult = { states: 0, hopeless: 0 };
  for (const damage of DAMAGES) {
    if (name !== undefined && damage.name !== name) continue;
    const image = damage.make(sample.image, sample, new Random(seed));
    if (!image) continue;
    for (const fix of ['leaks', 'all'] as const) {
      const where = `[${options}] ${damage.name}, -r ${fix}, seed ${seed}`;
      const { states, hopeless } = await crashRepair(dir, image, fix, where, new Random(seed), most);
      total.states += states;
      total.hopeless += hopeless;
    }
  }
  return total;
}

/** Repairs random damages as the fuzzer makes them. */
export async function crashMutants(options: string, dir: string, seed: number, count: number): Promise<RepairResult> {
  const sample = await sampleIn(dir, options);
  const total: RepairResult = { states: 0, hopeless: 0 };
  for (let i = 0; i < count; i++) {
    const r = new Random(seed + i);
    const image = mutate(sample, r);
    for (const fix of ['leaks', 'all'] as const) {
      const { states, hopeless } = await crashRepair(
        dir,
        image,
        fix,
        `[${options}] mutant ${seed + i}, -r ${fix}`,
        r,
        20,
      );
      total.states += states;
      total.hopeless += hopeless;
    }
  }
  return total;
}

if (import.meta.main) {
  const { inScratch } = await import('./helpers.ts');
  const seeds = Number(process.argv[2] ?? 1);
  const mutants = Number(process.argv[3] ?? 20);
  for (let seed = 1; seed <= seeds; seed++)
    for (const options of REPAIRED)
      for (const body of [crashRepairs, crashMutants]) {
        try {
          const res = await inScratch((dir) =>
            body(options, dir, seed * 1000, body === crashRepairs ? 60 : mutants).finally(() => process.chdir('/')),
          );
          console.log(`ok   ${body.name} ${options}: ${res.states} states, ${res.hopeless} hopeless`);
        } catch (error) {
          console.log(`FAIL ${body.name} ${(error as Error).message}`);
          process.exitCode = 1;
        }
      }
}
