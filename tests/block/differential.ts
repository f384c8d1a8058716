// Random operations on two images, one by our nodes and one by qemu-io and qemu-img, which must end with the same content:
// bun tests/block/differential.ts [seed] [operations] [options]
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { type BlockNode, REQ } from '../../src/block/driver.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { applySnapshot, createSnapshot, deleteSnapshot, findSnapshot } from '../../src/block/qcow2/snapshot.ts';
import { amend } from '../../src/cli/img/amend.ts';
import { bitmap } from '../../src/cli/img/bitmap.ts';
import { asBlockError, ExitError } from '../../src/cli/img/common.ts';
import { rebase } from '../../src/cli/img/rebase.ts';
import { resize } from '../../src/cli/img/resize.ts';
import type { Command } from '../../src/cli/img/run.ts';

/** A small generator with a seed (xorshift), so that a run can be repeated. */
export class Random {
  private s: number;
  constructor(seed: number) {
    this.s = (seed * 2654435761 + 1) >>> 0 || 1;
  }
  next(): number {
    this.s ^= this.s << 13;
    this.s >>>= 0;
    this.s ^= this.s >>> 17;
    this.s ^= this.s << 5;
    this.s >>>= 0;
    return this.s;
  }
  below(n: number): number {
    return this.next() % n;
  }
}

type Op =
  | { kind: 'write'; at: number; bytes: number; pattern: number }
  | { kind: 'zero'; at: number; bytes: number; unmap: boolean }
  | { kind: 'discard'; at: number; bytes: number }
  | { kind: 'compressed'; at: number; bytes: number; pattern: number }
  | { kind: 'flush' };

function run(cmd: string[], cwd: string, input?: string): string {
  const p = Bun.spawnSync(cmd, { cwd, stdin: input === undefined ? null : Buffer.from(input) });
  const text = p.stdout.toString() + p.stderr.toString();
  if (p.exitCode !== 0) throw new Error(`${cmd.join(' ')}: exit ${p.exitCode}\n${text.slice(0, 2000)}`);
  return text;
}

/** Whether two images show the same. */
function same(a: string, b: string): boolean {
  return Bun.spawnSync(['qemu-img', 'compare', a, b]).exitCode === 0;
}

export interface DifferentialRequest {
  seed: number;
  operations: number;
  /** Creation options of both images. */
  options: string;
  size?: number;
  log?: (line: string) => void;
}

function randomOp(r: Random, size: number, cluster: number, compressed: boolean): Op {
  const at = r.below(4) === 0 ? r.below(size / cluster) * cluster : r.below(size);
  const max = r.below(10) === 0 ? 2 << 20 : r.below(2) ? 128 << 10 : 8192;
  const bytes = Math.max(1, Math.min(size - at, 1 + r.below(max)));
  const pick = r.below(100);
  if (pick < 55) return { kind: 'write', at, bytes, pattern: 1 + r.below(255) };
  if (pick < 70) return { kind: 'zero', at, bytes, unmap: r.below(2) === 0 };
  if (pick < 85) return { kind: 'discard', at, bytes };
  if (pick < 95 && compressed) {
    const start = r.below(Math.floor(size / cluster)) * cluster;
    return { kind: 'compressed', at: start, bytes: cluster, pattern: 1 + r.below(255) };
  }
  return { kind: 'flush' };
}

function ioLine(op: Op): string {
  switch (op.kind) {
    case 'write':
      return `write -q -P ${op.pattern} ${op.at} ${op.bytes}`;
    case 'zero':
      return `write -q -z ${op.unmap ? '-u ' : ''}${op.at} ${op.bytes}`;
    case 'discard':
      return `discard -q ${op.at} ${op.bytes}`;
    case 'compressed':
      return `write -q -c -P ${op.pattern} ${op.at} ${op.bytes}`;
    default:
      return 'flush';
  }
}

/** What the disk should show. */
interface Model {
  data: Uint8Array;
  cluster: number;
  /** Discarded clusters read as zeroes. */
  discardZeroes: boolean;
}

