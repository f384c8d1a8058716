// What the rows say of operands the manual leaves open is what the translator does, and what docs/arm.md tells.

import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { ARM_DOC, withTables } from '../../../src/tools/arm-doc.ts';
import { ARM } from '../../../targets/arm/arm.ts';
import { DECODERS, decodeArm, decodeThumb, Insn } from '../../../targets/arm/insns.ts';
import { ARM_OFFSETS as O } from '../../../targets/arm/state.ts';
import { isRefused, RULES, ruleOf, unpredictableRules } from '../../../targets/arm/unpredictable.ts';
import { Vector } from '../../../targets/arm/vectors.ts';
import type { Encoding } from '../../../targets/decode/pattern.ts';
import { Block } from '../../../tcg/ir/block.ts';
import { Builder } from '../../../tcg/ir/builder.ts';
import { Random } from '../../oracle/random.ts';

const ADDRESS = 0x1000;
const bytes = new Uint8Array(2 * ADDRESS);
const view = new DataView(bytes.buffer);
const code = { bytes, canFetch: () => true, isMapped: () => true };

type Set = keyof typeof DECODERS;
type Decoder = (typeof DECODERS)[Set];

function decode(insn: Insn, set: Set, word: number): void {
  if (set === 'T16') decodeThumb(insn, word, false);
  else if (set === 'T32') decodeThumb(insn, word, true);
  else decodeArm(insn, word);
}

/** Whether the instruction is UNDEFINED, whatever registers hold. */
function isUndefined(set: Set, word: number): boolean {
  const thumb = set.startsWith('T') ? 1 : 0;
  if (set === 'T16') view.setUint16(ADDRESS, word, true);
  else view.setUint32(ADDRESS, thumb ? ((word << 16) | (word >>> 16)) >>> 0 : word, true);
  const block = new Block(ADDRESS | thumb, ARM.layout.globals);
  const builder = new Builder(block);
  ARM.translate({ builder, code, pc: ADDRESS | thumb, flags: 0, context: -1, maxInsns: 1, stopAt: -1 });
  return block.ops.some(
    ({ row, imm, a }) =>
      row.name === 'env_st_i32' && imm === O.exception && a?.kind === 'const' && a.value === Vector.UNDEFINED,
  );
}

/** Words of a row, mostly with registers alike or special, by chance. */
function* words(set: Set, row: Encoding, random: Random): Generator<number> {
  for (let n = 0; n < 600; n++) {
    let free = random.u32();
    // Nibbles all ones, all zeros, 1101 or like the one beside them are what most rules are about.
    for (let at = 0; at < 32; at += 4) {
      if (random.below(5) === 0) free = (free | (15 << at)) >>> 0;
      else if (random.below(6) === 0) free = ((free & ~(15 << at)) | (random.pick([0, 13, 1]) << at)) >>> 0;
    }
    let word = ((free & ~row.mask) | row.value) >>> 0;
    if (row.pattern.startsWith('cccc'))
      word = ((word & 0x0fffffff) | ((random.bool() ? 14 : random.below(14)) << 28)) >>> 0;
    yield set === 'T16' ? word & 0xffff : word;
  }
}

describe('rows whose rules', () => {
  const seen = new Map<string, number>();
  const sets: [Set, Decoder, string][] = [
    ...(Object.entries(DECODERS) as [Set, Decoder][]).map(([set, decoder]): [Set, Decoder, string] => [
      set,
      decoder,
      set,
    ]),
    ['T32', DECODERS.VFP, 'VFP in T32'],
  ];
  for (const [set, decoder, name] of sets) {
    test(`${name} are about what the translator does`, () => {
      const random = new Random(set.length);
      const insn = new Insn();
      const wrong: string[] = [];
      for (const row of decoder.rows()) {
        if (row.unpredictable.length === 0) continue;
        for (const word of words(set, row, random)) {
          decode(insn, set, word);
          if (insn.encoding !== row) continue;
          const rules = unpredictableRules(insn);
          if (rules.length === 0) continue;
          for (const rule of rules) seen.set(rule, (seen.get(rule) ?? 0) + 1);
          const refused = isRefused(insn);
          // Sizes of vectors and numbers of system registers are reasons of their own, in the handlers.
          if (refused || !/^(V|MCR|MRC|MRRC)/.test(row.name)) {
            if (isUndefined(set, word) !== refused) wrong.push(`${row.name} ${word.toString(16)} ${rules.join(' ')}`);
          }
        }
      }
      expect(wrong.slice(0, 10)).toEqual([]);
    });
  }

  test('are all met', () => {
    const named = new Set(
      Object.values(DECODERS).flatMap((decoder) => decoder.rows().flatMap((row) => row.unpredictable)),
    );
    expect([...named].filter((name) => !seen.has(name))).toEqual([]);
    expect(
      Object.keys(RULES).filter(
        (key) => ![...named].some((name) => ruleOf(name).rule === (RULES as Record<string, unknown>)[key]),
      ),
    ).toEqual([]);
  });
});

test('docs/arm.md has them as `bun src/tools/arm-doc.ts` writes them', () => {
  const text = readFileSync(ARM_DOC, 'utf8');
  expect(text).toBe(withTables(text));
});
