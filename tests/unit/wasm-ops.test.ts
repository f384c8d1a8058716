// Every op, immediate and operand form as WebAssembly: against facts worked out by hand, and against the interpreter.
import { describe, expect, test } from 'bun:test';
import { Block, Op } from '../../tcg/ir/block.ts';
import { OP_LIST, OPS, type OpName, type OpRow } from '../../tcg/ir/ops.ts';
import {
  Exit,
  MO_8,
  MO_16,
  MO_32,
  MO_64,
  MO_ALIGN,
  MO_BE,
  MO_SIGN,
  MO_SIZE,
  memOpName,
  type Type,
} from '../../tcg/ir/types.ts';
import { Const, const32, const64, Global, type Value } from '../../tcg/ir/value.ts';
import { assertValid, condCount, lanesOf, memOpFits } from '../../tcg/ir/verify.ts';
import { syncState } from '../../tcg/opt/state-sync.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { CORNERS_FLOAT, CORNERS32, CORNERS64 } from './ir-random.ts';
import {
  BLOCK_SLOT,
  differences,
  ENV,
  freshMemory,
  runInterpreter,
  SIZES,
  settleNaNs,
  WasmRunner,
} from './wasm-run.ts';

// Three inputs and one output of each type.
const TYPES = ['i32', 'i64', 'f32', 'f64', 'v128'] as const;
const GLOBALS: Global[] = [];
let offset = 32;
for (const type of TYPES) {
  for (const name of ['x', 'y', 'z', 'out']) {
    offset = Math.ceil(offset / SIZES[type]) * SIZES[type];
    GLOBALS.push(new Global(type, GLOBALS.length, `${name}_${type}`, offset));
    offset += SIZES[type];
  }
}
const input = (type: Type, n: number) => GLOBALS[TYPES.indexOf(type) * 4 + n]!;
const output = (type: Type) => GLOBALS[TYPES.indexOf(type) * 4 + 3]!;

const runner = new WasmRunner();

/** A block that does one op; operands are the inputs of their types, or constants where given. */
function blockOf(row: OpRow<OpName>, imm: number, imm2: number, constants: readonly (Const | null)[] = []): Block {
  const block = new Block(0x1000, GLOBALS);
  const ins: Value[] = row.ins.map((type, i) => constants[i] ?? input(type, i));
  const [a = null, b = null, c = null] = ins;
  block.ops.push(new Op(OPS.insn_start, null, null, null, null, 0x1000, 0, null, null, null));
  block.ops.push(new Op(row, row.out && output(row.out), a, b, c, imm, imm2, null, null, null));
  settleNaNs(block);
  block.ops.push(new Op(OPS.goto_tb, null, null, null, null, 0x2000, 0, null, null, null));
  syncState(block);
  assertValid(block, 'of the test');
  return block;
}

function setGlobal(view: DataView, global: Global, value: number | bigint | Uint8Array): void {
  const at = ENV + global.offset;
  if (global.type === 'i32') view.setInt32(at, value as number, true);
  else if (global.type === 'i64') view.setBigInt64(at, value as bigint, true);
  else if (global.type === 'f32') view.setFloat32(at, value as number, true);
  else if (global.type === 'f64') view.setFloat64(at, value as number, true);
  else new Uint8Array(view.buffer).set(value as Uint8Array, at);
}

/** Puts the operands of an op into its input registers. */
function setInputs(memory: Uint8Array, row: OpRow<OpName>, ins: readonly (number | bigint | Uint8Array)[]): void {
  const view = new DataView(memory.buffer);
  for (let i = 0; i < row.ins.length; i++) setGlobal(view, input(row.ins[i]!, i), ins[i]!);
}

function getGlobal(view: DataView, global: Global): number | bigint | string {
  const at = ENV + global.offset;
  if (global.type === 'i32') return view.getInt32(at, true);
  if (global.type === 'i64') return view.getBigInt64(at, true);
  if (global.type === 'f32') return view.getFloat32(at, true);
  if (global.type === 'f64') return view.getFloat64(at, true);
  return Buffer.from(new Uint8Array(view.buffer).slice(at, at + 16)).toString('hex');
}