async function apply(node: BlockNode, op: Op, model: Model): Promise<void> {
  switch (op.kind) {
    case 'write':
      model.data.fill(op.pattern, op.at, op.at + op.bytes);
      return node.write(op.at, new Uint8Array(op.bytes).fill(op.pattern));
    case 'zero':
      model.data.fill(0, op.at, op.at + op.bytes);
      return node.writeZeroes(op.at, op.bytes, op.unmap ? REQ.MAY_UNMAP : 0);
    case 'discard': {
      const start = Math.ceil(op.at / model.cluster) * model.cluster;
      const behind = op.at + op.bytes;
      const end = behind === model.data.length ? behind : Math.floor(behind / model.cluster) * model.cluster;
      if (model.discardZeroes && end > start) model.data.fill(0, start, end);
      return node.discard(op.at, op.bytes);
    }
    case 'compressed':
      // What is allocated already cannot be compressed; the other side fails alike.
      return node.write(op.at, new Uint8Array(op.bytes).fill(op.pattern), REQ.COMPRESSED)!.then(
        () => void model.data.fill(op.pattern, op.at, op.at + op.bytes),
        () => {},
      );
    default:
      return node.flush();
  }
}

const overlaps = (a: Op, b: Op): boolean => {
  if (a.kind === 'flush' || b.kind === 'flush') return false;
  return a.at < b.at + b.bytes && b.at < a.at + a.bytes;
};

/** Runs operations in order, up to eight at a time where they do not touch the same bytes; the same cluster they may. */
async function applyAll(node: BlockNode, ops: Op[], model: Model): Promise<void> {
  let group: Op[] = [];
  const finish = async (): Promise<void> => {
    await Promise.all(group.map((op) => apply(node, op, model)));
    group = [];
  };
  for (const op of ops) {
    if (group.length >= 8 || group.some((other) => overlaps(other, op))) await finish();
    group.push(op);
  }
  await finish();
}

/** Applies a snapshot by qemu-img; false if a refcount would become too large. */
function applyTheirs(path: string, name: string): boolean {
  const p = Bun.spawnSync(['qemu-img', 'snapshot', '-a', name, path]);
  if (p.exitCode !== 0 && !p.stderr.toString().includes('Failed to load snapshot: Invalid argument'))
    throw new Error(`qemu-img snapshot -a ${name}: ${p.stderr}`);
  return p.exitCode === 0;
}

const COMMANDS: Record<string, Command> = { amend, bitmap, rebase, resize };

/** Runs a command here, as wemu-img would; whether it succeeded. */
async function here([name, ...args]: readonly string[]): Promise<boolean> {
  try {
    return (await COMMANDS[name!]!(args)) === 0;
  } catch (error) {
    if (!(error instanceof ExitError)) asBlockError(error);
    return false;
  }
}

/** What qemu-img says of bitmaps and features, which must be alike. */
function featuresOf(path: string): string {
  const info = JSON.parse(run(['qemu-img', 'info', '--output=json', path], '/'));
  const { bitmaps, compat, ...rest } = info['format-specific'].data;
  return JSON.stringify([info['virtual-size'], bitmaps, compat, rest['refcount-bits'], rest['lazy-refcounts']]);
}

const BITMAPS = ['b0', 'b1', 'b2'];

/** A random command that changes the image as a whole, both sides' names being `NAME`, and the size it leaves. */
function randomCommand(r: Random, size: number, d: { v2: boolean; bases: boolean; raw: boolean }): [string, number] {
  const b = (): string => BITMAPS[r.below(BITMAPS.length)]!;
  switch (r.below(d.bases ? 9 : 7)) {
    case 0: {
      const longer = Math.min(40 << 20, size + 512 * (1 + r.below(8000)));
      const how = ['', '--preallocation=metadata ', '--preallocation=falloc '][d.raw ? 0 : r.below(3)]!;
      return [`resize -q ${how}NAME ${longer}`, longer];
    }
    case 1: {
      const shorter = Math.max(8 << 20, size - 512 * (1 + r.below(8000)));
      return [`resize -q --shrink NAME ${shorter}`, shorter];
    }
    case 2:
      return [`bitmap --add ${r.below(2) ? '-g 4096 ' : ''}${r.below(3) ? '' : '--disable '}NAME ${b()}`, size];
    case 3:
      return [`bitmap --${['remove', 'clear', 'enable', 'disable'][r.below(4)]} NAME ${b()}`, size];
    case 4:
      return [`bitmap --merge ${b()} NAME ${b()}`, size];
    case 5:
      return [`amend -q -o lazy_refcounts=${r.below(2) ? 'on' : 'off'} NAME`, size];
    case 6:
      return [`amend -q -o refcount_bits=${8 << r.below(4)} NAME`, size];
    case 7:
      return ['rebase -q -F qcow2 -b OTHER NAME', size];
    default:
      return ['rebase -q -b  NAME', size];
  }
}

