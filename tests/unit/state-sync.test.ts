// Where the state-sync pass stores registers and makes CPU state precise, case by case.
import { describe, expect, test } from 'bun:test';
import type { HelperRow } from '../../tcg/ir/helper-table.ts';
import { parseBlock } from '../../tcg/ir/parse.ts';
import { Global } from '../../tcg/ir/value.ts';
import { type SyncMode, syncState } from '../../tcg/opt/state-sync.ts';

const REGS = Array.from({ length: 40 }, (_, id) => new Global('i32', id, `r${id}`, 32 + 4 * id));
const HELPERS: HelperRow[] = [
  { name: 'pure', args: [], result: 'i32' },
  { name: 'reads', args: [], result: 'i32', readsGlobals: true },
  { name: 'writes', args: [], result: null, writesGlobals: true },
  { name: 'raises', args: [], result: null, raises: true },
  { name: 'side', args: [], result: null, sideEffects: true },
];

/** The ops that store something or make a point, as `op: globals`; PCs of points as `@pc`. */
function syncs(lines: readonly string[], mode: SyncMode = 'spans'): string[] {
  const labels = new Set(lines.flatMap((line) => line.match(/L\d+/g) ?? [])).size;
  const block = parseBlock(`block 0x1000 temps 20 labels ${labels}\n${lines.join('\n')}`, {
    globals: REGS,
    helpers: HELPERS,
  });
  syncState(block, mode);
  return block.ops.flatMap((op) => {
    if (op.sync === null) return [];
    const where = op.row.name === 'insn_start' ? `@${op.imm.toString(16)}` : op.row.name;
    return [`${where}: ${op.sync.map((global) => global.name).join(' ')}`.trim()];
  });
}

/** Instructions for the cases, at 0x1000, 0x1004 … */
function program(...insns: readonly string[][]): string[] {
  return insns.flatMap((ops, i) => [`insn_start:0x${(0x1000 + 4 * i).toString(16)}:0`, ...ops]);
}
const ALU = ['r1 = add_i32 r1, 1'];
const LOAD = ['r2 = guest_ld_i32:u32 r3'];
const STORE = ['guest_st_i32:u32 r4, r1'];
const END = ['goto_tb:0x2000:plain'];

describe('one straight run', () => {
  test('the entry is precise: loads and one store need no point', () => {
    for (const mode of ['spans', 'idempotent'] as const) {
      expect(syncs(program(LOAD, ALU, LOAD, STORE, END), mode)).toEqual(['goto_tb: r1 r2']);
    }
  });

  test('every mode makes every later access precise', () => {
    expect(syncs(program(LOAD, ALU, LOAD, STORE, END), 'every')).toEqual(['@1008: r1 r2', '@100c: r2', 'goto_tb:']);
  });

  test('behind a store the next access needs a point, made where the registers are cheapest', () => {
    expect(syncs(program(STORE, ALU, ALU, LOAD, END))).toEqual(['@1004:', 'goto_tb: r1 r2']);
    expect(syncs(program(ALU, STORE, LOAD, LOAD, END))).toEqual(['@1008: r1', 'goto_tb: r2']);
  });

  test('what an instruction seems to overwrite is stored all the same', () => {
    // The second could be an increment whose operand was known: alone, in the replay, it reads the register.
    expect(syncs(program(['r1 = mov_i32 4'], STORE, ['r1 = mov_i32 5'], LOAD, END))).toEqual([
      '@1008: r1',
      'goto_tb: r1 r2',
    ]);
  });

  test('stores that overwrite nothing loaded can be replayed, in idempotent mode', () => {
    expect(syncs(program(STORE, STORE, LOAD, END))).toEqual(['@1004:', '@1008:', 'goto_tb: r2']);
    expect(syncs(program(STORE, STORE, LOAD, END), 'idempotent')).toEqual(['goto_tb: r2']);
    expect(syncs(program(STORE, LOAD, STORE, LOAD, END), 'idempotent')).toEqual(['@100c: r2', 'goto_tb: r2']);
  });

  test('an instruction that may fault behind its own first write starts its own span', () => {
    const twice = [...STORE, 'guest_st_i32:u32 r5, r1'];
    expect(syncs(program(twice, END))).toEqual(['goto_tb:']);
    expect(syncs(program(LOAD, twice, END))).toEqual(['@1004: r2', 'goto_tb:']);
    expect(syncs(program(ALU, twice, END), 'idempotent')).toEqual(['goto_tb: r1']);
    expect(syncs(program(LOAD, twice, END), 'idempotent')).toEqual(['@1004: r2', 'goto_tb:']);
  });

  test('registers written by the faulting instruction itself are not stored before it', () => {
    expect(syncs(program(STORE, ['r1 = add_i32 r1, 1', ...LOAD], END))).toEqual(['@1004:', 'goto_tb: r1 r2']);
  });

  test('more registers than one word of bits holds', () => {
    expect(syncs(program(['r0 = mov_i32 1', 'r31 = mov_i32 1', 'r32 = mov_i32 1', 'r39 = mov_i32 1'], END))).toEqual([
      'goto_tb: r0 r31 r32 r39',
    ]);
  });
});

