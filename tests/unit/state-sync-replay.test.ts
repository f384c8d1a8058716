// Faults anywhere in random guest programs: replaying from the last precise point must give the exact state, in every mode.
import { expect, test } from 'bun:test';
import { AccessError, type InterpreterPort, interpretBlock, interpretUnsynced } from '../../tcg/interp/interp.ts';
import { Block } from '../../tcg/ir/block.ts';
import { Builder } from '../../tcg/ir/builder.ts';
import type { HelperRow } from '../../tcg/ir/helper-table.ts';
import { OPS } from '../../tcg/ir/ops.ts';
import { printBlock } from '../../tcg/ir/print.ts';
import { Cond, type Exit } from '../../tcg/ir/types.ts';
import { Global, type Label } from '../../tcg/ir/value.ts';
import { assertValid } from '../../tcg/ir/verify.ts';
import { optimize } from '../../tcg/opt/pipeline.ts';
import { type SyncMode, syncState } from '../../tcg/opt/state-sync.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import fc, { numRuns } from '../setup/properties.ts';
import { ENV, freshMemory, LAYOUT, MEMORY_SIZE, WasmRunner } from './wasm-run.ts';

const RUNS = numRuns(3000);

/** A guest with eight registers; the last is its stack pointer. */
const REGS = Array.from({ length: 8 }, (_, id) => new Global('i32', id, `r${id}`, 32 + 4 * id));
const SP = 7;
// The registers that instructions read show in their ops.
for (const global of REGS) global.tracked = 'ops';
/** Fields of CPU state outside the registers: one `env` ops write, one the helper with a side effect counts in. */
const FIELD = 128;
const COUNT = 132;
const FIRST_PC = 0x1000;
const INSN_SIZE = 4;
/** Programs that run longer are left out, such as those that count up what a loop counts down. */
const MAX_STEPS = 1000;

/** Thrown by helpers that raise. */
class Raised extends Error {}

const PURE: HelperRow = { name: 'pure', args: ['i32'], result: 'i32' };
const READ: HelperRow = { name: 'read', args: [], result: 'i32', readsGlobals: true };
const WRITE: HelperRow = { name: 'write', args: ['i32'], result: null, readsGlobals: true, writesGlobals: true };
const RAISE: HelperRow = { name: 'raise', args: ['i32'], result: 'i32', raises: true };
const SIDE: HelperRow = { name: 'side', args: ['i32'], result: 'i32', sideEffects: true };
const SIDE_RAISE: HelperRow = { name: 'sideRaise', args: ['i32'], result: null, sideEffects: true, raises: true };
const READ_RAISE: HelperRow = { name: 'readRaise', args: [], result: 'i32', readsGlobals: true, raises: true };

function bodies(view: DataView): Record<string, CallableFunction> {
  const get = (id: number) => view.getInt32(ENV + REGS[id]!.offset, true);
  const count = () => view.setInt32(ENV + COUNT, view.getInt32(ENV + COUNT, true) + 1, true);
  return {
    pure: (_env: number, a: number) => Math.imul(a, 5) + 1,
    read: () => get(0) + get(3),
    write: (_env: number, a: number) => view.setInt32(ENV + REGS[2]!.offset, get(1) + a, true),
    raise: (_env: number, a: number) => {
      if ((a & 7) === 7) throw new Raised();
      return a + 1;
    },
    side: (_env: number, a: number) => {
      count();
      return a ^ 0x55;
    },
    sideRaise: (_env: number, a: number) => {
      if ((a & 7) === 3) throw new Raised();
      count();
    },
    readRaise: () => {
      if ((get(4) & 3) === 3) throw new Raised();
      return get(4);
    },
  };
}

const KINDS = [
  'add', 'inc', 'const', 'load', 'load', 'store', 'store', 'push', 'push', 'pop', 'readModifyWrite', 'copy', 'storeTwice',
  'exchange', 'field', 'pure', 'read', 'write', 'raise', 'side', 'sideRaise', 'readRaise', 'maybeLoad', 'fill', 'skip', 'back',
  'pushInPlace', 'pushInPlace', 'addThenRaise',
] as const; // biome-ignore format: one list
type Kind = (typeof KINDS)[number];