// ---- facts worked out by hand

/** A vector from 32 hexadecimal digits, byte 0 first. */
const v = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));
const B0TOF = '000102030405060708090a0b0c0d0e0f';

type Fact = readonly [
  OpName,
  imms: readonly number[],
  ins: readonly (number | bigint | Uint8Array)[],
  out: number | bigint | string,
];
// biome-ignore format: a table
const FACTS: readonly Fact[] = [
  ['sub_i32', [], [3, 5], -2], ['mul_i32', [], [0x10001, 0x10001], 0x20001], ['divs_i32', [], [-7, 2], -3], ['rems_i32', [], [-7, 2], -1],
  ['rems_i32', [], [-0x80000000, -1], 0], ['divu_i32', [], [-1, 16], 0x0fffffff], ['remu_i32', [], [-1, 10], 5],
  ['shl_i32', [], [1, 33], 2], ['shr_i32', [], [-1, 28], 15], ['sar_i32', [], [-16, 2], -4], ['rotl_i32', [], [0x12345678, 8], 0x34567812],
  ['rotr_i32', [], [0x12345678, 8], 0x78123456], ['clz_i32', [], [0], 32], ['ctz_i32', [], [8], 3], ['popcnt_i32', [], [0xf0f0], 8],
  ['ext8s_i32', [], [0x180], -128], ['ext16s_i32', [], [0x18000], -32768], ['bswap16_i32', [], [0x12345678], 0x7856],
  ['bswap32_i32', [], [0x12345678], 0x78563412], ['extract_i32', [4, 8], [0x12345678], 0x67], ['sextract_i32', [4, 4], [0xf0], -1],
  ['sextract_i32', [8, 16], [0x00800000], -32768], ['deposit_i32', [8, 8], [0x11111111, 0xabcd], 0x1111cd11],
  ['deposit_i32', [24, 8], [0, 0xabcd], 0xcd000000 | 0], ['setcond_i32', [6], [1, -1], 1], ['setcond_i32', [2], [1, -1], 0],
  ['setcond_i32', [10], [6, 9], 1], ['setcond_i32', [11], [6, 3], 1], ['select_i32', [], [2, 5, 7], 5], ['select_i32', [], [0, 5, 7], 7],
  ['mulhs_i64', [], [-1n, 1n], -1n], ['mulhu_i64', [], [-1n, 2n], 1n], ['mulhs_i64', [], [1n << 62n, 8n], 2n],
  ['mulhu_i64', [], [-1n, -1n], -2n], ['bswap_i64', [], [0x0123456789abcdefn], -0x1032547698badcffn],
  ['setcond_i64', [6], [1n, -1n], 1], ['high_i64_i32', [], [0x0123456789abcdefn], 0x01234567], ['concat_i32_i64', [], [-1, 1], 0x1ffffffffn],
  ['extu_i32_i64', [], [-1], 0xffffffffn], ['wrap_i64_i32', [], [0x123456789n], 0x23456789], ['divs_i64', [], [-7n, 2n], -3n],
  ['round_f64', [0], [1.2], 2], ['round_f64', [1], [-1.2], -2], ['round_f64', [2], [-1.8], -1], ['round_f64', [3], [2.5], 2],
  ['min_f64', [], [-0, 0], -0], ['max_f32', [], [-0, 0], 0], ['copysign_f32', [], [1.5, -2], -1.5],
  ['truncs_f64_i32', [], [3e9], 0x7fffffff], ['truncu_f64_i32', [], [3e9], -1294967296], ['truncs_f64_i32', [], [Number.NaN], 0],
  ['demote_f64_f32', [], [1e300], Number.POSITIVE_INFINITY], ['convertu_i64_f64', [], [-1n], 2 ** 64],
  ['setcond_f64', [1], [Number.NaN, 1], 1], ['setcond_f64', [2], [Number.NaN, 1], 0],
  ['splat_i32', [16], [0x12345], '45234523452345234523452345234523'], ['lane_i32', [8, 15], [v(B0TOF)], 15],
  ['lane_i32', [16, 1], [v('0000ffff' + '0'.repeat(24))], 0xffff], ['setlane_i32', [32, 1], [v(B0TOF), -1], '00010203ffffffff08090a0b0c0d0e0f'],
  ['add_vec', [8], [v('ff'.repeat(16)), v('02'.repeat(16))], '01'.repeat(16)], ['addsats_vec', [8], [v('7f'.repeat(16)), v('01'.repeat(16))], '7f'.repeat(16)],
  ['subsatu_vec', [8], [v('01'.repeat(16)), v('02'.repeat(16))], '00'.repeat(16)], ['avgu_vec', [8], [v('00'.repeat(16)), v('01'.repeat(16))], '01'.repeat(16)],
  ['shl_vec', [8], [v('81'.repeat(16)), 9], '02'.repeat(16)], ['sar_vec', [16], [v('0080'.repeat(8)), 15], 'ff'.repeat(16)],
  ['mins_vec', [8], [v('ff'.repeat(16)), v('01'.repeat(16))], 'ff'.repeat(16)], ['minu_vec', [8], [v('ff'.repeat(16)), v('01'.repeat(16))], '01'.repeat(16)],
  ['cmp_vec', [8, 6], [v('01'.repeat(16)), v('ff'.repeat(16))], 'ff'.repeat(16)], ['cmp_vec', [64, 2], [v('01'.repeat(16)), v('ff'.repeat(16))], '00'.repeat(16)],
  ['narrowu_vec', [16], [v('ff7f'.repeat(8)), v('0080'.repeat(8))], 'ff'.repeat(8) + '00'.repeat(8)], ['bitmask_vec', [8], [v('80' + '00'.repeat(14) + '80')], 0x8001],
  ['widens_vec', [8, 0], [v('80'.repeat(16))], '80ff'.repeat(8)], ['widenu_vec', [32, 1], [v(B0TOF)], '08090a0b000000000c0d0e0f00000000'],
  ['mulwides_vec', [16, 1], [v('0'.repeat(16) + '0080'.repeat(4)), v('0080'.repeat(8))], '00000040'.repeat(4)],
  ['mulwideu_vec', [32, 0], [v('ffffffff'.repeat(4)), v('ffffffff'.repeat(4))], '01000000feffffff'.repeat(2)],
  ['addpairs_vec', [8], [v('80'.repeat(16))], '00ff'.repeat(8)], ['addpairu_vec', [16], [v('ffff'.repeat(8))], 'feff0100'.repeat(4)],
  ['mulq15_vec', [], [v('0080'.repeat(8)), v('0080'.repeat(8))], 'ff7f'.repeat(8)], ['any_v128', [], [v('0'.repeat(30) + '80')], 1],
  ['dot_s16_vec', [], [v('0200'.repeat(8)), v('0300'.repeat(8))], '0c000000'.repeat(4)], ['andc_v128', [], [v('ff'.repeat(16)), v(B0TOF)], 'fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0'],
  ['bitselect_v128', [], [v('0f'.repeat(16)), v('aa'.repeat(16)), v('55'.repeat(16))], '5a'.repeat(16)],
  ['swizzle_v128', [], [v(B0TOF), v('0f100e1f' + '00'.repeat(12))], '0f000e00' + '00'.repeat(12)],
  ['fpmin_vec', [64], [v('000000000000f03f'.repeat(2)), v('0000000000000040'.repeat(2))], '000000000000f03f'.repeat(2)],
];