describe('helpers', () => {
  test('that read registers find them in CPU state', () => {
    expect(syncs(program(ALU, ['r2 = call reads()'], END))).toEqual(['call: r1', 'goto_tb: r2']);
    expect(syncs(program(ALU, ['r2 = call pure()'], END))).toEqual(['goto_tb: r1 r2']);
  });

  test('that write registers leave nothing dirty', () => {
    expect(syncs(program(ALU, ['call writes()'], END))).toEqual(['call: r1', 'goto_tb:']);
  });

  test('leave CPU state newer than its PC: the next access needs a point', () => {
    expect(syncs(program(ALU, ['r2 = call reads()'], LOAD, END))).toEqual(['call: r1', '@1008: r2', 'goto_tb: r2']);
    expect(syncs(program(['r2 = call reads()'], LOAD, END))).toEqual(['call:', 'goto_tb: r2']);
  });

  test('that only raise are like loads; with side effects they need their own point', () => {
    expect(syncs(program(ALU, ['call raises()'], END))).toEqual(['goto_tb: r1']);
    expect(syncs(program(ALU, ['call side()'], END))).toEqual(['@1004: r1', 'goto_tb:']);
    expect(syncs(program(['call side()'], END))).toEqual(['goto_tb:']);
  });
});

describe('control flow', () => {
  test('a branch between two ways out stores for both', () => {
    const both = ['brcond_i32:eq r1, 0 -> L0', 'goto_tb:0x2000:plain', 'L0:', 'poll:0x3000', 'goto_tb:0x3000:plain'];
    expect(syncs(program(ALU, both))).toEqual(['brcond_i32: r1', 'goto_tb:', 'poll:', 'goto_tb:']);
  });

  test('with more behind the branch each way stores its own', () => {
    const other = [
      'brcond_i32:eq r1, 0 -> L0',
      'r5 = mov_i32 1',
      'goto_tb:0x2000:plain',
      'L0:',
      'goto_tb:0x3000:plain',
    ];
    expect(syncs(program(ALU, other))).toEqual(['goto_tb: r1 r5', 'goto_tb: r1']);
  });

  test('what is dirty on one way is dirty where the ways meet', () => {
    const maybe = ['brcond_i32:eq r1, 0 -> L0', 'r5 = mov_i32 1', ...STORE, 'L0:'];
    expect(syncs(program(maybe, LOAD, END))).toEqual(['@1004: r5', 'goto_tb: r2']);
  });

  test('every round of a loop that may fault has a point; dirty registers come around', () => {
    const back = ['brcond_i32:ne r1, 0 -> L0'];
    expect(syncs(['L0:', ...program(LOAD, ALU, back, END)])).toEqual(['@1000: r1 r2', 'goto_tb: r1 r2']);
    // Where a round makes one for itself the head needs none.
    expect(syncs(['L0:', ...program(STORE, ALU, LOAD, back, END)])).toEqual(['@1004: r1 r2', 'goto_tb: r1 r2']);
    expect(syncs(['L0:', ...program(ALU, back, END)])).toEqual(['goto_tb: r1']);
  });

  test('a point is chosen over branches that have come the same way', () => {
    const over = ['brcond_i32:eq r5, 0 -> L0', 'r6 = mov_i32 1', 'L0:'];
    expect(syncs(program(STORE, ALU, over, LOAD, END))).toEqual(['@1004:', 'goto_tb: r1 r2 r6']);
    // Not where another way has stored something since.
    const stores = ['brcond_i32:eq r5, 0 -> L0', ...STORE, 'L0:'];
    expect(syncs(program(STORE, ALU, stores, LOAD, END))).toEqual(['@1004:', '@100c: r1', 'goto_tb: r2']);
  });

  test('a poll stores on its way out only', () => {
    expect(syncs(program(ALU, ['poll:0x1004', 'r2 = mov_i32 1'], END))).toEqual(['poll: r1', 'goto_tb: r1 r2']);
  });

  test('unreachable ops have no lists', () => {
    expect(syncs([...program(ALU, END), 'goto_tb:0x3000:plain'])).toEqual(['goto_tb: r1']);
  });
});