/** True if qemu says its own image is corrupt, as happens with compressed clusters; throws what else it says. */
function brokeItself(stderr: Buffer): boolean {
  if (stderr.toString().includes('Image is corrupt; cannot be opened')) return true;
  throw new Error(`refused there, done here: ${stderr}`);
}

/** Fills a part of the model from an image. */
async function readModel(path: string, into: Uint8Array, at = 0): Promise<void> {
  const node = await openImage({ filename: path, readOnly: true });
  await node.read(at, into);
  await closeImage(node);
}

/** Throws if the image does not show what it should. */
async function compareModel(path: string, expected: Uint8Array): Promise<void> {
  const node = await openImage({ filename: path, readOnly: true });
  const buffer = new Uint8Array(1 << 20);
  for (let at = 0; at < expected.length; at += buffer.length) {
    const want = expected.subarray(at, at + buffer.length);
    await node.read(at, buffer.subarray(0, want.length));
    if (Buffer.from(buffer.buffer, 0, want.length).equals(want)) continue;
    const first = buffer.findIndex((v, i) => v !== want[i]);
    throw new Error(`our image shows ${buffer[first]} at ${at + first} where ${want[first]} was written`);
  }
  await closeImage(node);
}

/** Runs one comparison; throws with what differs. */
export async function differential(request: DifferentialRequest): Promise<void> {
  const { seed, operations, options } = request;
  const log = request.log ?? (() => {});
  const r = new Random(seed);
  let size = request.size ?? 24 << 20;
  const dir = mkdtempSync(join(tmpdir(), 'wemu-diff-'));
  const keep = process.env['WEMU_KEEP'] === '1';
  const [ours, theirs] = [join(dir, 'ours.qcow2'), join(dir, 'theirs.qcow2')];
  const cluster = Number(/cluster_size=(\d+)/.exec(options)?.[1] ?? 65536);
  try {
    let [ourBase, theirBase] = [join(dir, 'ob.qcow2'), join(dir, 'tb.qcow2')];
    let [ourOther, theirOther] = [join(dir, 'oo.qcow2'), join(dir, 'to.qcow2')];
    const deep = seed % 4 === 2;
    const raw = /data_file_raw/.test(options);
    const withBase = seed % 2 === 0 && !raw && !/preallocation/.test(options);
    const optionsOf = (side: string): string => options.replace('DATA', join(dir, `${side}.data`));
    const texts = options ? [optionsOf('ours')] : [];
    if (withBase) {
      await createImage({ filename: ourBase, format: 'qcow2', size });
      run(['qemu-io', '-c', 'write -q -P 77 1M 5M', '-c', 'write -q -P 78 10M 3M', ourBase], dir);
      if (deep) {
        // The image itself is the fifth of its chain.
        for (let i = 0; i < 3; i++) {
          const [below, name] = [join(dir, i === 0 ? 'ob.qcow2' : `c${i - 1}.qcow2`), join(dir, `c${i}.qcow2`)];
          run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', below, '-F', 'qcow2', name], dir);
          run(
            ['qemu-io', '-c', `write -q -P ${90 + i} ${5 + i}500k 900k`, '-c', `write -q -z ${11 + i}M 70k`, name],
            dir,
          );
        }
        [ourBase, theirBase] = [join(dir, 'ob4.qcow2'), join(dir, 'tb4.qcow2')];
        const top = ['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', join(dir, 'c2.qcow2'), '-F', 'qcow2'];
        for (const name of [ourBase, theirBase]) run([...top, name], dir);
      } else run(['cp', ourBase, theirBase], dir);
      for (const name of [ourOther, theirOther]) {
        run(['qemu-img', 'create', '-q', '-f', 'qcow2', name, String(size - 777216)], dir);
        run(['qemu-io', '-c', 'write -q -P 55 3M 2M', '-c', `write -q -z ${size >> 1} 1M`, name], dir);
      }
    }
    const extra = withBase ? { backingFile: ourBase, backingFormat: 'qcow2' } : {};
    await createImage({ filename: ours, format: 'qcow2', optionTexts: texts, size, ...extra });
    run(
      [
        'qemu-img',
        'create',
        '-q',
        '-f',
        'qcow2',
        ...(options ? ['-o', optionsOf('theirs')] : []),
        ...(withBase ? ['-b', theirBase, '-F', 'qcow2'] : []),
        theirs,
        String(size),
      ],
      dir,
    );
    const compressed = seed % 3 === 0 && !/data_file/.test(options);
    let based = withBase;
    let oracleBroken = false;
    const snapshots: string[] = [];
    const states = new Map<string, Uint8Array>();
    const model: Model = { data: new Uint8Array(size), cluster, discardZeroes: true };
    if (withBase) await readModel(ourBase, model.data);
    // Version 2 cannot say that something of a backing file is gone.
    const v2 = /0\.10/.test(options);
    const noteBase = (): void => {
      model.discardZeroes = !(based && v2);
    };
    noteBase();
    const canSnapshot = !/refcount_bits=1\b/.test(options) && !/data_file/.test(options);
    const open = (): Promise<BlockNode> =>
      openImage({ filename: ours, options: new Map([['driver', 'qcow2']]), unmap: true });
    for (let done = 0; done < operations; ) {
      const batch = Math.min(operations - done, 50 + r.below(150));
      const ops = Array.from({ length: batch }, () => randomOp(r, size, cluster, compressed));
      done += batch;
      const node = await open();
      await applyAll(node, ops, model);
      await closeImage(node);
      // A compressed write onto data fails there too, without ending the script.
      const script = ops.map(ioLine).join('\n');
      Bun.spawnSync(['qemu-io', '-d', 'unmap', '-t', 'unsafe', theirs], {
        cwd: dir,
        stdin: Buffer.from(`${script}\nquit\n`),
      });
      // (Which happens to qemu 7.2 with compressed and with small clusters.)
      if (!oracleBroken && Bun.spawnSync(['qemu-img', 'check', '-q', theirs]).exitCode === 2) oracleBroken = true;
      const action = r.below(16);
      if (canSnapshot && action < 5) {
        // A snapshot cannot be applied under bitmaps.
        if (action === 2 && snapshots.length > 0) {
          for (const name of BITMAPS) {
            const gone = await here(['bitmap', '--remove', ours, name]);
            if (!gone || oracleBroken) continue;
            const p = Bun.spawnSync(['qemu-img', 'bitmap', '--remove', theirs, name]);
            if (p.exitCode !== 0) oracleBroken = brokeItself(p.stderr);
          }
        }
        const image = (await open()) as Qcow2Node;
        if (action < 2 && snapshots.length < 4) {
          const name = `s${done}`;
          const made = await image.s.lock
            .with(() => createSnapshot(image.s, name))
            .then(
              () => true,
              () => false,
            );
          // A refcount may be at its limit in one image and not in the other, as compressed clusters are packed differently.
          const other = Bun.spawnSync(['qemu-img', 'snapshot', '-c', name, theirs]).exitCode === 0;
          states.set(name, model.data.slice());
          if (made && (other || oracleBroken)) snapshots.push(name);
          else if (made) await image.s.lock.with(() => deleteSnapshot(image.s, findSnapshot(image.s, name)!));
          else if (other && !oracleBroken) run(['qemu-img', 'snapshot', '-d', name, theirs], dir);
        } else if (action === 2 && snapshots.length > 0) {
          const name = snapshots[r.below(snapshots.length)]!;
          const refused = await image.s.lock
            .with(() => applySnapshot(image.s, findSnapshot(image.s, name)!))
            .then(
              () => undefined,
              (error: Error) => error.message,
            );
          if (refused === undefined) {
            model.data = states.get(name)!.slice();
            // (The count at the limit may be theirs alone.)
            size = model.data.length;
            if (!oracleBroken) oracleBroken = !applyTheirs(theirs, name);
          } else {
            // Nothing has changed, as the comparison below shows, and the other side finds no room for the counts either.
            if (!/would exceed \d+ bits/.test(refused)) throw new Error(`applying ${name}: ${refused}`);
            log(`refused: ${refused}`);
            run(['cp', theirs, `${theirs}2`], dir);
            if (!oracleBroken && !compressed && applyTheirs(`${theirs}2`, name))
              throw new Error(`applying ${name}: ${refused}, but there it can be applied`);
          }
        } else if (action === 3 && snapshots.length > 0) {
          const [name] = snapshots.splice(r.below(snapshots.length), 1);
          await image.s.lock.with(() => deleteSnapshot(image.s, findSnapshot(image.s, name!)!));
          if (!oracleBroken) run(['qemu-img', 'snapshot', '-d', name!, theirs], dir);
        }
        await closeImage(image);
      } else if (based && action === 9 && snapshots.length === 0) {
        // (Snapshots would show the changed backing file where they have nothing.)
        const image = await open();
        const { commitImage } = await import('../../src/block/commit.ts');
        await commitImage(image, image.backing!, true, 0, () => {});
        await closeImage(image);
        if (!oracleBroken) run(['qemu-img', 'commit', '-q', theirs], dir);
      } else if (action > 9) {
        // (Snapshots would show another backing file's content.)
        const bases = withBase && snapshots.length === 0;
        const [command, newSize] = randomCommand(r, size, { v2, bases, raw });
        const words = (name: string, other: string): string[] =>
          command.split(' ').map((w) => (w === 'NAME' ? name : w === 'OTHER' ? other : w));
        log(command);
        const done = await here(words(ours, ourOther));
        if (!oracleBroken) {
          const before = `${theirs}.before`;
          if (command.startsWith('rebase')) run(['cp', theirs, before], dir);
          let p = Bun.spawnSync(['qemu-img', ...words(theirs, theirOther)]);
          // (It cannot set space aside in a file that is longer than it has to be.)
          if (p.stderr.toString().includes('Cannot use preallocation for shrinking files'))
            p = Bun.spawnSync(['qemu-img', 'resize', '-q', theirs, String(newSize)]);
          // (What it prepares in space that was free before shows what was there, not zeroes.)
          const from = Math.ceil(size / cluster) * cluster;
          if (done && /metadata|falloc/.test(command) && newSize > from)
            run(['qemu-io', '-c', `write -q -z ${from} ${newSize - from}`, theirs], dir);
          if (p.exitCode !== 0 && done) oracleBroken = brokeItself(p.stderr);
          // qemu 7.2 can lose zeroes of version 2 when such an image gets a backing file.
          else if (command.startsWith('rebase') && !same(before, theirs)) {
            oracleBroken = true;
            log('qemu changed what its own image shows: from here on only our model is compared');
          }
          if (p.exitCode === 0 && !done) throw new Error(`${command}: refused here, done there`);
        }
        if (done && newSize !== size) {
          const [old, longer] = [size, new Uint8Array(newSize)];
          longer.set(model.data.subarray(0, newSize));
          model.data = longer;
          size = newSize;
          // What is left of a cluster behind a former end may show again: both sides are compared.
          const tail = longer.subarray(old, Math.ceil(old / cluster) * cluster);
          if (tail.length > 0) await readModel(ours, tail, old);
        }
        if (done && command.startsWith('rebase')) {
          if (command.includes('OTHER')) {
            [ourBase, ourOther] = [ourOther, ourBase];
            [theirBase, theirOther] = [theirOther, theirBase];
            based = true;
          } else based = false;
          noteBase();
        }
        if (!oracleBroken && featuresOf(ours) !== featuresOf(theirs))
          throw new Error(`${command}: ${featuresOf(ours)} here, ${featuresOf(theirs)} there`);
      }
      log(`${done}/${operations}`);
      await compareModel(ours, model.data);
      run(['qemu-img', 'check', ours], dir);
      // (A shrunk image of small clusters has become petabytes long there.)
      if (!oracleBroken && statSync(theirs).size > 2 ** 31) oracleBroken = true;
      if (oracleBroken) continue;
      if (!compressed) {
        run(['qemu-img', 'compare', ours, theirs], dir);
      } else if (Bun.spawnSync(['qemu-img', 'check', theirs]).exitCode === 2 || !same(ours, theirs)) {
        // qemu 7.2 can give out a host cluster that still holds compressed data. Its own check often tells; our image has just
        // been compared with what was written.
        oracleBroken = true;
        log('qemu corrupted its own image: from here on only our model is compared');
      }
    }
    if (withBase && !oracleBroken) run(['qemu-img', 'compare', ourBase, theirBase], dir);
    // Our own reading agrees as well, on both images, and our check finds nothing in either.
    const [a, b] = [
      await openImage({ filename: ours, readOnly: true }),
      await openImage({ filename: theirs, readOnly: true }),
    ];
    const [x, y] = [new Uint8Array(1 << 20), new Uint8Array(1 << 20)];
    for (let at = 0; at < size; at += x.length) {
      await a.read(at, x.fill(0));
      if (oracleBroken) continue;
      await b.read(at, y.fill(0));
      if (!Buffer.from(x.buffer).equals(y)) throw new Error(`our reads differ in the megabyte at ${at}`);
    }
    for (const node of [a, b]) {
      const result = await (node as Qcow2Node).check('none', (line) => log(line));
      // A snapshot that failed there may have left leaks; ours must have none.
      if (node === a && (result.corruptions || result.leaks))
        throw new Error(`our check: ${result.corruptions} errors, ${result.leaks} leaks in ${node.filename}`);
      await closeImage(node);
    }
  } finally {
    if (!keep) rmSync(dir, { recursive: true, force: true });
    else log(`kept ${dir}`);
  }
}

