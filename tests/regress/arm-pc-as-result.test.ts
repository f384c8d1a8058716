/**
 * MOVW PC and other UNPREDICTABLE uses of the PC crashed the translator with an internal error. Programs do not execute them,
 * but translation runs ahead into data that looks like them: a static program of glibc was enough.
 */

import { expect, test } from 'bun:test';
import { ARM } from '../../targets/arm/arm.ts';
import { DECODERS } from '../../targets/arm/insns.ts';
import { Block } from '../../tcg/ir/block.ts';
import { Builder } from '../../tcg/ir/builder.ts';

const ADDRESS = 0x1000;
const bytes = new Uint8Array(2 * ADDRESS);
const code = { bytes, canFetch: () => true, isMapped: () => true };

function translate(pc: number): void {
  const builder = new Builder(new Block(pc, ARM.layout.globals));
  ARM.translate({ builder, code, pc, flags: 0, context: -1, maxInsns: 1, stopAt: -1 });
}

test('every row translates, whatever its registers are', () => {
  const view = new DataView(bytes.buffer);
  const failed: string[] = [];
  for (const [name, decoder] of Object.entries(DECODERS)) {
    for (const row of decoder.rows()) {
      const free = ~row.mask >>> 0;
      for (const fill of [0xffffffff, 0x0000ffff, 0xffff0000, 0x0f0f0f0f, 0xf0f0f0f0, 0]) {
        const word = (row.value | (free & fill)) >>> 0;
        const conditional = row.pattern.startsWith('cccc');
        const thumb = name.startsWith('T');
        if (thumb && name === 'T16') view.setUint16(ADDRESS, word, true);
        else if (thumb) view.setUint32(ADDRESS, ((word << 16) | (word >>> 16)) >>> 0, true);
        else view.setUint32(ADDRESS, conditional ? ((word & 0x0fffffff) | 0xe0000000) >>> 0 : word, true);
        try {
          translate(thumb ? ADDRESS + 1 : ADDRESS);
        } catch (error) {
          failed.push(`${name} ${row.name} ${word.toString(16)}: ${error}`);
        }
      }
    }
  }
  expect(failed).toEqual([]);
});
