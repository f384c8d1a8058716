// Image locks: two of our processes, and one of ours with qemu-img, exclude each other on the same image.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { hasQemu, inScratch, QEMU_NOTE } from './helpers.ts';

const IMG = join(import.meta.dir, '../../src/cli/img.ts');

function img(...args: string[]): { code: number; text: string } {
  const p = Bun.spawnSync([process.execPath, IMG, ...args]);
  return { code: p.exitCode ?? -1, text: p.stdout.toString() + p.stderr.toString() };
}

function qemu(...args: string[]): { code: number; text: string } {
  const p = Bun.spawnSync(['qemu-img', ...args]);
  return { code: p.exitCode ?? -1, text: p.stdout.toString() + p.stderr.toString() };
}

async function withImage(body: (path: string) => Promise<void>): Promise<void> {
  await inScratch(async (dir) => {
    const path = join(dir, 'a.qcow2');
    await createImage({ filename: path, format: 'qcow2', size: 1 << 20 });
    await body(path);
  });
}

const qcow2 = (path: string, extra: object = {}) =>
  openImage({ filename: path, options: new Map([['driver', 'qcow2']]), ...extra });

test('a writer keeps other writers and readers out, and is named', () =>
  withImage(async (path) => {
    const node = await qcow2(path);
    const info = img('info', path);
    expect(info.code).toBe(1);
    expect(info.text).toContain('Failed to get shared "write" lock\nIs another process using the image');
    expect(info.text).toContain(`pid ${process.pid}`);
    const resize = img('resize', path, '2M');
    expect(resize.text).toContain('Failed to get "write" lock');
    expect(img('create', '-f', 'qcow2', path, '1M').code).toBe(1);
    await closeImage(node);
    const after = img('info', path);
    expect(after.text).not.toContain('Failed to get');
    expect(after.code).toBe(0);
  }));

test('-U and locking=off look past the locks', () =>
  withImage(async (path) => {
    const node = await qcow2(path);
    expect(img('info', '-U', path).code).toBe(0);
    expect(img('info', '--image-opts', `driver=qcow2,file.filename=${path},file.locking=off`).code).toBe(0);
    expect(img('snapshot', '-U', '-c', 'x', path).text).toContain(
      'force-share=on can only be used with read-only images',
    );
    await closeImage(node);
  }));

test('readers share an image with each other but not with a writer', () =>
  withImage(async (path) => {
    const reader = await qcow2(path, { readOnly: true });
    expect(img('info', path).code).toBe(0);
    expect(img('compare', path, path).code).toBe(0);
    expect(img('resize', path, '2M').code).toBe(1);
    await closeImage(reader);
  }));

test('a backing file is shared for reading only', () =>
  withImage(async (path) => {
    const over = `${path}.over`;
    await createImage({ filename: over, format: 'qcow2', backingFile: path, backingFormat: 'qcow2' });
    const node = await qcow2(over);
    expect(img('info', path).code).toBe(0);
    expect(img('resize', path, '2M').code).toBe(1);
    await closeImage(node);
    const writer = await qcow2(path);
    await expect(qcow2(over)).rejects.toThrow('Could not open backing file: Failed to get shared "write" lock');
    await closeImage(writer);
  }));

test('a commit is refused while somebody reads the base, and leaves it untouched', () =>
  withImage(async (path) => {
    const over = `${path}.over`;
    await createImage({ filename: over, format: 'qcow2', backingFile: path, backingFormat: 'qcow2' });
    const reader = await qcow2(path, { readOnly: true });
    const commit = img('commit', over);
    expect(commit.code).toBe(1);
    expect(commit.text).toContain('lock');
    await closeImage(reader);
    expect(img('commit', over).code).toBe(0);
  }));

test.skipIf(!hasQemu)(`qemu-img is kept out by us${QEMU_NOTE}`, () =>
  withImage(async (path) => {
    const node = await qcow2(path);
    expect(qemu('info', path).text).toContain('Failed to get shared "write" lock');
    expect(qemu('resize', path, '2M').text).toContain('Failed to get "write" lock');
    expect(qemu('info', '-U', path).code).toBe(0);
    await closeImage(node);
    const reader = await qcow2(path, { readOnly: true });
    expect(qemu('info', path).code).toBe(0);
    expect(qemu('resize', path, '2M').text).toContain('Failed to get "write" lock');
    await closeImage(reader);
    expect(qemu('resize', path, '2M').code).toBe(0);
  }),
);

test.skipIf(!hasQemu)(`we are kept out by qemu-io, which is named${QEMU_NOTE}`, () =>
  withImage(async (path) => {
    const io = Bun.spawn(['qemu-io', path], { stdin: 'pipe', stdout: 'pipe' });
    // The prompt says that the image is open.
    await io.stdout.getReader().read();
    const info = img('info', path);
    expect(info.code).toBe(1);
    expect(info.text).toContain('Failed to get shared "write" lock');
    expect(info.text).toContain(`(held by qemu-io, pid ${io.pid})`);
    expect(img('resize', path, '2M').text).toContain('Failed to get "write" lock');
    io.stdin.write('quit\n');
    io.stdin.end();
    await io.exited;
    expect(img('resize', '-q', path, '2M').code).toBe(0);
  }),
);
