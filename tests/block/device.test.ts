// Host block devices, by way of a loop device: the same commands as on files, compared with qemu-img on the same device.
import { afterAll, expect, test } from 'bun:test';
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { eventually, freshQcow2, hasQemu, QEMU_NOTE, run } from './helpers.ts';

const IMG = join(import.meta.dir, '../../src/cli/img.ts');
const MEGABYTE = 1 << 20;

const dir = mkdtempSync(join(tmpdir(), 'wemu-device-'));
const disk = join(dir, 'disk');
closeSync(openSync(disk, 'w'));
truncateSync(disk, 64 * MEGABYTE);
const losetup = Bun.which('losetup') ? Bun.spawnSync(['losetup', '-f', '--show', disk]) : undefined;
const device = losetup?.exitCode === 0 ? losetup.stdout.toString().trim() : undefined;
afterAll(() => {
  if (device) Bun.spawnSync(['losetup', '-d', device]);
  rmSync(dir, { recursive: true });
});
const NOTE = device ? '' : ' [skipped: no loop device could be made, which takes root]';

/** Old content everywhere, which must not show through what is created. */
function soil(): void {
  const fd = openSync(device!, 'r+');
  const rubbish = new Uint8Array(MEGABYTE).fill(0xa5);
  for (let i = 0; i < 20; i++) writeSync(fd, rubbish, 0, MEGABYTE, i * MEGABYTE);
  closeSync(fd);
}

const COMMANDS: string[][] = [
  ['create', '-f', 'qcow2', 'DEV', '32M'],
  ['info', '-f', 'qcow2', 'DEV'],
  ['convert', '-n', '-O', 'qcow2', 'SRC', 'DEV'],
  ['check', '-f', 'qcow2', 'DEV'],
  ['compare', '-f', 'qcow2', '-F', 'qcow2', 'SRC', 'DEV'],
  ['snapshot', '-c', 'one', 'DEV'],
  ['check', '-f', 'qcow2', 'DEV'],
  ['create', '-f', 'qcow2', '-o', 'preallocation=metadata', 'DEV', '32M'],
  ['check', '-f', 'qcow2', 'DEV'],
  ['create', '-f', 'qcow2', '-o', 'preallocation=full', 'DEV', '32M'],
  ['create', '-f', 'qcow2', 'DEV', '100G'],
  ['create', '-f', 'raw', 'DEV', '100M'],
  ['resize', '-f', 'raw', 'DEV', '128M'],
  ['resize', '-f', 'raw', '--shrink', 'DEV', '1M'],
  ['convert', '-f', 'qcow2', '-O', 'raw', 'SRC', 'DEV'],
  ['compare', '-f', 'qcow2', '-F', 'raw', 'SRC', 'DEV'],
  ['map', '-f', 'raw', '--output=json', 'DEV'],
  ['measure', '-f', 'raw', '-O', 'qcow2', 'DEV'],
  ['convert', '-O', 'qcow2', 'SRC', 'DEV'],
  ['check', '-f', 'qcow2', 'DEV'],
  ['resize', '-f', 'qcow2', 'DEV', '12M'],
  ['resize', '-f', 'qcow2', '--preallocation=full', 'DEV', '13M'],
  ['resize', '-f', 'qcow2', '--preallocation=metadata', 'DEV', '13M'],
  ['resize', '-f', 'qcow2', '--shrink', 'DEV', '2M'],
  ['check', '-q', '-f', 'qcow2', 'DEV'],
  ['amend', '-f', 'qcow2', '-o', 'compat=0.10', 'DEV'],
  ['map', '-f', 'qcow2', 'DEV'],
  ['create', '-f', 'raw', 'host_device:DEV', '4M'],
  ['create', '-f', 'raw', 'host_device:DEV', '65M'],
  ['create', '-f', 'raw', 'file:DEV', '4M'],
  ['create', '-f', 'qcow2', 'file:DEV', '4M'],
  ['info', 'file:DEV'],
  ['info', '--image-opts', 'driver=raw,file.driver=host_device,file.filename=DEV'],
  ['resize', '-f', 'raw', '--preallocation=full', 'DEV', '65M'],
  ['resize', '-f', 'raw', 'DEV', '64M'],
  ['convert', '-n', '-S', '0', '-f', 'qcow2', '-O', 'raw', 'SRC', 'DEV'],
  ['compare', '-f', 'qcow2', '-F', 'raw', 'SRC', 'DEV'],
  ['convert', '-n', '-W', '-m', '4', '-t', 'none', '-f', 'qcow2', '-O', 'raw', 'SRC', 'DEV'],
  ['compare', '-f', 'qcow2', '-F', 'raw', 'SRC', 'DEV'],
  ['dd', '-f', 'qcow2', '-O', 'raw', 'if=SRC', 'of=DEV'],
  ['compare', '-f', 'qcow2', '-F', 'raw', 'SRC', 'DEV'],
];