test.each(FACTS.map((fact, n) => [fact[0], n, fact] as const))('%s, fact %i', (_name, _n, [name, imms, ins, out]) => {
  const row = OPS[name] as OpRow<OpName>;
  const constants = row.ins.map((type, i) => {
    const value = ins[i]!;
    if (type === 'i32') return const32(value as number);
    if (type === 'i64') return const64(value as bigint);
    return Number.isNaN(value) ? null : new Const(type, value);
  });
  // Once from registers, once with constants in the code.
  for (const form of [[], constants]) {
    const memory = freshMemory(1);
    setInputs(memory, row, ins);
    const outcome = runner.run(blockOf(row, imms[0] ?? 0, imms[1] ?? 0, form), memory);
    expect(outcome.exit).toBe(Exit.LOOKUP);
    expect(getGlobal(new DataView(outcome.memory.buffer), output(row.out!))).toBe(out);
  }
});

// ---- everything, against the interpreter

const CORNERS: Record<Type, readonly (number | bigint | Uint8Array)[]> = {
  i32: CORNERS32,
  i64: CORNERS64,
  f32: [...CORNERS_FLOAT.map(Math.fround), Number.NaN],
  f64: [...CORNERS_FLOAT, Number.NaN],
  v128: Array.from({ length: 24 }, (_, n) =>
    Uint8Array.from({ length: 16 }, (_x, i) =>
      n < 4 ? [0, 0xff, 0x7f, 0x80][n]! : Math.imul(n * 16 + i, 0x9e3779b1) >>> 24,
    ),
  ),
};
/** The vectors of whole float corners. */
(CORNERS.v128 as Uint8Array[]).push(
  ...CORNERS_FLOAT.map(
    (x, i) => new Uint8Array(new Float64Array([x, CORNERS_FLOAT[(i * 7 + 1) % CORNERS_FLOAT.length]!]).buffer),
  ),
  ...CORNERS_FLOAT.map(
    (x, i) => new Uint8Array(new Float32Array([x, -x, 1, CORNERS_FLOAT[(i * 5 + 2) % CORNERS_FLOAT.length]!]).buffer),
  ),
);