interface Insn {
  readonly kind: Kind;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly n: number;
}

// ---- the guest, directly

interface Machine {
  readonly view: DataView;
  pc: number;
  readonly regs: Int32Array;
}

class Fault extends Error {}

/** CPU state lies in the memory of these tests; a guest never reaches its own, so programs that do are left out. */
class Unfit extends Error {}
const ENV_END = ENV + LAYOUT.jumpCache;

/** Runs one instruction; throws Fault or Raised with the registers as they were. */
function step(m: Machine, insn: Insn, index: number): void {
  const { view, regs } = m;
  const { a, b, c, n } = insn;
  const check = (address: number): void => {
    if (address > MEMORY_SIZE - 4) throw new Fault();
    if (address > ENV - 4 && address < ENV_END) throw new Unfit();
  };
  const load = (address: number): number => {
    check(address >>> 0);
    return view.getInt32(address >>> 0, true);
  };
  const store = (address: number, value: number): void => {
    check(address >>> 0);
    view.setInt32(address >>> 0, value, true);
  };
  const count = () => view.setInt32(ENV + COUNT, view.getInt32(ENV + COUNT, true) + 1, true);
  let next = index + 1;
  switch (insn.kind) {
    case 'add':
      regs[a] = regs[b]! + regs[c]!;
      break;
    case 'inc':
      regs[a] = regs[a]! + 1;
      break;
    case 'const':
      regs[a] = n;
      break;
    case 'load':
      regs[a] = load(regs[b]! + n);
      break;
    case 'store':
      store(regs[b]! + n, regs[a]!);
      break;
    case 'push':
    case 'pushInPlace':
      store(regs[SP]! - 4, regs[a]!);
      regs[SP] = regs[SP]! - 4;
      break;
    case 'addThenRaise':
      if ((regs[c]! & 7) === 7) throw new Raised();
      regs[a] = regs[b]! + n;
      break;
    case 'pop': {
      const value = load(regs[SP]!);
      regs[SP] = regs[SP]! + 4;
      regs[a] = value;
      break;
    }
    case 'readModifyWrite':
      store(regs[b]! + n, load(regs[b]! + n) + regs[a]!);
      break;
    case 'copy':
      store(regs[c]!, load(regs[b]!));
      break;
    case 'storeTwice':
      store(regs[b]!, regs[a]!);
      store(regs[c]!, regs[a]! + 1);
      break;
    case 'exchange': {
      const address = regs[b]! & ~3;
      const old = load(address);
      store(address, regs[a]!);
      regs[a] = old;
      break;
    }
    case 'field':
      view.setInt32(ENV + FIELD, view.getInt32(ENV + FIELD, true) + regs[a]!, true);
      break;
    case 'pure':
      regs[a] = Math.imul(regs[b]!, 5) + 1;
      break;
    case 'read':
      regs[a] = regs[0]! + regs[3]!;
      break;
    case 'write':
      regs[2] = regs[1]! + regs[a]!;
      break;
    case 'raise':
      if ((regs[b]! & 7) === 7) throw new Raised();
      regs[a] = regs[b]! + 1;
      break;
    case 'side':
      count();
      regs[a] = regs[b]! ^ 0x55;
      break;
    case 'sideRaise':
      if ((regs[b]! & 7) === 3) throw new Raised();
      count();
      break;
    case 'readRaise':
      if ((regs[4]! & 3) === 3) throw new Raised();
      regs[a] = regs[4]!;
      break;
    case 'maybeLoad':
      if (regs[c]! & 1) regs[a] = load(regs[b]!);
      else regs[a] = n;
      break;
    case 'fill':
      // A repeated instruction: registers and PC show how far it came.
      while (regs[c]! & 3) {
        store(regs[b]!, regs[a]!);
        regs[b] = regs[b]! + 4;
        regs[c] = regs[c]! - 1;
      }
      break;
    case 'skip':
      if (regs[b]! & 1) next = index + 1 + n;
      break;
    case 'back':
      // A loop of at most a few rounds; its counter is the low bits of a register.
      if (regs[6]! & 7) {
        regs[6] = regs[6]! - 1;
        next = Math.max(0, index - n);
      }
      break;
  }
  m.pc = FIRST_PC + INSN_SIZE * next;
}

