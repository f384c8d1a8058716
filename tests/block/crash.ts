// Crash simulation: records what an image writes, then looks at every state a crash could have left behind.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BlkdebugNode, LogEntry } from '../../src/block/blkdebug.ts';
import { createImage } from '../../src/block/create-image.ts';
import { type BlockNode, REQ } from '../../src/block/driver.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { createSnapshot, deleteSnapshot } from '../../src/block/qcow2/snapshot.ts';
import { Random } from './differential.ts';

const UNIT = 512;

/** The values each unit of the disk may show, as time goes on. */
class Expectations {
  /** By unit: values written since the last guest flush, the one at that flush first. */
  private allowed: number[][];
  /** What may be shown after a crash at or after a log position. */
  readonly history: { from: number; allowed: number[][] }[] = [];

  constructor(units: number) {
    this.allowed = Array.from({ length: units }, () => [0]);
    this.history.push({ from: 0, allowed: this.allowed });
  }

  /** Told before a request is sent: its result may be there or not from now on. */
  write(at: number, bytes: number, value: number, position: number): void {
    const next = this.allowed.slice();
    for (let u = at / UNIT; u < (at + bytes) / UNIT; u++) next[u] = [...next[u]!, value];
    this.keep(next, position);
  }

  /** Told when a flush has ended: only the newest values are left. */
  flush(position: number): void {
    this.keep(
      this.allowed.map((values) => [values[values.length - 1]!]),
      position,
    );
  }

  resize(units: number, position: number): void {
    const next = this.allowed.slice(0, units);
    while (next.length < units) next.push([0]);
    this.keep(next, position);
  }

  private keep(next: number[][], position: number): void {
    this.allowed = next;
    this.history.push({ from: position, allowed: next });
  }