/** All immediates of a pure op. */
function immediates(row: OpRow<OpName>): [number, number][] {
  const all: [number, number][] = [];
  const second = (imm: number): number[] => {
    if (row.imm2 === 'cond') return Array.from({ length: condCount(row, imm) }, (_, n) => n);
    if (row.imm2 === 'index') return Array.from({ length: 128 / imm }, (_, n) => n);
    return row.imm2 === 'half' ? [0, 1] : [0];
  };
  if (row.imm === 'bits') {
    for (const start of [0, 1, 8, 15, 31])
      for (const length of [1, 7, 8, 16, 17, 32]) if (start + length <= 32) all.push([start, length]);
  } else if (row.imm === 'cond') for (let n = 0; n < condCount(row, 0); n++) all.push([n, 0]);
  else if (row.imm === 'fpround') for (let n = 0; n < 4; n++) all.push([n, 0]);
  else if (row.imm === 'lane') for (const lane of lanesOf(row)) for (const imm2 of second(lane)) all.push([lane, imm2]);
  else if (row.imm === 'index') for (let n = 0; n < (/32$/.test(row.name) ? 4 : 2); n++) all.push([n, 0]);
  else all.push([0, 0]);
  return all;
}

const PURE = OP_LIST.filter(
  (row) => row.out !== null && row.ins.length > 0 && !row.flags.effect && !/^(env|shuffle)/.test(row.name),
);
/** Operands tried with each op, fewer for each immediate where there are many. */
const ROUNDS = 240;
const MIN_ROUNDS = 12;
const MAX_ROUNDS = 40;
/** Operands an op must not be given. */
function undefinedFor(row: OpRow<OpName>, ins: readonly (number | bigint | Uint8Array)[]): boolean {
  if (!/^(div|rem)/.test(row.name)) return false;
  return (
    Number(ins[1]) === 0 ||
    (row.name.startsWith('divs') && Number(ins[1]) === -1 && (ins[0] === -0x80000000 || ins[0] === -(1n << 63n)))
  );
}

