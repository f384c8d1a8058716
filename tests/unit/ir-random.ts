// Random blocks of IR for property tests: all ops, structured and irreducible control flow, loops bounded by counters.
import { Block, Op } from '../../tcg/ir/block.ts';
import type { HelperRow } from '../../tcg/ir/helper-table.ts';
import { type ImmKind, OP_LIST, OPS, type OpName, type OpRow } from '../../tcg/ir/ops.ts';
import { Cond, MO_ALIGN, MO_SIZE, type Type } from '../../tcg/ir/types.ts';
import {
  Const,
  const32,
  const64,
  Global,
  type Label,
  type Temp,
  type Value,
  type Variable,
} from '../../tcg/ir/value.ts';
import { condCount, lanesOf, memOpFits } from '../../tcg/ir/verify.ts';

/** CPU state of the imaginary guest: PC and poll word, then the globals, then scratch fields for `env_*` ops. */
export const STATE_PC = 0;
export const STATE_POLL = 4;
const FIRST_GLOBAL = 32;
export const STATE_SIZE = 1024;
/** Where fields outside the globals begin; all of them end before STATE_SIZE. */
export const FIELDS = 768;

const SIZES: Record<Type, number> = { i32: 4, i64: 8, f32: 4, f64: 8, v128: 16 };

/** Globals of the given types, named by type and number: a0, b1 … for i32, i64, f32, f64, v128. */
export function globalsOf(types: readonly Type[]): Global[] {
  let offset = FIRST_GLOBAL;
  return types.map((type, id) => {
    const size = SIZES[type];
    offset = Math.ceil(offset / size) * size;
    const global = new Global(type, id, `${'abcde'['i32 i64 f32 f64 v128'.split(' ').indexOf(type)]}${id}`, offset);
    offset += size;
    return global;
  });
}

/** A guest whose globals fit one word of bits. */
export const FEW_GLOBALS = globalsOf([
  'i32',
  'i32',
  'i32',
  'i32',
  'i32',
  'i64',
  'f32',
  'f64',
  'v128',
  'i32',
  'v128',
  'i64',
]);
/** A guest with more globals than two words of bits hold. */
export const MANY_GLOBALS = globalsOf(
  Array.from({ length: 70 }, (_, i) => (['i32', 'i32', 'i32', 'i64', 'f64', 'i32', 'v128', 'f32'] as const)[i % 8]!),
);

/** Helpers of every kind of effect. `implement` in the tests gives them bodies. */
export const HELPERS: readonly HelperRow[] = [
  { name: 'pure_mix', args: ['i32', 'i32'], result: 'i32' },
  { name: 'pure_wide', args: ['i64'], result: 'i64' },
  { name: 'pure_float', args: ['f64', 'f32'], result: 'f64' },
  { name: 'read_state', args: [], result: 'i32', readsGlobals: true },
  { name: 'change_state', args: ['i32'], result: null, writesGlobals: true },
  { name: 'swap_state', args: ['i32'], result: 'i32', readsGlobals: true, writesGlobals: true },
  { name: 'count', args: ['i32'], result: 'i32', sideEffects: true },
  { name: 'note', args: ['i32'], result: null, sideEffects: true },
  { name: 'mark', args: ['i32'], result: 'i32', accumulates: true },
];

/** Numbers that a generator draws from; after the last, zeros. Shrinking the list shrinks the block. */
export class Choices {
  private next = 0;
  constructor(private readonly numbers: readonly number[]) {}

  get exhausted(): boolean {
    return this.next >= this.numbers.length;
  }
  /** A number in [0, count). */
  pick(count: number): number {
    return (this.numbers[this.next++] ?? 0) % count;
  }
  of<T>(list: readonly T[]): T {
    return list[this.pick(list.length)]!;
  }
}

export const CORNERS32 = [0, 1, -1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 33, 64, 127, 128, 255, 256, 0x7fff, 0x8000, 0xffff];
CORNERS32.push(0x10000, 0x7fffffff, -0x80000000, -2, -128, -32768, 0x12345678, -0x55555556);
export const CORNERS64 = [...CORNERS32.map(BigInt), 1n << 32n, (1n << 63n) - 1n, -(1n << 63n), 0x123456789abcdef0n];
export const CORNERS_FLOAT = [0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, 3e9, -3e9, 2 ** 31, -(2 ** 31), 2 ** 63, -(2 ** 63)];
CORNERS_FLOAT.push(2 ** 53, 2 ** 64, 1e-45, 1e-310, 3.4028234663852886e38, Number.MAX_VALUE);
CORNERS_FLOAT.push(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0.1, 1e10);

/** Fills `bytes` with test data that depends on `seed` only (xorshift), with many bytes of all zeros and all ones. */
export function fillBytes(bytes: Uint8Array, seed: number): void {
  let x = seed | 1;
  for (let i = 0; i < bytes.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = x & 0x300 ? x : x & 0x400 ? 0 : 0xff;
  }
}

