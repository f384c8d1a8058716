// The five cache modes: how the file is opened and how often it is flushed, seen from outside for qemu-img and for us.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { TEST_LIMIT } from '../setup/limits.ts';
import { hasQemu, inScratch, QEMU_NOTE, run } from './helpers.ts';

const IMG = join(import.meta.dir, '../../src/cli/img.ts');
const CAN_TRACE = hasQemu && Bun.which('strace') !== null;

/** What a command does with an image: whether it bypasses the page cache, and how often it makes data stable. */
function traced(dir: string, command: string[], image: string): { direct: boolean; flushes: number } {
  const log = join(dir, 'trace');
  const tracer = ['strace', '-f', '-o', log, '-e', 'trace=openat,open,fdatasync,fsync'];
  run([...tracer, ...command, image], dir);
  const lines = run(['cat', log]).split('\n');
  return {
    direct: lines.some((line) => line.includes(`${image}"`) && line.includes('O_DIRECT')),
    flushes: lines.filter((line) => /(fdatasync|fsync)\(/.test(line)).length,
  };
}

const NOTE = CAN_TRACE ? '' : QEMU_NOTE || ' [skipped: strace is not installed]';

for (const mode of ['writeback', 'none', 'writethrough', 'directsync', 'unsafe']) {
  test.skipIf(!CAN_TRACE)(
    `cache=${mode}: five writes open and flush the file as qemu-img does${NOTE}`,
    () =>
      inScratch(async (dir) => {
        run(['qemu-img', 'create', '-q', '-f', 'raw', 'image', '1M'], dir);
        const command = ['bench', '-q', '-w', '-c', '5', '-d', '1', '-t', mode, '-f', 'raw'];
        const theirs = traced(dir, ['qemu-img', ...command], 'image');
        expect(traced(dir, [process.execPath, IMG, ...command], 'image')).toEqual(theirs);
      }),
    TEST_LIMIT,
  );
}
