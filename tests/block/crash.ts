// Crash simulation: records what an image writes, then looks at every state a crash could have left behind.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BlkdebugNode, LogEntry } from '../../src/block/blkdebug.ts';
import { commitImage, rebaseImage } from '../../src/block/commit.ts';
import { createImage } from '../../src/block/create-image.ts';
import { type BlockNode, REQ } from '../../src/block/driver.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import {
  addBitmap,
  clearBitmap,
  dirtyRanges,
  enableBitmap,
  listBitmaps,
  mergeBitmap,
  removeBitmap,
} from '../../src/block/qcow2/bitmap.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { applySnapshot, createSnapshot, deleteSnapshot, loadTemporarily } from '../../src/block/qcow2/snapshot.ts';
import { Random } from './differential.ts';

const UNIT = 512;

/** What one state of the disk may show: by unit, the values written since the last guest flush, the one at that flush first. */
type Disk = readonly (readonly number[])[];

/** What the disk may show as time goes on. */
class Expectations {
  private disk: Disk;
  /** From a log position on the disk is one of these, as a whole. */
  readonly history: { from: number; disks: Disk[] }[] = [];

  constructor(units: number) {
    this.disk = Array.from({ length: units }, () => [0]);
    this.history.push({ from: 0, disks: [this.disk] });
  }

  get units(): number {
    return this.disk.length;
  }

  /** Told before a request is sent: its result may be there or not from now on. */
  write(at: number, bytes: number, value: number, position: number): void {
    const next = this.disk.slice();
    for (let u = at / UNIT; u < (at + bytes) / UNIT; u++) next[u] = [...next[u]!, value];
    this.keep(next, position);
  }

  /** Told when a flush has ended: only the newest values are left. */
  flush(position: number): void {
    this.keep(
      this.disk.map((values) => [values[values.length - 1]!]),
      position,
    );
  }

  /** The newest values, to come back to. */
  get newest(): Disk {
    return this.disk.map((values) => [values[values.length - 1]!]);
  }

  /** Told before a change that happens as a whole or not at all; ended says that it has happened. */
  become(next: Disk, position: number): { ended: (position: number) => void } {
    this.history.push({ from: position, disks: [this.disk, next] });
    return { ended: (end) => this.keep(next, end) };
  }

  private keep(next: Disk, position: number): void {
    this.disk = next;
    this.history.push({ from: position, disks: [next] });
  }

  /** Everything allowed at a crash after `position` log entries: requests under way then count as perhaps done. */
  at(position: number): Disk[] {
    let last = this.history[0]!;
    for (const h of this.history) {
      if (h.from > position) break;
      last = h;
    }
    return last.disks;
  }
}

function applyEntry(image: Buffer, e: LogEntry): Buffer {
  const grow = (end: number): Buffer =>
    end > image.length ? Buffer.concat([image, Buffer.alloc(end - image.length)]) : image;
  switch (e.kind) {
    case 'write': {
      const out = grow(e.offset + e.data.length);
      out.set(e.data, e.offset);
      return out;
    }
    case 'zero':
    case 'discard': {
      const out = e.kind === 'zero' ? grow(e.offset + e.bytes) : image;
      out.fill(0, e.offset, Math.min(out.length, e.offset + e.bytes));
      return out;
    }
    case 'truncate': {
      const out = grow(e.size);
      return Buffer.from(out.subarray(0, e.size));
    }
    default:
      return image;
  }
}

/** What happens besides writes, zeroes, discards and flushes of the guest. */
export type Extra = 'snapshots' | 'apply' | 'resize' | 'compressed' | 'bitmaps' | 'amend' | 'vmstate';

/** What is looked at as a whole: one operation on images with content. */
export type Whole = 'commit' | 'rebase' | 'rebase compressed' | 'copy-on-read';

export interface CrashRequest {
  seed: number;
  operations: number;
  options: string;
  dir: string;
  extras?: readonly Extra[];
  whole?: Whole;
  backing?: boolean;
  dataFile?: 'plain' | 'raw';
  /** States looked at, at most; spread evenly. */
  states: number;
}

export interface CrashResult {
  entries: number;
  states: number;
}

/** A file that is recorded, as it was at first. */
interface Recorded {
  name: string;
  initial: Buffer;
}

