// What an image names led back to the image itself. A backing name that is options (a filter over the image) was followed 200
// times, with 370 MB; the name of a data file was taken for options and protocols too, and followed for ever, or to a web server
// of the image's choice. qemu-img takes it for a file seen from the current folder, where ours looked beside the image.
import { expect, test } from 'bun:test';
import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { openImage } from '../../src/block/graph.ts';
import { hasQemu, inScratch, QEMU_NOTE, run } from '../block/helpers.ts';
import { PROGRAM_LIMIT } from '../setup/limits.ts';

const WEMU_IMG = join(import.meta.dir, '../../src/cli/bin/wemu-img');

test('a backing name of options that leads back is refused at its second turn', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'loop');
    const file = { driver: 'qcow2', file: { driver: 'file', filename: path } };
    await createImage({
      filename: path,
      format: 'qcow2',
      size: 1 << 20,
      backingFile: `json:${JSON.stringify({ driver: 'copy-on-read', file })}`,
      backingFormat: 'qcow2',
      unsafe: true,
    });
    await expect(openImage({ filename: path, readOnly: true })).rejects.toThrow(
      `Could not open backing file: Backing file chain of '${path}' contains itself`,
    );
  }));

/** Exit code and output of a command, the tool's name left out. */
function answer(tool: string, args: readonly string[], cwd: string): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([tool, ...args], { cwd, timeout: PROGRAM_LIMIT });
  return `${exitCode} ${stdout}${stderr}`.replaceAll(/\b(wemu|qemu)-img:/g, 'img:');
}

const NAMES = [
  'json:{"driver":"qcow2","file":{"driver":"file","filename":"image"}}',
  'null-co://',
  'http://127.0.0.1:1/disk',
  'file:data',
  'data',
];

test.skipIf(!hasQemu)(`the data file of an image is a file of that name and nothing else${QEMU_NOTE}`, () =>
  inScratch((dir) => {
    mkdirSync(join(dir, 'folder'));
    run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-o', 'data_file=data', 'first', '1M'], dir);
    for (const name of NAMES) {
      run(['cp', 'first', 'image'], dir);
      run(['qemu-img', 'amend', '-f', 'qcow2', '-o', `data_file=${name.replaceAll(',', ',,')}`, 'image'], dir);
      run(['cp', 'image', 'folder/image'], dir);
      for (const image of ['image', 'folder/image']) {
        for (const args of [
          ['map', image],
          ['check', image],
          ['convert', '-O', 'raw', image, 'out'],
        ]) {
          expect([name, answer(WEMU_IMG, args, dir)]).toEqual([name, answer('qemu-img', args, dir)]);
        }
      }
    }
    // Beside the image it is not looked for.
    renameSync(join(dir, 'data'), join(dir, 'folder/data'));
    expect(answer(WEMU_IMG, ['map', 'folder/image'], dir)).toBe(answer('qemu-img', ['map', 'folder/image'], dir));
  }),
);
