// Runs blocks of IR in the interpreter and as WebAssembly on equal memories, for tests that compare the two.
import { AccessError, type InterpreterPort, interpretBlock } from '../../tcg/interp/interp.ts';
import { type Block, Op } from '../../tcg/ir/block.ts';
import type { HelperRow } from '../../tcg/ir/helper-table.ts';
import { OPS, type OpName } from '../../tcg/ir/ops.ts';
import { Cond, type Type } from '../../tcg/ir/types.ts';
import { Const, type Global, type Value, type Variable } from '../../tcg/ir/value.ts';
import { compileGroup, type Group, type GroupOptions } from '../../tcg/wasm/group.ts';

export const PAGES = 1;
const LIMITS = { initial: PAGES, maximum: PAGES };
export const MEMORY_SIZE = PAGES * 0x10000;
/** Where CPU state lies, and the run counter of blocks that have one. */
export const ENV = 0x8000;
export const COUNTER = 0xc000;
/** Result of the function that stands for all blocks not translated. */
export const STUB_SLOT = 1;
export const BLOCK_SLOT = 2;
export const LAYOUT = { pc: 0, poll: 4, jumpCache: 0x1000, jumpCacheBits: 4 };

/** What came of a run. */
export interface Outcome {
  /** An `Exit`, or that a trap or AccessError ended it. */
  readonly exit: number | 'fault';
  readonly memory: Uint8Array;
}

export type HelperBodies = (view: DataView) => Record<string, CallableFunction>;

/** One wasm memory and table, used again for each run. */
export class WasmRunner {
  readonly memory = new WebAssembly.Memory({ ...LIMITS, shared: true });
  readonly bytes = new Uint8Array(this.memory.buffer);
  readonly view = new DataView(this.memory.buffer);
  readonly table = new WebAssembly.Table({ initial: 16, element: 'anyfunc' });
  private readonly helpers: Record<string, CallableFunction>;

  constructor(bodies: HelperBodies = () => ({})) {
    this.helpers = bodies(this.view);
    // The stub returns LOOKUP: a block that only leaves.
    const stub = new Uint8Array([
      0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f, 3, 2, 1, 0, 7, 5, 1, 1, 0x73, 0, 0, 10, 6, 1, 4,
      0, 0x41, 0, 0x0b,
    ]);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(stub));
    this.table.set(STUB_SLOT, instance.exports['s'] as never);
  }

  compile(blocks: readonly Block[], options: Partial<GroupOptions> & { counter?: number } = {}): Group {
    const { counter, ...rest } = options;
    return compileGroup(
      blocks.map((block, i) => ({ block, slot: BLOCK_SLOT + i, ...(counter === undefined ? {} : { counter }) })),
      { layout: LAYOUT, chain: true, slotOf: () => STUB_SLOT, memory: LIMITS, ...rest },
    );
  }

  load(group: Group): void {
    const imports: Record<string, Record<string, unknown>> = { e: { m: this.memory, t: this.table } };
    for (const { module, name, helper } of group.imports) {
      if (helper) (imports[module] ??= {})[name] = this.helpers[name];
    }
    new WebAssembly.Instance(new WebAssembly.Module(group.bytes), imports as never);
  }

  /** Calls the function in a slot with CPU state at ENV. */
  call(slot = BLOCK_SLOT): number | 'fault' {
    try {
      return (this.table.get(slot) as unknown as (env: number) => number)(ENV);
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) return 'fault';
      throw error;
    }
  }

  /** Runs one block from the given memory contents. */
  run(block: Block, memory: Uint8Array, options: Partial<GroupOptions> & { counter?: number } = {}): Outcome {
    this.bytes.set(memory);
    this.load(this.compile([block], options));
    const exit = this.call();
    return { exit, memory: this.bytes.slice() };
  }
}