const SIZE = 1 << 20;

/** Options of a file node that notes what is written to it. */
const loggedFile = (prefix: string, path: string): [string, string][] => [
  [`${prefix}.driver`, 'blkdebug'],
  [`${prefix}.image.driver`, 'file'],
  [`${prefix}.image.filename`, path],
  [`${prefix}.image.cache.no-flush`, 'on'],
];

const record = (node: BlockNode, log: LogEntry[], file: number): void => {
  (node as BlkdebugNode).log = log;
  (node as BlkdebugNode).logFile = file;
};

/** Runs random operations, then checks the states; throws with the first that is wrong. */
export async function crashTest(q: CrashRequest): Promise<CrashResult> {
  const r = new Random(q.seed);
  const path = join(q.dir, 'image');
  const base = join(q.dir, 'base');
  if (q.whole === 'commit')
    await createImage({ filename: base, format: 'qcow2', size: SIZE, optionTexts: [q.options] });
  else if (q.backing || q.whole) writeFileSync(base, Buffer.alloc(SIZE, 0xbb));
  writeFileSync(`${base}2`, Buffer.alloc(SIZE, 0xcc));
  const data = join(q.dir, 'data');
  const texts = q.options ? [q.options] : [];
  if (q.dataFile) texts.push(`data_file=${data},data_file_raw=${q.dataFile === 'raw' ? 'on' : 'off'}`);
  await createImage({
    filename: path,
    format: 'qcow2',
    optionTexts: texts,
    size: SIZE,
    ...(q.backing || q.whole ? { backingFile: base, backingFormat: q.whole === 'commit' ? 'qcow2' : 'raw' } : {}),
  });
  const files: Recorded[] = [{ name: 'image', initial: readFileSync(path) }];
  if (q.dataFile) files.push({ name: 'data', initial: readFileSync(data) });
  const node = (await openImage({
    options: new Map([
      ['driver', 'qcow2'],
      ...loggedFile('file', path),
      ...(q.dataFile ? loggedFile('data-file', data) : []),
      ...(q.whole === 'commit'
        ? [['backing.driver', 'qcow2'] as [string, string], ...loggedFile('backing.file', base)]
        : []),
    ]),
    unmap: true,
  })) as Qcow2Node;
  const log: LogEntry[] = [];
  record(node.file!, log, 0);
  if (q.dataFile) record(node.children.get('data-file')!.node, log, 1);
  const expect = new Expectations(SIZE / UNIT);
  if (q.backing || (q.whole && q.whole !== 'commit')) {
    expect.write(0, SIZE, 0xbb, 0);
    expect.flush(0);
  }
  const extras = new Extras(q.extras ?? [], node, r, expect, log, q.dir);
  for (let i = 0; i < q.operations; i++) {
    await guestRequest(node, r, expect, log, q.backing === true || q.whole !== undefined);
    if (r.below(8) === 0) await extras.one(i);
  }
  if (q.whole) {
    await node.flush();
    expect.flush(log.length);
    // Whatever was done before is there: the states that count are those of this one operation.
    for (const f of files) f.initial = readFileSync(join(q.dir, f.name));
    log.length = 0;
    expect.flush(0);
    expect.history.splice(0, expect.history.length - 1);
    if (q.whole === 'commit') {
      files.push({ name: 'base', initial: readFileSync(base) });
      record(node.backing!.file!, log, files.length - 1);
    }
    await runWhole(q.whole, node, base);
  }
  await closeImage(node);
  expect.flush(log.length);
  const bitmaps = q.extras?.includes('bitmaps') ? await settledBitmaps(path) : undefined;
  return checkStates(q, r, files, log, expect, bitmaps);
}

