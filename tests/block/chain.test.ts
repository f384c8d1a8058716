// Chains of 200 backing files: what is read through them, committed and rebased is what qemu-img gives, in little memory.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { hasQemu, QEMU_NOTE } from './helpers.ts';

const WEMU = [process.execPath, join(import.meta.dir, '../../src/cli/img.ts')];
const IMAGES = 200;
const SIZE = 8 << 20;
const CLUSTER = 4096;
const MEMORY = 256 << 20;

let dir = '';

/** A base and 200 images over it, each with a cluster of its own and one over that of another. */
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'wemu-chain-'));
  const folder = join(dir, 'sound');
  mkdirSync(folder);
  for (let i = 0; i <= IMAGES; i++) {
    const filename = join(folder, `c${i}`);
    const over = i > 0 ? { backingFile: `c${i - 1}`, backingFormat: 'qcow2', unsafe: true } : {};
    await createImage({ filename, format: 'qcow2', size: SIZE, optionTexts: [`cluster_size=${CLUSTER}`], ...over });
    const node = await openImage({ filename, options: new Map([['driver', 'qcow2']]), noBacking: true, noFlush: true });
    for (const at of [i * 9, Math.floor(i / 2) * 9 + (i % 2)])
      await node.write(at * CLUSTER, new Uint8Array(CLUSTER).fill(i + 1));
    await closeImage(node);
  }
}, TEST_LIMIT);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Runs a command in a copy of the chain. */
function inChain(name: string, program: string[], command: string[]): { text: string; folder: string; memory: number } {
  const folder = join(dir, name);
  rmSync(folder, { recursive: true, force: true });
  cpSync(join(dir, 'sound'), folder, { recursive: true });
  const p = Bun.spawnSync([...program, ...command], { cwd: folder });
  const text = `${p.stdout}${p.stderr}exit ${p.exitCode}`;
  return { text, folder, memory: p.resourceUsage.maxRSS };
}

/** What an image of a folder shows, as qemu-img reads it. */
function content(folder: string, image: string): Buffer {
  const out = join(dir, 'content');
  const p = Bun.spawnSync(['qemu-img', 'convert', '-O', 'raw', image, out], { cwd: folder });
  expect(p.stderr.toString()).toBe('');
  return readFileSync(out);
}

const COMMANDS: { command: string[]; images: string[] }[] = [
  { command: ['info', '--backing-chain', 'c200'], images: [] },
  { command: ['info', '--backing-chain', '--output=json', 'c200'], images: [] },
  { command: ['map', '--output=json', 'c200'], images: [] },
  { command: ['check', 'c200'], images: [] },
  { command: ['measure', '-O', 'qcow2', 'c200'], images: [] },
  { command: ['create', '-q', '-f', 'qcow2', '-b', 'c199', '-F', 'qcow2', 'top'], images: ['top'] },
  { command: ['convert', '-O', 'qcow2', 'c200', 'copy'], images: ['copy'] },
  { command: ['commit', 'c200'], images: ['c199', 'c200'] },
  { command: ['commit', '-b', 'c0', 'c200'], images: ['c0', 'c200'] },
  { command: ['rebase', '-b', 'c100', '-F', 'qcow2', 'c200'], images: ['c200'] },
  { command: ['rebase', '-b', '', 'c200'], images: ['c200'] },
];

for (const { command, images } of COMMANDS)
  test.skipIf(!hasQemu)(
    `a chain of ${IMAGES} backing files: ${command.join(' ')}${QEMU_NOTE}`,
    () => {
      const ours = inChain('chain', WEMU, command);
      const shown = images.map((image) => content(ours.folder, image));

      const theirs = inChain('chain', ['qemu-img'], command);
      expect(ours.text).toBe(theirs.text);
      expect(ours.text).toEndWith('exit 0');
      expect(ours.memory).toBeLessThan(MEMORY);
      for (const [i, image] of images.entries()) expect(shown[i]!.equals(content(theirs.folder, image))).toBe(true);
    },
    TEST_LIMIT,
  );

test('a chain of more than 200 is refused by name', async () => {
  const filename = join(dir, 'sound', 'beyond');
  await createImage({
    filename,
    format: 'qcow2',
    size: SIZE,
    backingFile: `c${IMAGES}`,
    backingFormat: 'qcow2',
    unsafe: true,
  });
  try {
    await expect(openImage({ filename, readOnly: true })).rejects.toThrow('Backing chain is longer than 200 images');
  } finally {
    rmSync(filename);
  }
});
