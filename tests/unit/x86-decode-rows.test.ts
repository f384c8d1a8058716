/** The x86 instruction rows themselves: every row can be reached, none overlap, columns have legal values. */

import { describe, expect, test } from 'bun:test';
import { GROUPS } from '../../targets/x86/insns-groups.ts';
import { ONE_BYTE } from '../../targets/x86/insns-one-byte.ts';
import type { RowSpec } from '../../targets/x86/insns-row.ts';
import { SIMD_0F, SIMD_0F3A, SIMD_0F38, THREE_D_NOW } from '../../targets/x86/insns-simd.ts';
import {
  Choice,
  childRow,
  INVALID_ROW,
  OpcodeMap,
  opcodeRow,
  type Row,
  RowBit,
} from '../../targets/x86/insns-table.ts';
import { TWO_BYTE, ZERO_F_38 } from '../../targets/x86/insns-two-byte.ts';
import { X87 } from '../../targets/x86/insns-x87.ts';

const MAP_ROWS: readonly (readonly RowSpec[])[] = [
  ONE_BYTE,
  TWO_BYTE,
  ZERO_F_38,
  SIMD_0F,
  SIMD_0F38,
  SIMD_0F3A,
  THREE_D_NOW,
];
const GROUP_ROWS: readonly (readonly RowSpec[])[] = [...Object.values(GROUPS), ...Object.values(X87)];
const ALL_ROWS = [...MAP_ROWS, ...GROUP_ROWS].flat();

/** Parses every entry of every map, which throws for rows that overlap or have unknown letters or attributes. */
function everyLeaf(): Row[] {
  const leaves = new Set<Row>();
  const walk = (row: Row): void => {
    if (row.choice === Choice.Leaf) leaves.add(row);
    else for (let place = 0; place < row.children.length; place++) walk(childRow(row, place));
  };
  for (const map of [OpcodeMap.OneByte, OpcodeMap.TwoByte, OpcodeMap.ZeroF38, OpcodeMap.ZeroF3A, OpcodeMap.ThreeDNow]) {
    for (let opcode = 0; opcode < 256; opcode++) walk(opcodeRow(map, opcode));
  }
  leaves.delete(INVALID_ROW);
  // Undefined places of groups are no rows.
  return [...leaves].filter(({ bits }) => (bits & RowBit.Undefined) === 0);
}

describe('rows', () => {
  const leaves = everyLeaf();

  test('every row is reached by some bytes, but those of 64-bit mode', () => {
    const reached = new Set(leaves.flatMap((leaf) => leaf.candidates));
    const lost = ALL_ROWS.filter((spec) => !spec[1].startsWith('@') && !reached.has(spec));
    expect(lost.filter((spec) => !spec[3]?.includes('o64'))).toEqual([]);
    expect(lost.length).toBeGreaterThan(0);
  });

  test('every group that is referred to has rows, and every group is referred to', () => {
    const references = new Set(ALL_ROWS.flatMap((spec) => (spec[1].startsWith('@') ? [spec[1].slice(1)] : [])));
    expect([...references].sort()).toEqual([...Object.keys(GROUPS), ...Object.keys(X87)].sort());
  });

  test('leaves are numbered densely', () => {
    const numbers = leaves.map((leaf) => leaf.index).sort((a, b) => a - b);
    expect(numbers).toEqual(numbers.map((_, place) => place + 1));
  });

  test('the flags column has six to eight legal letters', () => {
    const illegal = ALL_ROWS.filter((spec) => !/^$|^[.TMB01\-mbu]{6,8}$/.test(spec[4] ?? ''));
    expect(illegal).toEqual([]);
  });

  test('only what the LOCK page of the manual lists is lockable', () => {
    const lockable = new Set(ALL_ROWS.flatMap((spec) => (spec[3]?.split(' ').includes('lock') ? [spec[1]] : [])));
    const listed = 'ADC ADD AND BTC BTR BTS CMPXCHG CMPXCHG8B DEC INC NEG NOT OR SBB SUB XADD XCHG XOR'.split(' ');
    expect([...lockable].sort()).toEqual(listed);
  });
});

describe('flag effects', () => {
  const CF = 0x1;
  const PF = 0x4;
  const AF = 0x10;
  const ZF = 0x40;
  const SF = 0x80;
  const DF = 0x400;
  const OF = 0x800;
  const effect = (map: OpcodeMap, opcode: number) => opcodeRow(map, opcode).flags;

  test('ADD changes all six, AND leaves AF undefined and clears CF and OF', () => {
    expect(effect(OpcodeMap.OneByte, 0x01)).toMatchObject({
      killed: CF | PF | AF | ZF | SF | OF,
      tested: 0,
      undefined: 0,
    });
    expect(effect(OpcodeMap.OneByte, 0x21)).toMatchObject({ undefined: AF, cleared: CF | OF });
  });

  test('INC leaves CF, ADC tests it', () => {
    expect(effect(OpcodeMap.OneByte, 0x40).killed & CF).toBe(0);
    expect(effect(OpcodeMap.OneByte, 0x11)).toMatchObject({ tested: CF, killed: CF | PF | AF | ZF | SF | OF });
  });

  test('a shift by CL kills nothing, for the count can be zero', () => {
    const shift = childRow(opcodeRow(OpcodeMap.OneByte, 0xd3), 4).flags;
    expect(shift).toMatchObject({ killed: 0, conditional: CF | PF | AF | ZF | SF | OF, undefined: AF | OF });
  });

  test('conditions test their flags only', () => {
    expect(effect(OpcodeMap.OneByte, 0x74)).toMatchObject({ tested: ZF, killed: 0 });
    expect(effect(OpcodeMap.OneByte, 0x76)).toMatchObject({ tested: CF | ZF });
    expect(effect(OpcodeMap.TwoByte, 0x9f)).toMatchObject({ tested: ZF | SF | OF });
  });

  test('string instructions test DF', () => {
    expect(effect(OpcodeMap.OneByte, 0xa4)).toMatchObject({ tested: DF, killed: 0 });
    expect(effect(OpcodeMap.OneByte, 0xfc)).toMatchObject({ cleared: DF });
  });
});
