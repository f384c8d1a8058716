// Errors that led away from the mistake: an image that a command itself had open already was said to be held by another process
// (with the command's own number); creating in a set of descriptors that is not there told of a directory that is missing; and an
// overlay without a size and without its backing format was asked for the size first, which is not what qemu-img does.
// Found by comparing commands with mistakes.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { hasQemu, inScratch, QEMU_NOTE, run } from '../block/helpers.ts';
import { neutral } from '../block/parity.ts';

const IMG = [process.execPath, join(import.meta.dir, '../../src/cli/img.ts')];

function said(tool: readonly string[], args: string, cwd: string): string {
  const p = Bun.spawnSync([...tool, ...args.split(' ')], { cwd });
  return `${p.exitCode} ${p.stdout}${p.stderr}`;
}

test('who has an image open twice is told so', () =>
  inScratch((dir) => {
    run([...IMG, 'create', '-q', '-f', 'qcow2', 'a', '1M'], dir);
    expect(said(IMG, 'convert -O raw a a', dir)).toContain('[a]? (held by this process itself)\n');
  }));

test.skipIf(!hasQemu)(`the first mistake is told as by qemu-img${QEMU_NOTE}`, () =>
  inScratch((dir) => {
    run(['qemu-img', 'create', '-q', '-f', 'qcow2', 'a', '1M'], dir);
    for (const args of [
      'create -u -f qcow2 -b a c',
      'create -u -f qcow2 -b a c 1M',
      'create -u -f qcow2 -b a -F qcow2 c',
      'create -f raw /dev/fdset/1 1M',
      'create -f raw /dev/fdset/x 1M',
      'convert -O raw a /dev/fdset/1',
    ]) {
      expect([args, neutral(said(IMG, args, dir))]).toEqual([args, neutral(said(['qemu-img'], args, dir))]);
    }
  }),
);
