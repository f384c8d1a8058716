// A data file that named another image through a filter: the image was overwritten.
import { expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { inScratch } from '../block/helpers.ts';

/**
 * `create -o data_file=blkdebug::a` took the image `a` for a device that is there already: it was used as the new image's data file
 * without a word, so that the next write to the one destroyed the other. Only what can be made can be a data file.
 */
test.each(['blkdebug::a', 'null-co://', 'http://127.0.0.1:1/a'])('%s cannot be made, so it is no data file', (name) =>
  inScratch(async (dir) => {
    const [a, n] = [join(dir, 'a'), join(dir, 'n')];
    writeFileSync(a, 'content');
    const create = createImage({
      filename: n,
      format: 'qcow2',
      optionTexts: [`data_file=${name.replace('::a', `::${a}`)}`],
      size: 65536,
    });
    await expect(create).rejects.toThrow(/^Driver '(blkdebug|null-co|http)' does not support image creation$/);
    expect(readFileSync(a, 'utf8')).toBe('content');
    expect(() => readFileSync(n)).toThrow('ENOENT');
  }),
);