describe('as the interpreter does it', () => {
  test.each(PURE.map((row) => [row.name, row] as const))(
    '%s',
    (_name, row) => {
      const all = immediates(row);
      const rounds = Math.min(MAX_ROUNDS, Math.max(MIN_ROUNDS, Math.round(ROUNDS / all.length)));
      for (const [imm, imm2] of all) {
        const blocks = [blockOf(row, imm, imm2)];
        // The same with a constant in place of the last operand.
        const last = row.ins.length - 1;
        for (let k = 0; k < 3; k++) {
          const value = CORNERS[row.ins[last]!][(k * 5 + 2) % CORNERS[row.ins[last]!].length]!;
          if (Number.isNaN(value) || undefinedFor(row, [0, value])) continue;
          const constants: (Const | null)[] = row.ins.map(() => null);
          constants[last] = new Const(row.ins[last]!, value);
          blocks.push(blockOf(row, imm, imm2, constants));
        }
        runner.load(runner.compile(blocks));
        for (let round = 0; round < rounds; round++) {
          const memory = freshMemory(round);
          const ins = row.ins.map(
            (type, i) => CORNERS[type][(Math.imul(round + 1, [17, 5, 3][i]!) + i) % CORNERS[type].length]!,
          );
          if (undefinedFor(row, ins)) continue;
          setInputs(memory, row, ins);
          blocks.forEach((block, n) => {
            const constant = block.ops[1]![(['a', 'b', 'c'] as const)[last]!];
            if (constant instanceof Const && undefinedFor(row, [ins[0]!, constant.value])) return;
            const expected = runInterpreter(block, memory);
            runner.bytes.set(memory);
            const exit = runner.call(BLOCK_SLOT + n);
            const found = differences(expected.memory, runner.bytes.slice(), GLOBALS);
            if (exit !== expected.exit || found.length > 0) throw new Error(`${imm} ${imm2} of ${ins}: ${found}`);
          });
        }
      }
    },
    TEST_LIMIT,
  );
});

// ---- guest memory

/** Blocks of the access ops at a register's address plus a displacement. */
function accessBlock(row: OpRow<OpName>, memOp: number, displacement: number): Block {
  const block = new Block(0x1000, GLOBALS);
  const push = (name: OpName, out: Global | null, ins: Value[], imm = 0) => {
    const [a = null, b = null, c = null] = ins;
    block.ops.push(new Op(OPS[name], out, a, b, c, imm, 0, null, null, null));
  };
  push('insn_start', null, [], 0x1000);
  let address: Value = input('i32', 0);
  if (displacement !== 0) {
    const sum = block.temp('i32');
    block.ops.push(new Op(OPS.add_i32, sum, address, const32(displacement), null, 0, 0, null, null, null));
    address = sum;
  }
  push(
    row.name,
    row.out && output(row.out),
    row.ins.map((type, i) => (i === 0 ? address : input(type, i))),
    memOp,
  );
  push('goto_tb', null, [], 0x2000);
  syncState(block);
  assertValid(block, 'of the test');
  return block;
}

const ACCESSES = OP_LIST.filter(({ name }) => /^(guest|atomic)_/.test(name));

test.each(ACCESSES.map((row) => [row.name, row] as const))(
  '%s at any address',
  (_name, row) => {
    const type = (row.out ?? row.ins[row.ins.length - 1]) as Type;
    const atomic = row.name.startsWith('atomic');
    for (let memOp = 0; memOp < 64; memOp++) {
      if (!memOpFits(row, type, memOp)) continue;
      const displacements = [0, 8, 0x7ff8, -8];
      const blocks = displacements.map((displacement) => accessBlock(row, memOp, displacement));
      runner.load(runner.compile(blocks));
      for (let at = 0; at < 20; at++) {
        const address = 0x2000 + (atomic ? at << (memOp & MO_SIZE) : at);
        const memory = freshMemory(at);
        const view = new DataView(memory.buffer);
        setGlobal(view, input('i32', 0), address);
        // Half of the compare-and-swaps must succeed.
        if (row.name.includes('cas') && at % 2 === 0) {
          const big = (memOp & MO_BE) !== 0;
          const low = [view.getUint8(address), view.getUint16(address, !big), view.getUint32(address, !big), 0][
            memOp & MO_SIZE
          ]!;
          setGlobal(
            view,
            input(row.ins[1]!, 1),
            row.ins[1] === 'i64' ? view.getBigInt64(address, !big) : low | 0x5500_0000,
          );
          if ((memOp & MO_SIZE) === MO_32 && row.ins[1] === 'i32') setGlobal(view, input('i32', 1), low);
        }
        blocks.forEach((block, n) => {
          // At 0x2000 plus the displacement all of them stay inside memory, aligned as before.
          const expected = runInterpreter(block, memory);
          runner.bytes.set(memory);
          const exit = runner.call(BLOCK_SLOT + n);
          const found = differences(expected.memory, runner.bytes.slice(), GLOBALS);
          if (exit !== expected.exit || found.length > 0) {
            throw new Error(
              `${memOpName(memOp)} at ${address} + ${displacements[n]}: ${expected.exit}, ${exit}; ${found}`,
            );
          }
        });
      }
    }
  },
  TEST_LIMIT,
);