/** Runs one block in the interpreter from the given memory contents. */
export function runInterpreter(block: Block, memory: Uint8Array, bodies: HelperBodies = () => ({})): Outcome {
  const copy = new Uint8Array(new SharedArrayBuffer(MEMORY_SIZE));
  copy.set(memory);
  const view = new DataView(copy.buffer);
  const helpers = bodies(view);
  const within = (address: number, length: number) => address + length <= MEMORY_SIZE;
  const port: InterpreterPort = {
    view,
    layout: LAYOUT,
    canRead: within,
    prepareWrite: within,
    helper: (row: HelperRow) => helpers[row.name]!,
  };
  try {
    return { exit: interpretBlock(block, port, ENV), memory: copy };
  } catch (error) {
    if (error instanceof AccessError) return { exit: 'fault', memory: copy };
    throw error;
  }
}

const fresh = new Map<number, Uint8Array>();

/** Memory that looks random, with a poll word of 0 and jump cache entries that lead to the stub. */
export function freshMemory(seed: number): Uint8Array {
  const known = fresh.get(seed);
  if (known) return known.slice();
  const memory = new Uint8Array(MEMORY_SIZE);
  const view = new DataView(memory.buffer);
  let state = seed | 1;
  for (let at = 0; at < MEMORY_SIZE; at += 4) {
    state = Math.imul(state, 0x915f77f5) + 0x6b43a9b5;
    view.setInt32(at, state ^ (state >>> 15), true);
  }
  view.setUint32(ENV + LAYOUT.poll, 0, true);
  for (let i = 0; i < 1 << LAYOUT.jumpCacheBits; i++)
    view.setUint32(ENV + LAYOUT.jumpCache + 8 * i + 4, STUB_SLOT, true);
  if (seed >= 0 && seed < 64) fresh.set(seed, memory.slice());
  return memory;
}

/** Float ops whose NaN results have no certain bits. */
const UNCERTAIN_NAN =
  /^(add|sub|mul|div|sqrt|min|max|round|promote|demote)_.*f(32|64)$|^f(add|sub|mul|div|sqrt|round|promote|demote)_vec$|^call$|^cold_f/;

/** Replaces NaN results of unspecified payload by 0, so that their bits can be compared. */
export function settleNaNs(block: Block): void {
  const ops: Op[] = [];
  const push = (name: OpName, out: Variable, ins: readonly Value[], imm = 0, imm2 = 0) => {
    const [a = null, b = null, c = null] = ins;
    ops.push(new Op(OPS[name], out, a, b, c, imm, imm2, null, null, null));
  };
  for (const op of block.ops) {
    ops.push(op);
    const out = op.out;
    if (out === null || !UNCERTAIN_NAN.test(op.row.name)) continue;
    if (out.type === 'f32' || out.type === 'f64') {
      const good = block.temp('i32');
      push(`setcond_${out.type}`, good, [out, out], Cond.EQ);
      push(`select_${out.type}`, out, [good, out, new Const(out.type, 0)]);
    } else if (out.type === 'v128' && op.row.name !== 'call') {
      const good = block.temp('v128');
      const lane = op.row.name === 'fpromote_vec' ? 64 : op.row.name === 'fdemote_vec' ? 32 : op.imm;
      push('fcmp_vec', good, [out, out], lane, Cond.EQ);
      push('and_v128', out, [out, good]);
    }
  }
  block.ops = ops;
}

/** The bytes of two outcomes that differ, as a list for messages; empty when all are equal. */
export function differences(a: Uint8Array, b: Uint8Array, globals: readonly Global[] = []): string[] {
  const found: string[] = [];
  if (Buffer.compare(a, b) === 0) return found;
  for (let at = 0; at < a.length && found.length < 12; at++) {
    if (a[at] === b[at]) continue;
    const offset = at - ENV;
    const global = globals.find((g) => offset >= g.offset && offset < g.offset + SIZES[g.type]);
    found.push(`${global ? `${global.name} at ` : ''}0x${at.toString(16)}: ${a[at]} and ${b[at]}`);
  }
  return found;
}

export const SIZES: Record<Type, number> = { i32: 4, i64: 8, f32: 4, f64: 8, v128: 16 };