  /** Everything allowed at a crash after `position` log entries: requests under way then count as perhaps done. */
  at(position: number): number[][] {
    let last = this.history[0]!;
    for (const h of this.history) {
      if (h.from > position) break;
      last = h;
    }
    return last.allowed;
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

export interface CrashRequest {
  seed: number;
  operations: number;
  options: string;
  dir: string;
  snapshots?: boolean;
  backing?: boolean;
  /** States looked at, at most; spread evenly. */
  states: number;
}

export interface CrashResult {
  entries: number;
  states: number;
}

/** Runs random operations, then checks the states; throws with the first that is wrong. */
export async function crashTest(q: CrashRequest): Promise<CrashResult> {
  const r = new Random(q.seed);
  const size = 1 << 20;
  const path = join(q.dir, 'image');
  const base = join(q.dir, 'base');
  if (q.backing) writeFileSync(base, Buffer.alloc(size, 0xbb));
  await createImage({
    filename: path,
    format: 'qcow2',
    optionTexts: q.options ? [q.options] : [],
    size,
    ...(q.backing ? { backingFile: base, backingFormat: 'raw' } : {}),
  });
  const initial = readFileSync(path);
  const node = (await openImage({
    options: new Map([
      ['driver', 'qcow2'],
      ['file.driver', 'blkdebug'],
      ['file.image.driver', 'file'],
      ['file.image.filename', path],
      ['file.image.cache.no-flush', 'on'],
    ]),
    unmap: true,
  })) as Qcow2Node;
  const log: LogEntry[] = [];
  (node.file as BlkdebugNode).log = log;
  const expect = new Expectations(size / UNIT);
  if (q.backing) {
    expect.write(0, size, 0xbb, 0);
    expect.flush(0);
  }
  const cluster = node.s.clusterSize;
  const v3 = node.s.header.version >= 3;
  const one = async (): Promise<void> => {
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
      const end = Math.floor((at + bytes) / cluster) * cluster;
      if (end > start && (v3 || !q.backing)) expect.write(start, end - start, 0, log.length);
      await node.discard(at, bytes);
    } else {
      await node.flush();
      expect.flush(log.length);
    }
  };
  for (let i = 0; i < q.operations; i++) {
    await one();
    if (q.snapshots && r.below(12) === 0) {
      await node.flush();
      expect.flush(log.length);
      const names = node.s.snapshots;
      if (names.length < 3) await node.s.lock.with(() => createSnapshot(node.s, `s${i}`));
      else await node.s.lock.with(() => deleteSnapshot(node.s, names[r.below(names.length)]!));
    }
  }
  await closeImage(node);
  expect.flush(log.length);
  return checkStates(q, r, initial, log, expect);
}

async function checkStates(
  q: CrashRequest,
  r: Random,
  initial: Buffer,
  log: LogEntry[],
  expect: Expectations,
): Promise<CrashResult> {
  const state = join(q.dir, 'state');
  const step = Math.max(1, Math.floor(log.length / (q.states / 2)));
  let looked = 0;
  let image: Buffer = Buffer.from(initial);
  let applied = 0;
  for (let position = 0; position <= log.length; position += step) {
    while (applied < position) image = applyEntry(image, log[applied++]!);
    await checkState(q, state, image, expect.at(position), `after ${position} of ${log.length} writes, in order`);
    // Since the last flush any selection of writes may have reached the disk, in any order where they do not overlap.
    let flushed = position - 1;
    while (flushed >= 0 && log[flushed]!.kind !== 'flush') flushed--;
    let partial: Buffer = Buffer.from(initial);
    for (let i = 0; i < position; i++) {
      const e = log[i]!;
      const stable = e.done <= flushed || e.kind === 'truncate';
      if (stable || r.below(2) === 0) partial = applyEntry(partial, e);
    }
    await checkState(
      q,
      state,
      partial,
      expect.at(position),
      `after ${position} of ${log.length} writes, some of them lost`,
    );
    looked += 2;
  }
  return { entries: log.length, states: looked };
}

async function checkState(
  q: CrashRequest,
  path: string,
  image: Buffer,
  allowed: number[][],
  what: string,
): Promise<void> {
  writeFileSync(path, image);
  const where = `seed ${q.seed} [${q.options}] ${what}`;
  const open = (readOnly: boolean): Promise<BlockNode> =>
    openImage({ filename: path, options: new Map([['driver', 'qcow2']]), readOnly, check: true, noFlush: true });
  let node = (await open(true)) as Qcow2Node;
  const dirty = node.isDirty;
  if (dirty) {
    // The image says itself that it wants a repair, which opening it for writing would do.
    await closeImage(node);
    node = (await open(false)) as Qcow2Node;
    await node.check('all', () => {});
  }
  const lines: string[] = [];
  const result = await node.check('none', (line) => lines.push(line));
  if (result.corruptions || result.checkErrors)
    throw new Error(`${where}: ${result.corruptions} errors: ${lines.slice(0, 3).join('; ')}`);
  const content = new Uint8Array(node.length);
  await node.read(0, content);
  await closeImage(node);
  for (let u = 0; u < allowed.length; u++) {
    const value = content[u * UNIT]!;
    if (!allowed[u]!.includes(value))
      throw new Error(`${where}: unit ${u} shows ${value}, allowed ${allowed[u]!.join(',')}`);
    for (let i = 1; i < UNIT; i++) {
      if (content[u * UNIT + i] !== value) throw new Error(`${where}: unit ${u} is torn`);
    }
  }
}

if (import.meta.main) {
  const { inScratch } = await import('./helpers.ts');
  const variants: Partial<CrashRequest>[] = [
    { options: '' },
    { options: 'cluster_size=4096' },
    { options: 'cluster_size=512' },
    { options: 'cluster_size=4096', backing: true },
    { options: 'cluster_size=4096,compat=0.10' },
    { options: 'cluster_size=16k,extended_l2=on', backing: true },
    { options: 'cluster_size=4096,lazy_refcounts=on' },
    { options: 'cluster_size=4096', snapshots: true },
    { options: 'cluster_size=512,refcount_bits=64' },
  ];
  const seeds = Number(process.argv[2] ?? 3);
  for (let seed = 1; seed <= seeds; seed++) {
    for (const v of variants) {
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