/** One random request of a guest. */
async function guestRequest(
  node: Qcow2Node,
  r: Random,
  expect: Expectations,
  log: LogEntry[],
  backing: boolean,
): Promise<void> {
  const size = expect.units * UNIT;
  const cluster = node.s.clusterSize;
  const at = r.below(size / UNIT) * UNIT;
  const bytes = Math.min(size - at, (1 + r.below(r.below(4) ? 24 : 128)) * UNIT);
  const pick = r.below(100);
  if (pick < 60) {
    const value = 1 + r.below(255);
    expect.write(at, bytes, value, log.length);
    await node.write(at, new Uint8Array(bytes).fill(value));
  } else if (pick < 75) {
    expect.write(at, bytes, 0, log.length);
    await node.writeZeroes(at, bytes, r.below(2) ? REQ.MAY_UNMAP : 0);
  } else if (pick < 90) {
    const start = Math.ceil(at / cluster) * cluster;
    const end = at + bytes === size ? size : Math.floor((at + bytes) / cluster) * cluster;
    if (end > start && (node.s.header.version >= 3 || !backing)) expect.write(start, end - start, 0, log.length);
    await node.discard(at, bytes);
  } else {
    await node.flush();
    expect.flush(log.length);
  }
}

/** The operations on an image as a whole that a run has. */
class Extras {
  private readonly contents = new Map<string, Disk>();

  constructor(
    private readonly kinds: readonly Extra[],
    private readonly node: Qcow2Node,
    private readonly r: Random,
    private readonly expect: Expectations,
    private readonly log: LogEntry[],
    private readonly dir: string,
  ) {}

  async one(i: number): Promise<void> {
    if (this.kinds.length === 0) return;
    const kind = this.kinds[this.r.below(this.kinds.length)]!;
    const { node, r, expect, log } = this;
    const { s } = node;
    if (kind !== 'compressed') {
      await node.flush();
      expect.flush(log.length);
    }
    switch (kind) {
      case 'snapshots': {
        const old = s.snapshots;
        if (old.length < 3) {
          this.contents.set(`s${i}`, expect.newest);
          // With narrow refcounts, to which amend may have come, there may be no room for another user.
          await s
            .quiet(() => createSnapshot(s, `s${i}`))
            .catch((error) => {
              if (s.refcountBits > 2 || !/would exceed/.test((error as Error).message)) throw error;
            });
        } else await s.quiet(() => deleteSnapshot(s, old[r.below(old.length)]!));
        break;
      }
      case 'apply': {
        const sn = s.snapshots[r.below(Math.max(1, s.snapshots.length))];
        if (!sn || (s.header.version < 3 && sn.diskSize !== s.size)) return;
        const change = expect.become(this.contents.get(sn.name)!, log.length);
        await s.quiet(() => applySnapshot(s, sn));
        change.ended(log.length);
        break;
      }
      case 'resize': {
        if (s.header.version < 3 && s.snapshots.length > 0) return;
        const units = (SIZE / 2 + r.below(8) * 131072) / UNIT;
        const next = expect.newest.slice(0, units);
        while (next.length < units) next.push([0]);
        const change = expect.become(next, log.length);
        const mode = (['off', 'off', 'metadata', 'falloc', 'full'] as const)[r.below(5)]!;
        const grows = units > expect.units && (s.extendedL2 || !node.backing);
        await node.truncate(units * UNIT, grows ? mode : 'off');
        change.ended(log.length);
        break;
      }
      case 'compressed': {
        const cluster = s.clusterSize;
        const at = r.below(Math.floor((expect.units * UNIT) / cluster)) * cluster;
        if ((await node.blockStatus(at, cluster)).allocated) return;
        const value = 1 + r.below(255);
        expect.write(at, cluster, value, log.length);
        await node.write(at, new Uint8Array(cluster).fill(value), REQ.COMPRESSED);
        break;
      }
      case 'bitmaps': {
        const list = await listBitmaps(s);
        const name = list[r.below(Math.max(1, list.length))]?.name;
        const pick = r.below(6);
        if (pick > 3 && name !== undefined) return this.mergeFromOther(name);
        await s.quiet(async () => {
          if (list.length < 3 || name === undefined) await addBitmap(s, `b${i}`, 512 << r.below(4), r.below(2) === 0);
          else if (pick === 0) await removeBitmap(s, name);
          else if (pick === 1) await clearBitmap(s, name);
          else if (pick === 2) await enableBitmap(s, name, r.below(2) === 0);
          else await mergeBitmap(s, name, s, list[0]!.name);
        });
        break;
      }
      case 'amend': {
        const to = [
          'compat=0.10',
          'compat=1.1',
          'refcount_bits=64',
          'refcount_bits=32',
          'refcount_bits=16',
          'refcount_bits=8',
          'refcount_bits=4',
          'refcount_bits=2',
          'refcount_bits=1',
          'lazy_refcounts=on',
          'lazy_refcounts=off',
        ][r.below(11)]!.split('=') as [string, string];
        // What does not go together with what the image is, is refused.
        await node
          .amend(new Map([to]), () => {})
          .catch((error) => {
            if (!/require|prevent|[Ll]azy refcounts|refcount/.test((error as Error).message)) throw error;
          });
        break;
      }
      case 'vmstate': {
        await node.writeVmState(r.below(100000), new Uint8Array(10000).fill(r.below(256)));
        break;
      }
    }
  }

