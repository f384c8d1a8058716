// What check did with damaged entries of L2 tables and of the snapshot table, and qemu-img does not:
// - a cluster whose subclusters are marked as data and as zeroes at once became zeroes with -r all, and its place was given away
// - a cluster that is not there, with subclusters marked as data, was not noticed, although reading it fails
// - a misplaced cluster without data (extended L2 entries) was not taken out by -r all
// - -r leaks set the flag that a cluster is used once for two entries of the same cluster, so that each would overwrite the other
// - extra data of a snapshot so long that the image cannot be opened was not noticed, nor taken off by -r all, nor was -r told of
// - with a refcount block outside the file, -r leaks gave up
// - an offset of a backing file's name without a name was refused
// Found by comparing check on images with single entries changed at random.
import { expect, test } from 'bun:test';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasQemu, inScratch, QEMU_NOTE, run } from '../block/helpers.ts';
import { neutral } from '../block/parity.ts';

const IMG = [process.execPath, join(import.meta.dir, '../../src/cli/img.ts')];
const EXTENDED = 'extended_l2=on,cluster_size=16k';

/** Where the first L2 table is. */
const tableOf = (b: Buffer): number => Number(b.readBigUInt64BE(Number(b.readBigUInt64BE(40))) & 0xfffffffffffe00n);

/** Changes an entry of the first L2 table (16 bytes with extended entries). */
function changeEntry(index: number, change: (words: bigint[]) => void, words = 2): (b: Buffer) => Buffer {
  return (b) => {
    const at = tableOf(b) + index * words * 8;
    const entry = Array.from({ length: words }, (_, i) => b.readBigUInt64BE(at + i * 8));
    change(entry);
    for (const [i, word] of entry.entries()) b.writeBigUInt64BE(word, at + i * 8);
    return b;
  };
}

/** Lengthens the extra data of the first snapshot. */
function lengthenExtra(b: Buffer): Buffer {
  const at = Number(b.readBigUInt64BE(64));
  const extra = b.readUInt32BE(at + 36);
  const names = b.readUInt16BE(at + 12) + b.readUInt16BE(at + 14);
  const head = Buffer.from(b.subarray(at, at + 40 + extra));
  head.writeUInt32BE(2000, 36);
  const rest = b.subarray(at + 40 + extra, at + 40 + extra + names);
  return Buffer.concat([b.subarray(0, at), head, Buffer.alloc(2000 - extra), rest]);
}

const CASES: Record<string, { options?: string; change: (b: Buffer) => Buffer; modes?: readonly string[][] }> = {
  'data and zeroes at once': { options: EXTENDED, change: changeEntry(0, (e) => (e[1] = (1n << 32n) | 0xffffffffn)) },
  'data of no cluster': { options: EXTENDED, change: changeEntry(60, (e) => (e[1] = 1n)) },
  'data and zeroes of no cluster': { options: EXTENDED, change: changeEntry(60, (e) => (e[1] = (1n << 32n) | 1n)) },
  'the lowest bit': { options: EXTENDED, change: changeEntry(0, (e) => (e[0]! |= 1n)) },
  'a misplaced cluster of zeroes': {
    options: EXTENDED,
    change: changeEntry(0, (e) => {
      e[0]! += 512n;
      e[1] = 0xffffffffn << 32n;
    }),
  },
  'two entries of one cluster': { change: changeEntry(0, (e) => (e[0] = (e[0]! & ~(1n << 63n)) + 65536n), 1) },
  'a flag that is missing': { change: changeEntry(0, (e) => (e[0]! &= ~(1n << 63n)), 1) },
  'extra data of a snapshot': { change: lengthenExtra },
  'a refcount block outside the file': {
    change: (b) => {
      b.writeBigUInt64BE(1n << 40n, Number(b.readBigUInt64BE(48)) + 8);
      return b;
    },
    // (-r all writes counts anew here, and qemu-img tries to make the file as long as that.)
    modes: [[], ['-r', 'leaks']],
  },
  'a place for no backing name': {
    change: (b) => {
      b.writeBigUInt64BE(60000n, 8);
      return b;
    },
  },
};

const ALL = [[], ['-r', 'leaks'], ['-r', 'all']];

for (const [what, { options = 'cluster_size=64k', change, modes = ALL }] of Object.entries(CASES)) {
  test.skipIf(!hasQemu)(`${what}: check finds and repairs what qemu-img does${QEMU_NOTE}`, () =>
    inScratch((dir) => {
      const path = join(dir, 'sound');
      run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-o', options, 'sound', '4M'], dir);
      run(['qemu-io', '-c', 'write -q -P 1 0 300k', 'sound'], dir);
      if (change === lengthenExtra) run(['qemu-img', 'snapshot', '-c', 's', 'sound'], dir);
      writeFileSync(join(dir, 'damaged'), change(readFileSync(path)));
      for (const repair of modes) {
        const [theirs, ours] = [['qemu-img'], IMG].map((tool) => {
          copyFileSync(join(dir, 'damaged'), join(dir, 'image'));
          const p = Bun.spawnSync([...tool, 'check', ...repair, 'image'], { cwd: dir });
          // What shall be repaired is told once here, before the counts; and an unreadable table with the check's own error.
          const lines = neutral(p.stderr.toString())
            .replace(/ERROR failed to read the snapshot table: (.*)/, 'Check failed: $1')
            .replace(/\n.*Check failed: File too large/, '')
            .split('\n');
          const bytes = p.exitCode === 1 ? 0 : tableOf(readFileSync(join(dir, 'image')));
          const table = readFileSync(join(dir, 'image'))
            .subarray(bytes, bytes + 4096)
            .toString('hex');
          const left = Bun.spawnSync(['qemu-img', 'check', 'image'], { cwd: dir }).exitCode;
          return {
            code: p.exitCode,
            out: neutral(p.stdout.toString()),
            lines: [...new Set(lines)].sort(),
            table,
            left,
          };
        });
        expect(ours).toEqual(theirs!);
      }
    }),
  );
}