/** On a device that is read-only. */
const READ_ONLY: string[][] = [
  ['create', '-f', 'qcow2', 'DEV', '1M'],
  ['create', '-f', 'raw', 'DEV', '1M'],
  ['resize', '-f', 'raw', 'DEV', '64M'],
  ['convert', '-n', '-f', 'qcow2', '-O', 'raw', 'SRC', 'DEV'],
  ['snapshot', '-c', 'a', 'DEV'],
  ['info', '-f', 'raw', 'DEV'],
  ['compare', '-f', 'qcow2', '-F', 'raw', 'SRC', 'DEV'],
];

/** Output and exit codes of all commands, one tool's name made the other's. */
function transcript(tool: string[], source: string, commands = COMMANDS): string {
  return commands
    .map((command) => {
      // What is created shows nothing of it; what only covers a part leaves the rest.
      if (commands !== READ_ONLY && (command[0] === 'create' || command.includes('SRC')))
        if (!command.includes('-n') && command[0] !== 'compare') soil();
      const args = command.map((word) => word.replace('DEV', device!).replace('SRC', source));
      const p = Bun.spawnSync([...tool, ...args]);
      const text = `${p.stdout}${p.stderr}`.replaceAll('wemu-img', 'qemu-img');
      return `$ ${command.join(' ')}\n${text}exit ${p.exitCode}`;
    })
    .join('\n');
}

test.skipIf(!device || !hasQemu)(
  `commands on a device do what qemu-img does${NOTE || QEMU_NOTE}`,
  async () => {
    const source = join(dir, 'source');
    const node = await freshQcow2(source, 8 * MEGABYTE);
    await node.write(100000, new Uint8Array(900000).fill(5));
    await closeImage(node);
    expect(transcript([process.execPath, IMG], source)).toBe(transcript(['qemu-img'], source));
    run(['blockdev', '--setro', device!]);
    try {
      const ours = transcript([process.execPath, IMG], source, READ_ONLY);
      expect(ours).toBe(transcript(['qemu-img'], source, READ_ONLY));
    } finally {
      run(['blockdev', '--setrw', device!]);
    }
  },
  TEST_LIMIT,
);

test.skipIf(!device)(`a device is read and written past the page cache, and holds its locks${NOTE}`, async () => {
  soil();
  const open = (readOnly: boolean) =>
    openImage({
      options: new Map([
        ['driver', 'raw'],
        ['file.driver', 'host_device'],
        ['file.filename', device!],
        ['cache.direct', 'on'],
      ]),
      readOnly,
      unmap: true,
    });
  const node = await open(false);
  expect(node.length).toBe(64 * MEGABYTE);
  await node.write(1000, new Uint8Array(70000).fill(1));
  await node.writeZeroes(2 * MEGABYTE, MEGABYTE);
  await node.discard(4 * MEGABYTE, MEGABYTE);
  const b = new Uint8Array(4);
  await node.read(998, b);
  expect([...b]).toEqual([0xa5, 0xa5, 1, 1]);
  await node.read(2 * MEGABYTE - 2, b);
  expect([...b]).toEqual([0xa5, 0xa5, 0, 0]);
  await expect(eventually(() => node.write(64 * MEGABYTE - 1, new Uint8Array(2)))).rejects.toThrow();
  await closeImage(node);
  expect(run([process.execPath, IMG, 'info', '--output=json', device!])).toContain('"format": "raw"');
});
