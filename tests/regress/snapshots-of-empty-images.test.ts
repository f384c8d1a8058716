// Images of no bytes, and data beside the image, seen from the command line.
//
// - A snapshot of an image of no bytes has no L1 table, and qemu-img writes 0 where its place would be. Deleting such a snapshot
//   gave up "the cluster at 0": the header, whose space was handed back, so that the image was gone, with whatever had been
//   written since. Our own snapshots of such images leaked two clusters.
// - A data file was not opened while an image was created, so that preallocation went to the image's file, the data file stayed
//   empty, and what was written to a raw one by other means was not seen through the image.
// - `create` that failed on a FIFO removed it.
import { expect, test } from 'bun:test';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasQemu, inScratch, QEMU_NOTE, run } from '../block/helpers.ts';

const IMG = [process.execPath, join(import.meta.dir, '../../src/cli/img.ts')];

test.skipIf(!hasQemu)(`deleting a snapshot of an image of no bytes leaves the header alone${QEMU_NOTE}`, () =>
  inScratch((dir) => {
    for (const tool of [['qemu-img'], IMG]) {
      run([...tool, 'create', '-q', '-f', 'qcow2', 'a', '0'], dir);
      run([...tool, 'snapshot', '-c', 'one', 'a'], dir);
      run(['qemu-img', 'check', 'a'], dir);
      run([...IMG, 'snapshot', '-a', 'one', 'a'], dir);
      run([...IMG, 'resize', 'a', '1M'], dir);
      run(['qemu-io', '-c', 'write -P 5 0 1M', 'a'], dir);
      run([...IMG, 'snapshot', '-d', 'one', 'a'], dir);
      run(['qemu-img', 'check', 'a'], dir);
      run(['qemu-io', '-c', 'read -P 5 0 1M', 'a'], dir);
    }
  }),
);

test('a data file is preallocated, and what it holds is the disk', () =>
  inScratch((dir) => {
    for (const mode of ['metadata', 'falloc', 'full']) {
      run([...IMG, 'create', '-q', '-f', 'qcow2', '-o', `data_file=d,preallocation=${mode}`, 'a', '1M'], dir);
      expect(statSync(join(dir, 'd')).size).toBe(1 << 20);
      expect(statSync(join(dir, 'd')).blocks).toBe(mode === 'metadata' ? 8 : 2048);
    }
    run([...IMG, 'create', '-q', '-f', 'qcow2', '-o', 'data_file=d,data_file_raw=on', 'a', '1M'], dir);
    writeFileSync(join(dir, 'd'), new Uint8Array(1 << 20).fill(7));
    run([...IMG, 'convert', '-O', 'raw', 'a', 'b'], dir);
    expect(readFileSync(join(dir, 'b')).every((byte) => byte === 7)).toBe(true);
  }));

test('an image in its own data file is refused before it is emptied', () =>
  inScratch((dir) => {
    writeFileSync(join(dir, 'a'), 'content');
    const p = Bun.spawnSync([...IMG, 'create', '-f', 'qcow2', '-o', 'data_file=./a', 'a', '1M'], { cwd: dir });
    expect([p.exitCode, p.stderr.toString()]).toEqual([
      1,
      'wemu-img: a: Data file and image cannot be the same file\n',
    ]);
    expect(readFileSync(join(dir, 'a'), 'utf8')).toBe('content');
  }));

test('a FIFO that no image can be made in stays', () =>
  inScratch((dir) => {
    run(['mkfifo', 'f'], dir);
    expect(Bun.spawnSync([...IMG, 'create', '-q', '-f', 'qcow2', 'f', '1M'], { cwd: dir }).exitCode).toBe(1);
    expect(statSync(join(dir, 'f')).isFIFO()).toBe(true);
  }));

test('what standard output loses is an error, after the work', () =>
  inScratch((dir) => {
    const sh = (command: string): number =>
      Bun.spawnSync(['sh', '-c', `${command} >/dev/full 2>/dev/null`, IMG[0]!, IMG[1]!], { cwd: dir }).exitCode;
    expect(sh('"$0" "$1" create -f qcow2 a 1M')).toBe(1);
    expect(sh('"$0" "$1" convert -p a b')).toBe(1);
    expect(statSync(join(dir, 'b')).size).toBe(1 << 20);
    // Of a comparison, 1 would say that the images differ.
    expect(sh('"$0" "$1" compare a b')).toBe(2);
  }));
