// A node could be given two roles that exclude each other: with one node as image file and data file guest data overwrote the
// header. An image that named itself as its backing file ended with a full stack.
import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { PERM } from '../../src/block/driver.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import type { OptionTree } from '../../src/block/options.ts';
import { inScratch } from '../block/helpers.ts';

const open = (options: Record<string, string>) =>
  openImage({ options: new Map(Object.entries(options)) as OptionTree });

test('a file is not image file and data file at once', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    await createImage({
      filename: path,
      format: 'qcow2',
      size: 1 << 20,
      optionTexts: [`data_file=${join(dir, 'data')}`],
    });
    const before = readFileSync(path);
    await expect(
      open({ driver: 'qcow2', 'file.filename': path, 'file.node-name': 'twice', 'data-file': 'twice' }),
    ).rejects.toThrow(/^Permission conflict on node 'twice': permissions '[a-z, ]*resize' are both required by /);
    expect(readFileSync(path).equals(before)).toBe(true);
    // Everything has been given back.
    await closeImage(await open({ driver: 'qcow2', 'file.filename': path, 'file.node-name': 'twice' }));
  }));

test('an image is not its own backing file, by its name or through another node', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    await createImage({ filename: path, format: 'qcow2', size: 1 << 20 });
    const image = { driver: 'qcow2', 'file.filename': path, 'node-name': 'self' };
    await expect(open({ ...image, backing: 'self' })).rejects.toThrow(
      "Making 'self' a backing child of 'self' would create a cycle",
    );
    await expect(open({ ...image, 'backing.driver': 'raw', 'backing.file': 'self' })).rejects.toThrow(
      /^Could not open backing file: (Permission conflict|Making '.*' a backing child of 'self' would create a cycle)/,
    );
    await closeImage(await open(image));
  }));

test('a named node is free again when an image that referred to it could not be opened', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    const data = join(dir, 'data');
    await createImage({ filename: path, format: 'qcow2', size: 1 << 20, optionTexts: [`data_file=${data}`] });
    const named = await openImage({
      options: new Map(Object.entries({ driver: 'file', filename: data, 'node-name': 'data' })),
      perm: 0,
    });
    const image = { driver: 'qcow2', 'file.filename': path, 'data-file': 'data' };
    await expect(
      open({ ...image, 'backing.driver': 'raw', 'backing.file.filename': join(dir, 'none') }),
    ).rejects.toThrow('No such file or directory');
    // The data file's promises to the image that never was would forbid this.
    const options = new Map(Object.entries({ driver: 'raw', file: 'data' }));
    await closeImage(await openImage({ options, unshare: PERM.WRITE }));
    await closeImage(await open(image));
    await closeImage(named);
  }));
