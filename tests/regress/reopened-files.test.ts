// Reopening an image for writing (as commit does with the base) opened its path again: another file that had got the name was written to
// and locked in its place, a file that had lost its name could not be reopened, and reads on their way to a thread found their descriptor
// closed, or belonging to something else. Found by review.
import { expect, test } from 'bun:test';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type BlockNode, PERM } from '../../src/block/driver.ts';
import { addFd } from '../../src/block/file-posix.ts';
import { openImage } from '../../src/block/graph.ts';
import { inScratch } from '../block/helpers.ts';

const openRaw = (filename: string, readOnly: boolean): Promise<BlockNode> =>
  openImage({ filename, options: new Map([['driver', 'raw']]), readOnly });

/** Ranges of bytes that are locked through our descriptors of a file. */
const locks = (path: string): string[] =>
  readdirSync('/proc/self/fd').flatMap((n) => {
    try {
      if (readlinkSync(`/proc/self/fd/${n}`) !== path) return [];
      return [...readFileSync(`/proc/self/fdinfo/${n}`, 'latin1').matchAll(/^lock:.* (\d+ \d+)$/gm)].map((m) => m[1]!);
    } catch {
      return [];
    }
  });

const withFile = (body: (path: string) => Promise<void>): Promise<void> =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    writeFileSync(path, new Uint8Array(4096).fill(1));
    await body(path);
  });

test('another file that got the name is left alone', () =>
  withFile(async (path) => {
    const node = await openRaw(path, true);
    renameSync(path, `${path}.old`);
    writeFileSync(path, new Uint8Array(4096).fill(2));
    await node.setReadOnly(false);
    await node.write(0, new Uint8Array(512).fill(9));
    node.use('root', PERM.CONSISTENT_READ | PERM.WRITE, PERM.ALL & ~PERM.WRITE);
    expect(locks(path)).toEqual([]);
    expect(locks(`${path}.old`)).toEqual(['100 101', '201 201']);
    await node.close();
    expect(readFileSync(path)[0]).toBe(2);
    expect(readFileSync(`${path}.old`)[0]).toBe(9);
  }));

test('a file without a name is reopened', () =>
  withFile(async (path) => {
    const node = await openRaw(path, true);
    rmSync(path);
    await node.setReadOnly(false);
    await node.write(0, new Uint8Array(512).fill(9));
    const b = new Uint8Array(512);
    await node.read(0, b);
    expect(b[0]).toBe(9);
    await node.setReadOnly(true);
    await node.close();
  }));

test('reads under way end as if nothing had happened', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    writeFileSync(path, new Uint8Array(4 << 20).fill(7));
    const node = await openRaw(path, true);
    const buffers = Array.from({ length: 40 }, () => new Uint8Array(2 << 20));
    const reads = buffers.map(async (b) => node.read(0, b));
    await node.setReadOnly(false);
    // What is opened next gets the number that was given up.
    const others = Array.from({ length: 4 }, () => openSync('/dev/zero', 'r'));
    await Promise.all(reads);
    for (const fd of others) closeSync(fd);
    expect(buffers.every((b) => b.every((v) => v === 7))).toBe(true);
    await node.close();
  }));

test('a set of descriptors that leads to another file is refused', () =>
  withFile(async (path) => {
    const other = `${path}.other`;
    writeFileSync(other, new Uint8Array(4096).fill(2));
    const fds = [openSync(path, 'r'), openSync(other, 'r+')] as const;
    for (const fd of fds) addFd(77, fd);
    const node = await openRaw('/dev/fdset/77', true);
    await expect(node.setReadOnly(false)).rejects.toThrow('it is another file now');
    expect(node.readOnly).toBe(true);
    const b = new Uint8Array(512);
    await node.read(0, b);
    expect(b[0]).toBe(1);
    await node.close();
    for (const fd of fds) closeSync(fd);
  }));

test('what cannot be reopened stays as it was, with its locks', () =>
  inScratch(async (dir) => {
    // A program that runs cannot be opened for writing.
    const path = join(dir, 'sleep');
    copyFileSync(Bun.which('sleep')!, path);
    chmodSync(path, 0o755);
    const running = Bun.spawn([path, '1000']);
    while (readlinkSync(`/proc/${running.pid}/exe`) !== path) await Bun.sleep(1);
    const node = await openImage({ filename: path, options: new Map([['driver', 'raw']]), readOnly: true, unshare: 2 });
    const before = locks(path);
    expect(before).toEqual(['100 100', '201 201']);
    await expect(node.setReadOnly(false)).rejects.toThrow(`Could not open '${path}': Text file busy`);
    expect(node.readOnly).toBe(true);
    expect(locks(path)).toEqual(before);
    running.kill();
    await running.exited;
    await node.setReadOnly(false);
    expect(locks(path)).toEqual(before);
    await node.close();
  }));