/** Ops the generator emits as they are, with any operands. */
const PLAIN = OP_LIST.filter(
  ({ name, flags }) =>
    !flags.ends &&
    !/^(div|rem|guest|atomic|env|brcond|call|cold|leave|poll|checkpoint|label|insn_start|shuffle)/.test(name),
);
const ACCESSES = OP_LIST.filter(({ name }) => /^(guest|atomic)/.test(name));
const FIELD_ACCESSES = OP_LIST.filter(({ name }) => /^env_(ld|st)/.test(name));
const COLD = HELPERS.filter(({ name, result }) => result !== null && /^pure|^mark/.test(name));
const DIVISIONS = OP_LIST.filter(({ name }) => /^(div|rem).*_i/.test(name));

/** How blocks are made. */
export interface RandomOptions {
  readonly globals: readonly Global[];
  /** Ops that may fault are put behind an `insn_start` of their own, so that precision can be checked. */
  readonly maxDepth?: number;
}

/** Guest memory the blocks touch: [WINDOW, WINDOW + WINDOW_SIZE + 16). */
export const WINDOW = 0x2000;
export const WINDOW_SIZE = 0x2000;

/** A well-formed block that always ends; `numbers` decide everything about it. */
export function randomBlock(numbers: readonly number[], options: RandomOptions): Block {
  const generator = new Generator(new Choices(numbers), options);
  return generator.run();
}

class Generator {
  private readonly block: Block;
  private pc = 0x1000;
  /** Temporaries certain to be written here. */
  private temps: Temp[] = [];
  /** Labels control may leave to; only temporaries written before the construct began are used behind them. */
  private readonly ways: Label[] = [];

  constructor(
    private readonly choices: Choices,
    private readonly options: RandomOptions,
  ) {
    this.block = new Block(this.pc, options.globals);
  }

  run(): Block {
    this.op('insn_start', null, [], this.pc, 0);
    while (!this.choices.exhausted) this.statement(this.options.maxDepth ?? 3);
    this.leave();
    return this.block;
  }

  private op(
    name: OpName,
    out: Variable | null,
    ins: readonly Value[],
    imm = 0,
    imm2 = 0,
    label: Label | null = null,
  ): void {
    const [a = null, b = null, c = null] = ins;
    if (label !== null && name !== 'label') label.uses++;
    this.block.ops.push(new Op(OPS[name], out, a, b, c, imm, imm2, label, null, null));
  }

  private constant(type: Type): Const {
    const { choices } = this;
    switch (type) {
      case 'i32':
        return const32(choices.of(CORNERS32));
      case 'i64':
        return const64(choices.of(CORNERS64));
      case 'f32':
        return new Const('f32', Math.fround(choices.of(CORNERS_FLOAT)));
      case 'f64':
        return new Const('f64', choices.of(CORNERS_FLOAT));
      case 'v128': {
        const start = choices.pick(256);
        const step = choices.pick(256);
        return new Const(
          'v128',
          Uint8Array.from({ length: 16 }, (_, i) => start + i * step),
        );
      }
    }
  }

  private value(type: Type): Value {
    const { choices } = this;
    const temps = this.temps.filter((temp) => temp.type === type);
    const kind = choices.pick(4);
    if (kind === 0) return this.constant(type);
    if (kind <= 2 && temps.length > 0) return temps[temps.length - 1 - choices.pick(Math.min(temps.length, 6))]!;
    return choices.of(this.options.globals.filter((global) => global.type === type));
  }

  private target(type: Type): Variable {
    const { choices } = this;
    const kind = choices.pick(4);
    const temps = this.temps.filter((temp) => temp.type === type && !this.counters.has(temp));
    if (kind === 0) return choices.of(this.options.globals.filter((global) => global.type === type));
    if (kind === 1 && temps.length > 0) return choices.of(temps);
    return this.block.temp(type);
  }

  /** A label was placed since the last `insn_start`: an access here would belong to several instructions. */
  private joined = false;
  /** Variables that bound loops: nothing else writes them. */
  private readonly counters = new Set<Variable>();

  private defined(out: Variable | null): void {
    if (out?.kind === 'temp' && !this.temps.includes(out)) this.temps.push(out);
  }

  private imm(row: OpRow<OpName>, kind: ImmKind | null, imm: number): number {
    const { choices } = this;
    switch (kind) {
      case 'cond':
        return choices.pick(condCount(row, imm));
      case 'lane':
        return choices.of(lanesOf(row));
      case 'index':
        return choices.pick(128 / (row.imm === 'lane' ? imm : /32$/.test(row.name) ? 32 : 64));
      case 'half':
        return choices.pick(2);
      case 'fpround':
        return choices.pick(4);
      case 'bits':
        return row.imm2 === kind && imm >= 0 ? choices.pick(32 - imm) + 1 : choices.pick(32);
      default:
        return 0;
    }
  }