// ---- the guest as IR

/** One block of the instructions from `first` up to, without, `last`; jumps are labels where they stay inside. */
function translate(program: readonly Insn[], first: number, polls: boolean, last = program.length): Builder {
  const block = new Block(FIRST_PC + INSN_SIZE * first, REGS);
  const b = new Builder(block);
  const end = program.length;
  const rounds = block.temp('i32');
  if (polls) b.set(rounds, 0);
  const labels: (Label | null)[] = [];
  const labelFor = (index: number): Label => (labels[index] ??= b.label());
  const outside: { label: Label; index: number }[] = [];
  /** A label for a jump to `index`. */
  const target = (index: number): Label => {
    if (index >= first && index < last) return labelFor(index);
    const label = b.label();
    outside.push({ label, index });
    return label;
  };
  for (let index = first; index < last; index++) {
    const insn = program[index]!;
    if (insn.kind === 'skip') target(Math.min(end, index + 1 + insn.n));
    const to = Math.max(0, index - insn.n);
    if (insn.kind === 'back' && to >= first && to < last) labelFor(to);
  }
  outside.length = 0;
  for (let index = first; index < last; index++) {
    const { kind, a, b: rb, c: rc, n } = program[index]!;
    const pc = FIRST_PC + INSN_SIZE * index;
    const A = REGS[a]!;
    const B = REGS[rb]!;
    const C = REGS[rc]!;
    const sp = REGS[SP]!;
    const placed = labels[index];
    if (placed) b.place(placed);
    // As regions do; loops of few rounds see some of their checkpoints and not others.
    if (placed && polls) b.push(OPS.checkpoint_i32, rounds, rounds, null, null, pc, 2);
    b.insnStart(pc);
    switch (kind) {
      case 'add':
        b.set(A, b.add(B, C));
        break;
      case 'inc':
        b.set(A, b.add(A, 1));
        break;
      case 'const':
        b.set(A, n);
        break;
      case 'load':
        b.set(A, b.load(b.add(B, n), 2));
        break;
      case 'store':
        b.store(b.add(B, n), A, 2);
        break;
      case 'push': {
        const address = b.add(sp, -4);
        b.store(address, A, 2);
        b.set(sp, address);
        break;
      }
      case 'pushInPlace': {
        // As guests do whose translators rely on the pass: a global is written before the access that may fault.
        const value = b.copy(A);
        b.set(sp, b.add(sp, -4));
        b.store(sp, value, 2);
        break;
      }
      case 'addThenRaise': {
        const value = b.copy(C);
        b.set(A, b.add(B, n));
        b.call(RAISE, value);
        break;
      }
      case 'pop': {
        const value = b.load(sp, 2);
        b.set(sp, b.add(sp, 4));
        b.set(A, value);
        break;
      }
      case 'readModifyWrite': {
        const address = b.add(B, n);
        b.store(address, b.add(b.load(address, 2), A), 2);
        break;
      }
      case 'copy':
        b.store(C, b.load(B, 2), 2);
        break;
      case 'storeTwice':
        b.store(B, A, 2);
        b.store(C, b.add(A, 1), 2);
        break;
      case 'exchange':
        b.set(A, b.emit('atomic_xchg_i32', b.and(B, ~3), A, null, 2));
        break;
      case 'field':
        b.envStore(FIELD, b.add(b.envLoad(FIELD), A));
        break;
      case 'pure':
        b.set(A, b.call(PURE, B));
        break;
      case 'read':
        b.set(A, b.call(READ));
        break;
      case 'write':
        b.call(WRITE, A);
        break;
      case 'raise':
        b.set(A, b.call(RAISE, B));
        break;
      case 'side':
        b.set(A, b.call(SIDE, B));
        break;
      case 'sideRaise':
        b.call(SIDE_RAISE, B);
        break;
      case 'readRaise':
        b.set(A, b.call(READ_RAISE));
        break;
      case 'maybeLoad': {
        const otherwise = b.label();
        const done = b.label();
        b.brcond(Cond.TSTEQ, C, 1, otherwise);
        b.set(A, b.load(B, 2));
        b.br(done);
        b.place(otherwise);
        b.set(A, n);
        b.place(done);
        break;
      }
      case 'fill': {
        const head = b.label();
        const done = b.label();
        b.place(head);
        b.insnStart(pc);
        b.brcond(Cond.TSTEQ, C, 3, done);
        b.store(B, A, 2);
        b.set(B, b.add(B, 4));
        b.set(C, b.add(C, -1));
        if (polls) b.poll(pc);
        b.br(head);
        b.place(done);
        break;
      }
      case 'skip':
        b.brcond(Cond.TSTNE, B, 1, target(Math.min(end, index + 1 + n)));
        break;
      case 'back': {
        const done = b.label();
        b.brcond(Cond.TSTEQ, REGS[6]!, 7, done);
        b.set(REGS[6]!, b.add(REGS[6]!, -1));
        const to = Math.max(0, index - n);
        if (polls) b.poll(FIRST_PC + INSN_SIZE * to);
        if (to >= first && to < last) b.br(labelFor(to));
        else b.gotoTb(FIRST_PC + INSN_SIZE * to);
        b.place(done);
        break;
      }
    }
  }
  b.gotoTb(FIRST_PC + INSN_SIZE * last);
  for (const { label, index } of outside) {
    b.place(label);
    b.gotoTb(FIRST_PC + INSN_SIZE * index);
  }
  return b;
}

