// File systems that are full or cannot be written: both tools say the same, and a target that is only half there is said to be so.
import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TEST_LIMIT } from '../setup/limits.ts';
import { hasQemu, QEMU_NOTE } from './helpers.ts';

const IMG = `${process.execPath} ${join(import.meta.dir, '../../src/cli/img.ts')}`;

/** Mounts need a namespace of their own, and the right to make one. */
const CAN_MOUNT = Bun.spawnSync(['unshare', '-m', 'mount', '-t', 'tmpfs', 'none', '/mnt']).exitCode === 0;

/** Commands on a full file system of 4 MB, `full`, and one that is read-only, `ro`. Each begins with both as they were. */
const COMMANDS = [
  'convert -O raw random full/x',
  'convert -C -O raw random full/x',
  'create -f raw -o preallocation=full full/x 8M',
  'create -f raw -o preallocation=falloc full/x 8M',
  'create -f qcow2 -o preallocation=full full/x 8M',
  'create -f qcow2 -o preallocation=falloc full/x 8M',
  'create -f qcow2 -o preallocation=metadata,cluster_size=512 full/x 1G',
  'resize --preallocation=full full/image 16M',
  'resize -f raw --preallocation=full full/raw 16M',
  'resize -f raw --preallocation=falloc full/raw 16M',
  'dd -O raw if=random of=full/x',
  'dd -O qcow2 if=random of=full/x',
  'rebase -b "" full/overlay',
  'commit over-full',
  'convert -O qcow2 small ro/x',
  'create -f raw ro/x 1M',
  'create -f qcow2 ro/x 1M',
  'convert -n -O qcow2 small ro/image',
  'resize ro/image 2M',
  'snapshot -c x ro/image',
  'amend -o compat=0.10 ro/image',
  'commit ro/overlay',
  'rebase -u -b "" ro/overlay',
  'bitmap --add ro/image x',
  'check -r all ro/image',
  'dd if=small of=ro/x',
  'bench -w -c 1 -f raw ro/raw',
  'info ro/dirty',
  'check ro/dirty',
  'check -r leaks ro/dirty',
  'convert -O raw ro/dirty copy',
  'convert -O raw small ro/raw',
  'convert -n -f raw -O raw small ro/raw',
  'create -f raw ro/raw 1M',
  'create -f qcow2 ro/image 1M',
  'resize -f raw ro/raw 4M',
  'rebase -b "" ro/overlay',
  'snapshot -d s ro/image',
  'snapshot -a s ro/image',
];

/** What a tool says in a folder of its own, without the note about half-written targets, which only ours gives. */
function said(tool: string): string[] {
  const dir = mkdtempSync(join(tmpdir(), 'wemu-no-space-'));
  const script = [
    `cd ${dir} && mkdir full ro`,
    'head -c 8M /dev/urandom > random && head -c 1M /dev/urandom > small',
    'mount -t tmpfs none ro && qemu-img create -q -f qcow2 ro/image 1M && cp small ro/raw',
    'qemu-img snapshot -c s ro/image && qemu-img create -q -f qcow2 -b $PWD/small -F raw ro/overlay',
    // Its refcounts are said not to be up to date.
    'qemu-img create -q -f qcow2 -o lazy_refcounts=on ro/dirty 1M',
    "printf '\\001' | dd of=ro/dirty bs=1 seek=79 conv=notrunc status=none && mount -o remount,ro ro",
    ...COMMANDS.flatMap((command, i) => [
      `echo "=== ${i}"`,
      'mount -t tmpfs -o size=4M none full',
      'qemu-img create -q -f qcow2 full/image 8M && qemu-img create -q -f raw full/raw 1M',
      'qemu-img create -q -f qcow2 -b $PWD/random -F raw full/overlay',
      'qemu-img create -q -f qcow2 -b $PWD/full/image -F qcow2 over-full && qemu-img convert -n -O qcow2 random over-full',
      `${tool} ${command} 2>&1; echo "exit $?"; stat -c %s full/raw`,
      'umount full',
    ]),
  ];
  try {
    const p = Bun.spawnSync(['unshare', '-m', 'sh', '-c', script.join('\n')]);
    return (
      (p.stdout.toString() + p.stderr.toString())
        .replaceAll('wemu-img', 'qemu-img')
        .replaceAll(dir, 'DIR')
        // What follows from an error that was told.
        .replace(/^qemu-img: Failed to flush .*\n/gm, '')
        // Where it happens depends on how much is copied at a time.
        .replace(/at byte \d+/g, 'at byte N')
        .split(/=== \d+\n/)
        .slice(1)
    );
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

test.skipIf(!hasQemu || !CAN_MOUNT)(
  `no space and no right to write${QEMU_NOTE || (CAN_MOUNT ? '' : ' [skipped: mounts are not allowed]')}`,
  () => {
    const theirs = said('qemu-img');
    const ours = said(IMG);
    expect(theirs.length).toBe(COMMANDS.length);
    for (const [i, command] of COMMANDS.entries()) {
      const lines = ours[i]!.split('\n');
      const half = lines.filter((line) => line.endsWith(' is incomplete'));
      expect(`${command}\n${lines.filter((line) => !half.includes(line)).join('\n')}`).toBe(`${command}\n${theirs[i]}`);
      expect(half.length).toBe(/^(convert|dd) /.test(command) && command.includes('full/') ? 1 : 0);
    }
  },
  TEST_LIMIT,
);