  private statement(depth: number): void {
    const { choices } = this;
    const kind = choices.pick(24);
    if (kind < 9) this.plain(choices.of(PLAIN));
    else if (kind < 11) this.move();
    else if (kind < 14) this.access();
    else if (kind === 14) this.field();
    else if (kind === 15) this.division();
    else if (kind === 16) choices.pick(3) === 0 ? this.cold() : this.call();
    else if (kind === 17) this.insn();
    else if (kind === 18) this.shuffle();
    else if (depth > 0 && !choices.exhausted) this.construct(depth - 1);
    else this.plain(choices.of(PLAIN));
  }

  private insn(): void {
    this.pc += 2;
    this.joined = false;
    this.op('insn_start', null, [], this.pc, 0);
  }

  private plain(row: OpRow<OpName>): void {
    const imm = this.imm(row, row.imm, -1);
    const imm2 = this.imm(row, row.imm2, imm);
    const ins = row.ins.map((type) => this.value(type));
    const out = row.out === null ? null : this.target(row.out);
    this.op(row.name, out, ins, imm, imm2);
    this.defined(out);
  }

  private move(): void {
    const type = this.choices.of<Type>(['i32', 'i32', 'i64', 'f64', 'v128', 'f32']);
    const value = this.value(type);
    const out = this.target(type);
    this.op(`mov_${type}`, out, [value]);
    this.defined(out);
  }

  private shuffle(): void {
    const ins = [this.value('v128'), this.value('v128')];
    const bytes = Uint8Array.from({ length: 16 }, () => this.choices.pick(32));
    const out = this.target('v128');
    this.op('shuffle_v128', out, [...ins, new Const('v128', bytes)]);
    this.defined(out);
  }

  /** A divisor that is neither 0 nor -1. */
  private division(): void {
    const row = this.choices.of(DIVISIONS);
    const type = row.ins[0]!;
    let divisor: Value;
    if (this.choices.pick(2) === 0) divisor = type === 'i32' ? const32(1 << this.choices.pick(31)) : const64(3n);
    else {
      const or = this.block.temp(type);
      const and = this.block.temp(type);
      this.op(`or_${type}` as OpName, or, [this.value(type), type === 'i32' ? const32(1) : const64(1n)]);
      this.op(`and_${type}` as OpName, and, [or, type === 'i32' ? const32(0x7fffffff) : const64((1n << 63n) - 1n)]);
      divisor = and;
    }
    const value = this.value(type);
    const out = this.target(type);
    this.op(row.name, out, [value, divisor]);
    this.defined(out);
  }

  /** An access inside the window, mostly right behind an `insn_start`. */
  private access(): void {
    const { choices } = this;
    const row = choices.of(ACCESSES);
    const type = (row.out ?? row.ins[row.ins.length - 1]) as Type;
    const memOps = Array.from({ length: 64 }, (_, i) => i).filter((memOp) => memOpFits(row, type, memOp));
    const memOp = choices.of(memOps);
    if (choices.pick(3) !== 0 || this.joined) this.insn();
    const masked = this.block.temp('i32');
    const address = this.block.temp('i32');
    const needed = row.name.startsWith('atomic') || (memOp & MO_ALIGN && choices.pick(10) !== 0);
    const align = needed ? (1 << (memOp & MO_SIZE)) - 1 : 0;
    this.op('and_i32', masked, [this.value('i32'), const32((WINDOW_SIZE - 1) & ~align)]);
    this.op('add_i32', address, [masked, const32(WINDOW)]);
    const ins = row.ins.map((insType, i) => (i === 0 ? address : this.value(insType)));
    const out = row.out === null ? null : this.target(row.out);
    this.op(row.name, out, ins, memOp);
    this.defined(out);
  }

  private field(): void {
    const { choices } = this;
    if (choices.pick(6) === 0) {
      const out = this.target('i32');
      this.op('env_addr', out, [], FIELDS);
      this.defined(out);
      return;
    }
    const row = choices.of(FIELD_ACCESSES);
    const type = (row.out ?? row.ins[0]) as Type;
    const memOps = Array.from({ length: 16 }, (_, i) => i).filter((memOp) => memOpFits(row, type, memOp));
    const memOp = choices.of(memOps);
    const ins = row.ins.map((insType) => this.value(insType));
    const out = row.out === null ? null : this.target(row.out);
    this.op(row.name, out, ins, FIELDS + 16 * choices.pick(4), memOp);
    this.defined(out);
  }