  /** Merges a bitmap of another image of the same size, finer or coarser and with other clusters. */
  private async mergeFromOther(name: string): Promise<void> {
    const { node, r } = this;
    const { s } = node;
    const filename = join(this.dir, 'merged');
    const optionTexts = [`cluster_size=${512 << r.below(4)}`];
    await createImage({ filename, format: 'qcow2', size: s.size, optionTexts });
    const other = (await openImage({ filename, noFlush: true })) as Qcow2Node;
    await other.s.quiet(() => addBitmap(other.s, 'm', 512 << (r.below(4) * 4), false));
    for (let n = r.below(4); n > 0; n--) {
      const at = r.below(s.size / UNIT) * UNIT;
      await other.writeZeroes(at, Math.min(s.size - at, (1 + r.below(200)) * UNIT));
    }
    await closeImage(other);
    const source = (await openImage({ filename, readOnly: true })) as Qcow2Node;
    await s.quiet(() => mergeBitmap(s, name, source.s, 'm'));
    await closeImage(source);
  }
}

/** What each bitmap says that was closed properly, by name. */
async function settledBitmaps(path: string): Promise<Map<string, string>> {
  const out = new Map<string, string>();
  const node = (await openImage({ filename: path, readOnly: true, check: true, noFlush: true })) as Qcow2Node;
  for (const b of await listBitmaps(node.s))
    if (!b.inconsistent) out.set(b.name, JSON.stringify(await dirtyRanges(node.s, b.name)));
  await closeImage(node);
  return out;
}

async function runWhole(whole: Whole, node: Qcow2Node, base: string): Promise<void> {
  if (whole === 'commit') {
    await commitImage(node, node.backing!, true, 0, () => {});
    return;
  }
  if (whole === 'copy-on-read') {
    node.setName('top');
    const filter = await openImage({
      options: new Map([
        ['driver', 'copy-on-read'],
        ['file', 'top'],
      ]),
    });
    for (let at = 0; at < SIZE; at += 40000) {
      await filter.read(at, new Uint8Array(Math.min(20000, SIZE - at)));
      if (at % 3 === 0) await node.s.lock.with(() => node.s.flushCaches());
    }
    await closeImage(filter);
    return;
  }
  const fresh = await openImage({ filename: `${base}2`, options: new Map([['driver', 'raw']]), readOnly: true });
  await rebaseImage(node, fresh, whole === 'rebase compressed', () => {});
  await node.changeBackingFile(`${base}2`, 'raw');
  await closeImage(fresh);
}

/** What a crash could have left: the files' contents, after so many log entries. */
export interface CrashState {
  position: number;
  images: readonly Buffer[];
  what: string;
}

/**
 * States a crash can leave: after every `step`-th entry of the log all that was sent before it, in order, and a random selection
 * of what was sent since the last flush of its file.
 */
export function* crashStates(
  initial: readonly Buffer[],
  log: readonly LogEntry[],
  r: Random,
  step: number,
): Generator<CrashState> {
  const images: Buffer[] = initial.map((b) => Buffer.from(b));
  let applied = 0;
  for (let position = 0; position <= log.length; position += step) {
    for (; applied < position; applied++) {
      const e = log[applied]!;
      images[e.file] = applyEntry(images[e.file]!, e);
    }
    yield { position, images, what: `after ${position} of ${log.length} writes, in order` };
    // Since the last flush any selection of writes may have reached the disk, in any order where they do not overlap.
    const flushed = initial.map((_, file) => {
      let at = position - 1;
      while (at >= 0 && !(log[at]!.kind === 'flush' && log[at]!.file === file)) at--;
      return at;
    });
    const partial: Buffer[] = initial.map((b) => Buffer.from(b));
    // Either any of them, or all of one file's and none of the other's.
    const favoured = initial.length > 1 && r.below(2) ? r.below(initial.length) : undefined;
    for (let i = 0; i < position; i++) {
      const e = log[i]!;
      const stable = e.done <= flushed[e.file]! || e.kind === 'truncate';
      if (stable || (favoured === undefined ? r.below(2) === 0 : e.file === favoured))
        partial[e.file] = applyEntry(partial[e.file]!, e);
    }
    yield { position, images: partial, what: `after ${position} of ${log.length} writes, some of them lost` };
  }
}