// ---- running

const runner = new WasmRunner(bodies);
const port: InterpreterPort = {
  view: runner.view,
  layout: LAYOUT,
  canRead: (address, length) => address + length <= MEMORY_SIZE,
  prepareWrite: (address, length) => address + length <= MEMORY_SIZE,
  helper: (row) => bodies(runner.view)[row.name]!,
};

/** 'cold': as blocks are run that are not worth the pass yet. */
type Engine = 'wasm' | 'interp' | 'cold';

/** Runs a program from CPU state until it ends or raises; returns how. */
function runGuest(program: readonly Insn[], mode: SyncMode, engine: Engine, optimized: boolean, polls: boolean) {
  const { view } = runner;
  const endPc = FIRST_PC + INSN_SIZE * program.length;
  for (;;) {
    const pc = view.getUint32(ENV + LAYOUT.pc, true);
    if (pc === endPc) return 'end';
    const { block, writtenEarly } = translate(program, (pc - FIRST_PC) / INSN_SIZE, polls);
    const cold = engine === 'cold' && writtenEarly !== -1;
    if (!cold) {
      if (optimized) optimize(block, { stateSync: mode, verify: assertValid });
      else syncState(block, mode);
    }
    try {
      if (cold) {
        interpretUnsynced(block, writtenEarly, port, ENV);
      } else if (engine !== 'wasm') {
        interpretBlock(block, port, ENV);
      } else {
        runner.load(runner.compile([block], { chain: false }));
        const call = runner.table.get(2) as unknown as (env: number) => Exit;
        call(ENV);
      }
    } catch (error) {
      if (error instanceof Raised || error instanceof WebAssembly.RuntimeError || error instanceof AccessError) {
        return replay(program);
      }
      throw new Error(`${error}\n${printBlock(block)}`);
    }
  }
}

/** From the last precise point on, one instruction after the other, precise at each. */
function replay(program: readonly Insn[]): string {
  const { view } = runner;
  for (let steps = 0; steps < MAX_STEPS; steps++) {
    const index = (view.getUint32(ENV + LAYOUT.pc, true) - FIRST_PC) / INSN_SIZE;
    // Generated code also traps where an address wraps around at 4 GiB, which is no fault.
    if (index >= program.length) return 'end';
    const { block: one } = translate(program, index, false, index + 1);
    syncState(one, 'every');
    try {
      interpretBlock(one, port, ENV);
    } catch (error) {
      if (error instanceof Raised) return 'raised';
      if (error instanceof AccessError) return 'fault';
      throw error;
    }
  }
  throw new Error('the replay does not end');
}