test('big-endian and sign-extending loads give the numbers the bytes stand for', () => {
  const cases: [OpName, number, number | bigint][] = [
    ['guest_ld_i32', MO_16, 0xf281],
    ['guest_ld_i32', MO_16 | MO_SIGN, -0xd7f],
    ['guest_ld_i32', MO_16 | MO_BE, 0x81f2],
    ['guest_ld_i32', MO_16 | MO_BE | MO_SIGN, -0x7e0e],
    ['guest_ld_i32', MO_32 | MO_BE, 0x81f20304 | 0],
    ['guest_ld_i32', MO_8 | MO_SIGN | MO_BE, -0x7f],
    ['guest_ld_i64', MO_64 | MO_BE, BigInt.asIntN(64, 0x81f2030405060708n)],
    ['guest_ld_i64', MO_32 | MO_BE, 0x81f20304n],
    ['guest_ld_i64', MO_32 | MO_BE | MO_SIGN, BigInt.asIntN(32, 0x81f20304n)],
    ['guest_ld_i64', MO_64, 0x080706050403f281n],
  ];
  for (const [name, memOp, value] of cases) {
    const row = OPS[name] as OpRow<OpName>;
    const memory = freshMemory(1);
    memory.set([0x81, 0xf2, 3, 4, 5, 6, 7, 8], 0x2003);
    setGlobal(new DataView(memory.buffer), input('i32', 0), 0x2003);
    const outcome = runner.run(accessBlock(row, memOp, 0), memory);
    expect(getGlobal(new DataView(outcome.memory.buffer), output(row.out!))).toBe(value);
  }
});

test('an access that asks for alignment traps before it does anything', () => {
  for (const name of ['guest_ld_i32', 'guest_st_i32', 'guest_st_i64', 'guest_ld_v128'] as const) {
    const row = OPS[name] as OpRow<OpName>;
    const size = name.endsWith('v128') ? 4 : name.endsWith('i64') ? MO_64 : MO_32;
    for (const misaligned of [1, 2, 4, 8]) {
      const memory = freshMemory(1);
      setGlobal(new DataView(memory.buffer), input('i32', 0), 0x2000 + misaligned);
      const outcome = runner.run(accessBlock(row, size | MO_ALIGN, 0), memory);
      const bad = misaligned < 1 << size;
      expect(outcome.exit).toBe(bad ? 'fault' : Exit.LOOKUP);
      if (bad) expect(differences(memory, outcome.memory)).toEqual([]);
    }
  }
});

test('compare-and-swap of a narrow field ignores the high bits of what is expected', () => {
  const row = OPS.atomic_cas_i32 as OpRow<OpName>;
  const memory = freshMemory(1);
  const view = new DataView(memory.buffer);
  view.setUint8(0x2001, 0x77);
  setGlobal(view, input('i32', 0), 0x2001);
  setGlobal(view, input('i32', 1), 0x12345677);
  setGlobal(view, input('i32', 2), 0x99);
  const outcome = runner.run(accessBlock(row, MO_8, 0), memory);
  expect(outcome.memory[0x2001]).toBe(0x99);
  expect(getGlobal(new DataView(outcome.memory.buffer), output('i32'))).toBe(0x77);
});

test('an address that wraps around at 4 GiB traps instead of going elsewhere', () => {
  const row = OPS.guest_ld_i32 as OpRow<OpName>;
  const memory = freshMemory(1);
  setGlobal(new DataView(memory.buffer), input('i32', 0), -4);
  expect(runner.run(accessBlock(row, MO_32, 8), memory).exit).toBe('fault');
  // A negative displacement is a sum like any other.
  setGlobal(new DataView(memory.buffer), input('i32', 0), 4);
  expect(runner.run(accessBlock(row, MO_32, -8), memory).exit).toBe('fault');
});
