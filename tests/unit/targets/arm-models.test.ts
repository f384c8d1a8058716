// CPU models of ARM: the same names as qemu-arm's or refused with a reason, nothing advertised that is not executed.

import { describe, expect, test } from 'bun:test';
import { ARM } from '../../../targets/arm/arm.ts';
import { DECODERS } from '../../../targets/arm/insns.ts';
import { ARM_MODELS, hwcapNames, noModel } from '../../../targets/arm/models.ts';
import { REFUSED_EXTENSIONS } from '../../../targets/arm/refused.ts';
import { Block } from '../../../tcg/ir/block.ts';
import { Builder } from '../../../tcg/ir/builder.ts';
import { testWith } from '../../setup/needs.ts';

const ADDRESS = 0x1000;

/** What the translator names of one instruction; Thumb's first halfword is the upper half. */
function namedExtension(word: number, thumb: boolean): string | null {
  const bytes = new Uint8Array(2 * ADDRESS);
  const stored = thumb ? ((word << 16) | (word >>> 16)) >>> 0 : word;
  new DataView(bytes.buffer).setUint32(ADDRESS, stored, true);
  const pc = ADDRESS + (thumb ? 1 : 0);
  const builder = new Builder(new Block(pc, ARM.layout.globals));
  const code = { bytes, canFetch: () => true, isMapped: () => true };
  return ARM.translate({ builder, code, pc, flags: 0, context: -1, maxInsns: 1, stopAt: -1 }).unimplemented;
}

/** Instructions as the assembler of binutils makes them. */
const LACKING: readonly (readonly [text: string, word: number, thumb: boolean, extension: string])[] = [
  ['wldrw wr0, [r0]', 0xed900100, false, 'iWMMXt'],
  ['wadd wr0, wr1, wr2', 0xee010182, false, 'iWMMXt'],
  ['enterx', 0xf3bf8f1f, true, 'ThumbEE'],
  ['ldfs f0, [r0]', 0xed900200, false, 'FPA'],
];

describe('extensions that no model has', () => {
  for (const [text, word, thumb, extension] of LACKING) {
    test(`${thumb ? 'T32' : 'A32'} ${text}`, () => expect(namedExtension(word, thumb)).toBe(extension));
  }

  test('all are among these', () => {
    expect([...new Set(LACKING.map(([, , , extension]) => extension))].sort()).toEqual([...REFUSED_EXTENSIONS].sort());
  });

  test('an undefined instruction of none is not named', () => expect(namedExtension(0xe7f000f0, false)).toBe(null));
});

/** What AT_HWCAP must not say, by its names (asm/hwcap.h): there are no such instructions. */
const NEVER = ['26bit', 'fpa', 'java', 'iwmmxt', 'crunch', 'thumbee'];

test('no model advertises what it does not execute', () => {
  for (const model of ARM_MODELS) {
    expect([model.name, hwcapNames(model).filter((name) => NEVER.includes(name))]).toEqual([model.name, []]);
  }
});

test('every feature of a row is that of some model', () => {
  const features = new Set(ARM_MODELS.flatMap((model) => model.features) as string[]);
  const lacking = Object.values(DECODERS)
    .flatMap((decoder) => decoder.rows())
    .filter(({ feature }) => feature !== '' && !features.has(feature));
  expect(lacking.map(({ name }) => name)).toEqual([]);
});

testWith(['qemu-user'], 'models of qemu-arm are there, or refused with what they lack', () => {
  const names = Bun.spawnSync(['qemu-arm', '-cpu', 'help']).stdout.toString().trim().split(/\s+/).slice(2);
  expect(names.length).toBeGreaterThan(20);
  const missing = names.filter((name) => !ARM_MODELS.some((model) => model.name === name));
  expect(missing.filter((name) => !/needs .* not implemented/.test(noModel(name)))).toEqual([]);
  expect(noModel('no-such')).toContain('-cpu help lists them');
});
