// Repairs (`check -r`) that wrote where something else lay, and that took away the mark of a damage they left.
// A refcount block or an L2 table that a damaged entry named in the midst of data was "repaired" in place, so that the data
// changed; such places are left alone now, and -r all writes counts anew elsewhere. And -r leaks of an image with the dirty bit took
// the bit off when the image was closed, though the counts were still wrong: nobody would have repaired them before writing.
import { expect, test } from 'bun:test';
import { crashRepairs, DAMAGES } from '../block/crash-repair.ts';
import { inScratch } from '../block/helpers.ts';

for (const name of ['refcount block in data', 'a table that is data too', 'marked as dirty, low counts'])
  test(`a repair leaves what can be read as it is: ${name}`, () =>
    inScratch(async (dir) => {
      expect(DAMAGES.some((d) => d.name === name)).toBe(true);
      await crashRepairs('cluster_size=512', dir, 1000, 4, name).finally(() => process.chdir('/'));
    }));