/** Null when the program takes too long or reaches CPU state. */
function runDirectly(program: readonly Insn[], memory: Uint8Array): { how: string; memory: Uint8Array } | null {
  const copy = memory.slice();
  const view = new DataView(copy.buffer);
  const m: Machine = { view, pc: FIRST_PC, regs: new Int32Array(8) };
  for (let id = 0; id < 8; id++) m.regs[id] = view.getInt32(ENV + REGS[id]!.offset, true);
  let how = 'end';
  try {
    for (let steps = 0; ; steps++) {
      if (steps > MAX_STEPS) return null;
      const index = (m.pc - FIRST_PC) / INSN_SIZE;
      if (index >= program.length) {
        m.pc = FIRST_PC + INSN_SIZE * program.length;
        break;
      }
      step(m, program[index]!, index);
    }
  } catch (error) {
    if (error instanceof Unfit) return null;
    how = error instanceof Raised ? 'raised' : 'fault';
  }
  for (let id = 0; id < 8; id++) view.setInt32(ENV + REGS[id]!.offset, m.regs[id]!, true);
  view.setUint32(ENV + LAYOUT.pc, m.pc, true);
  return { how, memory: copy };
}

const register = fc.nat({ max: 7 });
const insn: fc.Arbitrary<Insn> = fc.record({
  kind: fc.constantFrom(...KINDS),
  a: register,
  b: register,
  c: register,
  n: fc.nat({ max: 6 }),
});

/** Mostly addresses inside memory, some at its very end, some beyond. */
const pointer = fc.oneof(
  { weight: 8, arbitrary: fc.nat({ max: 0x400 }).map((n) => 0x2000 + n) },
  { weight: 3, arbitrary: fc.nat({ max: 16 }).map((n) => MEMORY_SIZE - n) },
  { weight: 1, arbitrary: fc.integer() },
);

test(
  'a fault at any place leaves the state of that instruction after the replay',
  () => {
    const ends: Record<string, number> = {};
    fc.assert(
      fc.property(
        fc.array(insn, { minLength: 1, maxLength: 24 }),
        fc.array(pointer, { minLength: 8, maxLength: 8 }),
        fc.constantFrom<SyncMode>('every', 'spans', 'idempotent'),
        fc.constantFrom<Engine>('wasm', 'wasm', 'interp', 'cold', 'cold'),
        fc.boolean(),
        fc.boolean(),
        (program, registers, mode, engine, optimized, polls) => {
          const memory = freshMemory(1);
          const view = new DataView(memory.buffer);
          for (let id = 0; id < 8; id++) view.setInt32(ENV + REGS[id]!.offset, registers[id]!, true);
          view.setUint32(ENV + LAYOUT.pc, FIRST_PC, true);
          // Loads find addresses, so that what was loaded twice or too late shows.
          for (let at = 0x2000; at < 0x2400; at += 4) view.setInt32(at, 0x2000 + (at & 0x3fc), true);
          const expected = runDirectly(program, memory);
          if (expected === null) return;
          runner.bytes.set(memory);
          const how = runGuest(program, mode, engine, optimized, polls);
          ends[how] = (ends[how] ?? 0) + 1;
          const actual = runner.bytes;
          if (how === expected.how && Buffer.compare(expected.memory, actual) === 0) return;
          const { block } = translate(program, 0, polls);
          if (optimized) optimize(block, { stateSync: mode });
          else syncState(block, mode);
          const differ: string[] = [];
          for (let at = 0; at < MEMORY_SIZE; at++) if (expected.memory[at] !== actual[at]) differ.push(at.toString(16));
          throw new Error(`${expected.how}, but ${how}; differs at ${differ.slice(0, 10)}\n${printBlock(block)}`);
        },
      ),
      { numRuns: RUNS, includeErrorInReport: true },
    );
    // All three must have been tried.
    for (const how of ['end', 'fault', 'raised']) expect(ends[how]).toBeGreaterThan(RUNS / 100);
  },
  TEST_LIMIT,
);