async function checkStates(
  q: CrashRequest,
  r: Random,
  files: readonly Recorded[],
  log: LogEntry[],
  expect: Expectations,
  bitmaps: Map<string, string> | undefined,
): Promise<CrashResult> {
  const step = Math.max(1, Math.floor(log.length / (q.states / 2)));
  let states = 0;
  const initial = files.map((f) => f.initial);
  for (const state of crashStates(initial, log, r, step)) {
    await checkState(q, files, state.images, expect.at(state.position), state.what, bitmaps);
    states++;
  }
  return { entries: log.length, states };
}

async function checkState(
  q: CrashRequest,
  files: readonly Recorded[],
  images: readonly Buffer[],
  allowed: Disk[],
  what: string,
  bitmaps: Map<string, string> | undefined,
): Promise<void> {
  for (const [i, f] of files.entries()) writeFileSync(join(q.dir, `state-${f.name}`), images[i]!);
  const path = join(q.dir, 'state-image');
  const where = `seed ${q.seed} [${q.options}] ${what}`;
  const open = (readOnly: boolean, check: boolean): Promise<BlockNode> => {
    const options = new Map([['driver', 'qcow2']]);
    if (q.dataFile) options.set('data-file.filename', join(q.dir, 'state-data'));
    if (q.whole === 'commit')
      options.set('backing.driver', 'qcow2').set('backing.file.filename', join(q.dir, 'state-base'));
    return openImage({ filename: path, options, readOnly, check, noFlush: true });
  };
  const clean = async (node: Qcow2Node): Promise<void> => {
    const lines: string[] = [];
    const result = await node.check('none', (line) => lines.push(line));
    // Version 2 has no mark for "to be repaired": flags that do not fit the counts are all that may be wrong.
    if (flagsMayBeWrong(q, node)) {
      const others = lines.filter((l) => !/^(Leaked|ERROR OFLAG_COPIED) /.test(l));
      if (others.length === 0) return;
    }
    if (result.corruptions || result.checkErrors)
      throw new Error(
        `${where}: ${result.corruptions} errors: ${lines
          .filter((l) => !l.startsWith('Leaked'))
          .slice(0, 3)
          .join('; ')}`,
      );
  };
  // A bitmap either says that it may be behind, or is what it was when the image was closed.
  if (bitmaps)
    for (const [name, ranges] of await settledBitmaps(path))
      if (ranges !== bitmaps.get(name))
        throw new Error(`${where}: bitmap ${name} is ${ranges}, not ${bitmaps.get(name)}`);
  let node = (await open(true, true)) as Qcow2Node;
  const dirty = node.isDirty;
  if (dirty || q.extras?.includes('bitmaps')) {
    if (!dirty) await clean(node);
    // Whoever opens the image for writing repairs it, if it says that it wants that, and can use it from then on.
    await closeImage(node);
    await closeImage(await open(false, false));
    node = (await open(true, true)) as Qcow2Node;
  }
  await clean(node);
  const content = new Uint8Array(node.length);
  await node.read(0, content);
  if (flagsMayBeWrong(q, node)) {
    await closeImage(node);
    await goOnWithWrongFlags(path, content, where);
    node = (await open(true, true)) as Qcow2Node;
  }
  await closeImage(node);
  if (q.whole === 'commit') {
    const openBase = (readOnly: boolean): Promise<BlockNode> =>
      openImage({
        filename: join(q.dir, 'state-base'),
        options: new Map([['driver', 'qcow2']]),
        readOnly,
        check: readOnly,
        noFlush: true,
      });
    // (With lazy refcounts the base says itself that it wants a repair.)
    await closeImage(await openBase(false));
    const base = (await openBase(true)) as Qcow2Node;
    await clean(base);
    await closeImage(base);
  }
  const wrong = allowed.map((disk) => difference(content, disk));
  if (wrong.every((text) => text !== undefined)) throw new Error(`${where}: ${wrong.join('; or ')}`);
  if (q.dataFile === 'raw') {
    const text = allowed.map((disk) => difference(images[1]!, disk));
    if (text.every((t) => t !== undefined)) throw new Error(`${where}: data file alone: ${text.join('; or ')}`);
  }
}