/** Options worth a run each. */
export const VARIANTS = [
  '',
  'cluster_size=4096',
  'cluster_size=512',
  'cluster_size=2097152',
  'compat=0.10',
  'extended_l2=on',
  'extended_l2=on,cluster_size=16384',
  'lazy_refcounts=on',
  'refcount_bits=64',
  'refcount_bits=8,cluster_size=1024',
  'refcount_bits=1',
  'compression_type=zstd',
  'refcount_bits=4,cluster_size=8192',
  'data_file=DATA,cluster_size=4096',
  'data_file=DATA,data_file_raw=on',
  'preallocation=metadata,cluster_size=8192',
  'extended_l2=on,data_file=DATA',
  'refcount_bits=32,compression_type=zstd,cluster_size=16384,lazy_refcounts=on',
  'refcount_bits=2,cluster_size=1048576',
];

if (import.meta.main) {
  const seed = Number(process.argv[2] ?? 1);
  const operations = Number(process.argv[3] ?? 10000);
  const options = process.argv[4] !== undefined ? [process.argv[4]] : VARIANTS;
  for (const [i, o] of options.entries()) {
    const started = performance.now();
    try {
      await differential({
        seed: seed + i,
        operations,
        options: o,
        log: (line) => process.env['WEMU_DEBUG'] && console.log(line),
      });
      console.log(
        `ok   seed ${seed + i} operations ${operations} [${o}] ${((performance.now() - started) / 1000).toFixed(1)} s`,
      );
    } catch (error) {
      console.log(
        `FAIL seed ${seed + i} operations ${operations} [${o}]: ${(error as Error).message}\n${(error as Error).stack?.split('\n').slice(1, 8).join('\n')}`,
      );
      process.exitCode = 1;
    }
  }
}