  private call(): void {
    const helper = this.choices.of(HELPERS);
    const args = helper.args.map((type) => this.value(type));
    const out = helper.result && this.choices.pick(4) !== 0 ? this.target(helper.result) : null;
    this.block.ops.push(new Op(OPS.call, out, null, null, null, 0, 0, null, helper, args));
    this.defined(out);
  }

  /** A helper without effects, called under a condition. */
  private cold(): void {
    if (this.choices.pick(3) === 0) {
      this.op('leave_if', null, [this.alternatives(), this.value('i32')], this.pc);
      return;
    }
    const helper = this.choices.of(COLD);
    const type = helper.result!;
    const args = helper.args.map((arg) => this.value(arg));
    const [a, b, c] = [this.value(type), this.alternatives(), this.value('i32')];
    const out = this.target(type);
    this.block.ops.push(new Op(OPS[`cold_${type}`], out, a, b, c, 0, 0, null, helper, args));
    this.defined(out);
  }

  /** A number that may be the sum of conditions which nothing else needs. */
  private alternatives(): Value {
    let sum = this.value('i32');
    for (let n = this.choices.pick(3); n > 0; n--) {
      const part = this.block.temp('i32');
      const type = this.choices.pick(2) === 0 ? 'f64' : 'i32';
      this.op(`setcond_${type}`, part, [this.value(type), this.value(type)], this.choices.pick(6));
      const next = this.block.temp('i32');
      this.op('or_i32', next, [sum, part]);
      sum = next;
    }
    return sum;
  }

  private condition(label: Label): void {
    if (this.choices.pick(4) === 0) {
      this.op('brcond_i64', null, [this.value('i64'), this.value('i64')], this.choices.pick(12), 0, label);
    } else this.op('brcond_i32', null, [this.value('i32'), this.value('i32')], this.choices.pick(12), 0, label);
  }

  /** Some statements whose temporaries are not used afterwards. */
  private body(depth: number): void {
    const before = this.temps.slice();
    for (let n = this.choices.pick(5); n > 0; n--) this.statement(depth);
    if (this.ways.length > 0 && this.choices.pick(5) === 0) this.condition(this.choices.of(this.ways));
    this.temps = before;
  }

  private leave(): void {
    const { choices } = this;
    this.pc += 2;
    const kind = choices.pick(3);
    if (kind === 0) this.op('goto_tb', null, [], this.pc, choices.pick(3));
    else if (kind === 1) this.op('goto_ptr', null, [this.value('i32')], choices.pick(3));
    else this.op('exit_tb', null, [this.value('i32')], 2);
  }

  private place(label: Label): void {
    this.joined = true;
    this.op('label', null, [], 0, 0, label);
  }

  private construct(depth: number): void {
    const { choices, block } = this;
    switch (choices.pick(7)) {
      case 0: {
        // if without else
        const end = block.label();
        this.condition(end);
        this.ways.push(end);
        this.body(depth);
        this.ways.pop();
        this.place(end);
        break;
      }
      case 1: {
        // if with else
        const otherwise = block.label();
        const end = block.label();
        this.condition(otherwise);
        this.ways.push(end);
        this.body(depth);
        this.op('br', null, [], 0, 0, end);
        this.place(otherwise);
        this.body(depth);
        this.ways.pop();
        this.place(end);
        break;
      }
      case 2:
      case 3: {
        this.loop(depth);
        break;
      }
      case 4: {
        // a way out
        const end = block.label();
        this.condition(end);
        this.body(depth);
        this.leave();
        this.place(end);
        break;
      }
      case 5:
        this.pc += 2;
        if (choices.pick(2) === 0) this.op('poll', null, [], this.pc);
        else {
          const [a, out] = [this.value('i32'), this.target('i32')];
          this.op('checkpoint_i32', out, [a], this.pc, choices.pick(3));
          this.defined(out);
        }
        break;
      case 6: {
        // a branch around a branch, and one to the next op
        const over = block.label();
        const next = block.label();
        this.condition(over);
        this.op('br', null, [], 0, 0, next);
        this.place(over);
        this.place(next);
        break;
      }
    }
  }

  /** A loop of at most four rounds, sometimes entered in the middle. */
  private loop(depth: number): void {
    const { choices, block } = this;
    const counter = block.temp('i32');
    const head = block.label();
    const middle = block.label();
    const end = block.label();
    this.counters.add(counter);
    this.op('mov_i32', counter, [const32(1 + choices.pick(4))]);
    if (choices.pick(3) === 0) this.condition(middle);
    this.place(head);
    if (choices.pick(2) === 0) this.insn();
    this.body(depth);
    this.place(middle);
    this.ways.push(end);
    this.body(depth);
    this.ways.pop();
    this.op('sub_i32', counter, [counter, const32(1)]);
    this.op('brcond_i32', null, [counter, const32(0)], Cond.NE, 0, head);
    this.place(end);
    this.temps.push(counter);
  }
}