/** Whether a crash may leave COPIED flags that only a repair puts right, and nothing says so. */
const flagsMayBeWrong = (q: CrashRequest, node: Qcow2Node): boolean =>
  node.s.header.version < 3 && q.extras?.some((e) => e === 'snapshots' || e === 'apply') === true;

/** The contents of all snapshots. */
async function snapshotContents(path: string): Promise<Map<string, Buffer>> {
  const out = new Map<string, Buffer>();
  for (let i = 0; ; i++) {
    const node = (await openImage({ filename: path, readOnly: true, check: true })) as Qcow2Node;
    const sn = node.s.snapshots[i];
    if (!sn) {
      await closeImage(node);
      return out;
    }
    await loadTemporarily(node.s, sn);
    const b = Buffer.alloc(node.length);
    await node.read(0, b);
    await closeImage(node);
    out.set(sn.id, b);
  }
}

/**
 * Uses an image whose flags may be wrong as if nothing had happened: what is written to the disk must not show in snapshots, and a
 * repair must end clean with all of it in place. Leaves what the disk showed before.
 */
async function goOnWithWrongFlags(path: string, content: Uint8Array, where: string): Promise<void> {
  const image = readFileSync(path);
  const before = await snapshotContents(path);
  const writable = (await openImage({ filename: path, noFlush: true })) as Qcow2Node;
  const now = Buffer.from(content);
  for (let at = UNIT; at + 3 * UNIT < now.length; at += 24 * UNIT) {
    now.fill(0x77, at, at + 3 * UNIT);
    await writable.write(at, now.subarray(at, at + 3 * UNIT));
  }
  await closeImage(writable);
  const look = async (when: string): Promise<void> => {
    const node = await openImage({ filename: path, readOnly: true, check: true });
    const b = Buffer.alloc(node.length);
    await node.read(0, b);
    await closeImage(node);
    if (!b.equals(now)) throw new Error(`${where}: ${when} the disk has not what was written`);
    for (const [id, bytes] of await snapshotContents(path))
      if (!before.get(id)!.equals(bytes)) throw new Error(`${where}: ${when} snapshot ${id} has changed`);
  };
  await look('going on,');
  const repaired = (await openImage({ filename: path, check: true, noFlush: true })) as Qcow2Node;
  await repaired.check('all', () => {});
  const { corruptions, leaks } = await repaired.check('none', () => {});
  await closeImage(repaired);
  if (corruptions || leaks) throw new Error(`${where}: ${corruptions} errors and ${leaks} leaks after a repair`);
  await look('repaired,');
  writeFileSync(path, image);
}

/** What in the content is not as allowed; undefined if all is. */
function difference(content: Uint8Array, disk: Disk): string | undefined {
  if (content.length !== disk.length * UNIT) return `${content.length} bytes, not ${disk.length * UNIT}`;
  for (const [u, values] of disk.entries()) {
    const value = content[u * UNIT]!;
    if (!values.includes(value)) return `unit ${u} shows ${value}, allowed ${values.join(',')}`;
    for (let i = 1; i < UNIT; i++) if (content[u * UNIT + i] !== value) return `unit ${u} is torn`;
  }
  return undefined;
}

/** Kinds of images and operations. */
export const CRASHES: readonly Partial<CrashRequest>[] = [
  { options: '' },
  { options: 'cluster_size=4096' },
  { options: 'cluster_size=512' },
  { options: 'cluster_size=4096', backing: true },
  { options: 'cluster_size=4096,compat=0.10' },
  { options: 'cluster_size=16k,extended_l2=on', backing: true },
  { options: 'cluster_size=4096,lazy_refcounts=on' },
  { options: 'cluster_size=512,refcount_bits=64' },
  { options: 'cluster_size=4096', extras: ['snapshots'] },
  { options: 'cluster_size=4096', extras: ['snapshots', 'snapshots', 'apply', 'vmstate'] },
  { options: 'cluster_size=512', extras: ['snapshots', 'apply', 'resize'] },
  { options: 'cluster_size=16k,extended_l2=on', extras: ['snapshots', 'apply', 'resize'] },
  { options: 'cluster_size=4096,lazy_refcounts=on', extras: ['snapshots', 'apply', 'compressed'] },
  { options: 'cluster_size=4096,compat=0.10', extras: ['snapshots', 'snapshots', 'apply'] },
  { options: 'cluster_size=512,compat=0.10', extras: ['snapshots', 'compressed'], backing: true },
  { options: 'cluster_size=4096', extras: ['resize'], backing: true },
  { options: 'cluster_size=512,refcount_bits=1', extras: ['resize'] },
  { options: 'cluster_size=4096,compat=0.10', extras: ['resize'] },
  { options: 'cluster_size=512,refcount_bits=64,lazy_refcounts=on', extras: ['resize'] },
  { options: 'cluster_size=4096', extras: ['compressed'], backing: true },
  { options: 'cluster_size=512', extras: ['bitmaps'] },
  { options: 'cluster_size=512', extras: ['bitmaps', 'resize'] },
  { options: 'cluster_size=512', extras: ['bitmaps', 'bitmaps', 'snapshots', 'apply', 'resize'] },
  { options: 'cluster_size=4096,lazy_refcounts=on', extras: ['bitmaps'] },
  { options: 'cluster_size=4096', extras: ['amend'] },
  { options: 'cluster_size=512', extras: ['amend', 'compressed'], backing: true },
  { options: 'cluster_size=512,refcount_bits=1', extras: ['amend', 'resize'] },
  { options: 'cluster_size=2k,refcount_bits=64', extras: ['amend', 'amend', 'snapshots'] },
  { options: 'cluster_size=4096', dataFile: 'plain' },
  { options: 'cluster_size=4096', dataFile: 'plain', backing: true },
  { options: 'cluster_size=16k,extended_l2=on', dataFile: 'raw' },
  { options: 'cluster_size=4096', whole: 'commit' },
  { options: 'cluster_size=512', whole: 'commit', extras: ['snapshots'] },
  { options: 'cluster_size=4096', whole: 'commit', dataFile: 'plain' },
  { options: 'cluster_size=2k,compat=0.10', whole: 'commit' },
  { options: 'cluster_size=512,refcount_bits=1', whole: 'commit' },
  { options: 'cluster_size=16k,extended_l2=on,refcount_bits=64', whole: 'commit' },
  { options: 'cluster_size=512,lazy_refcounts=on', whole: 'commit' },
  { options: 'cluster_size=4096', whole: 'rebase' },
  { options: 'cluster_size=4096', whole: 'rebase', dataFile: 'plain' },
  { options: 'cluster_size=2k,compat=0.10', whole: 'rebase' },
  { options: 'cluster_size=512,refcount_bits=1', whole: 'rebase' },
  { options: 'cluster_size=16k,extended_l2=on,refcount_bits=64', whole: 'rebase' },
  { options: 'cluster_size=4096', whole: 'rebase compressed' },
  { options: 'cluster_size=4096', whole: 'copy-on-read' },
];

if (import.meta.main) {
  const { inScratch } = await import('./helpers.ts');
  const seeds = Number(process.argv[2] ?? 3);
  const first = Number(process.argv[4] ?? 1);
  for (let seed = first; seed < first + seeds; seed++) {
    for (const v of CRASHES) {
      const started = performance.now();
      try {
        const res = await inScratch((dir) =>
          crashTest({ seed, operations: 80, states: Number(process.argv[3] ?? 200), dir, options: '', ...v }),
        );
        console.log(
          `ok   seed ${seed} ${JSON.stringify(v)}: ${res.entries} writes, ${res.states} states, ${((performance.now() - started) / 1000).toFixed(1)} s`,
        );
      } catch (error) {
        console.log(`FAIL ${JSON.stringify(v)} ${(error as Error).message}`);
        process.exitCode = 1;
      }
    }
  }
}
