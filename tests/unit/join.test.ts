// Joined blocks do what the blocks do one by one, and only those are joined that control reaches in one way.
import { expect, test } from 'bun:test';
import { bootstrap } from '../../src/exec/bootstrap.ts';
import { CodeCache, type Entry } from '../../src/exec/code-cache.ts';
import { joinBlocks } from '../../src/exec/join.ts';
import { DEFAULT_OPTIONS } from '../../src/exec/options.ts';
import type { Translator } from '../../src/exec/translator.ts';
import { Block } from '../../tcg/ir/block.ts';
import { Builder } from '../../tcg/ir/builder.ts';
import { Jump } from '../../tcg/ir/ops.ts';
import { Cond } from '../../tcg/ir/types.ts';
import { Global } from '../../tcg/ir/value.ts';
import { assertValid } from '../../tcg/ir/verify.ts';
import { optimize } from '../../tcg/opt/pipeline.ts';
import { ENV, LAYOUT, MEMORY_SIZE, runInterpreter, WasmRunner } from './wasm-run.ts';

const [A, B, C] = ['a', 'b', 'c'].map((name, n) => new Global('i32', n, name, 32 + 4 * n)) as [Global, Global, Global];

/** Blocks by address. Each ends with jumps; `branch` makes the two of a conditional one. */
const PROGRAM: Record<number, (b: Builder) => void> = {
  // Entered from outside: a tree of 0x100 to 0x500.
  256: (b) => {
    b.set(A, b.add(A, 1));
    branch(b, Cond.LT, A, 8, 0x200, 0x300);
  },
  512: (b) => {
    b.set(B, b.mul(b.add(A, B), 3));
    branch(b, Cond.EQ, b.and(B, 1), 0, 0x400, 0x500);
  },
  768: (b) => {
    b.set(C, b.xor(B, 0x55));
    b.gotoTb(0x600);
  },
  1024: (b) => {
    const old = b.load(0x100, 2);
    b.store(0x100, b.add(old, B), 2);
    b.gotoTb(0x600);
  },
  // Back to the start of the loop.
  1280: (b) => {
    b.set(C, b.sub(C, B));
    b.poll(0x100);
    b.gotoTb(0x100);
  },
  // From two places: on its own. What it calls may have other callers.
  1536: (b) => {
    b.set(B, b.add(B, C));
    b.gotoTb(0x700, Jump.CALL);
  },
  1792: (b) => {
    b.set(A, b.add(b.load(0x100, 2), A));
    b.exitTb(0, 0xfff0);
  },
};

function branch(b: Builder, cond: Cond, x: ReturnType<Builder['add']> | Global, y: number, yes: number, no: number) {
  const label = b.label();
  b.brcond(cond, x, y, label);
  b.gotoTb(no);
  b.place(label);
  b.gotoTb(yes);
}

function translate(pc: number): Block {
  const block = new Block(pc, [A, B, C]);
  const builder = new Builder(block);
  builder.insnStart(pc);
  PROGRAM[pc]!(builder);
  return block;
}

function joined() {
  const cache = new CodeCache(bootstrap().miss);
  const entries: Entry[] = Object.keys(PROGRAM).map((pc) => {
    const entry = cache.get(Number(pc), 0);
    entry.ir = translate(entry.pc);
    return entry;
  });
  const cpu = { cache, options: { ...DEFAULT_OPTIONS, regions: false } } as unknown as Translator;
  return { cache, entries, join: () => joinBlocks(cpu, entries, 0) };
}

const shape = (all: ReturnType<typeof joinBlocks>) =>
  all.map(({ root, inner }) => [root.pc, ...inner.map(({ pc }) => pc)].map((pc) => pc.toString(16)).join(' ')).sort();

test('blocks that one other leads to are joined to it', () => {
  // 0x600 has two jumps to it; 0x100 is jumped back to only, and begins what it belongs to.
  expect(shape(joined().join())).toEqual(['100 300 200 500 400', '600', '700']);
});

test('not those that other code may lead to', () => {
  const { cache, join } = joined();
  cache.get(0x200, 0).linked = true;
  expect(shape(join())).toEqual(['100 300', '200 500 400', '600', '700']);
});

// Whose jumps do not count: 0x600 is then reached in one way.
test('not those that were not asked for', () => {
  const { entries, join } = joined();
  entries.splice(2, 1);
  expect(shape(join())).toEqual(['100 200 500 400 600', '700']);
});

/** Runs from 0x100 until the program ends, block by block; returns memory, and the registers and PCs behind each of `stops`. */
function run(blocks: Map<number, Block>, start: Uint8Array, execute: (block: Block, memory: Uint8Array) => Uint8Array) {
  let memory = start;
  for (let n = 0; n < 100; n++) {
    const pc = new DataView(memory.buffer, memory.byteOffset).getUint32(ENV + LAYOUT.pc, true);
    const block = blocks.get(pc);
    if (block === undefined) return { pc, memory };
    memory = execute(block, memory);
  }
  throw new Error('goes on for ever');
}

test('joined blocks do what the blocks do', () => {
  const alone = new Map(Object.keys(PROGRAM).map((pc) => [Number(pc), translate(Number(pc))]));
  const together = new Map(
    joined()
      .join()
      .map(({ root, block }) => [root.pc, block]),
  );
  for (const block of alone.values()) optimize(block, {});
  for (const block of together.values()) optimize(block, { verify: assertValid });
  const runner = new WasmRunner();
  for (let seed = 0; seed < 20; seed++) {
    const start = new Uint8Array(MEMORY_SIZE);
    const view = new DataView(start.buffer);
    view.setUint32(ENV + LAYOUT.pc, 0x100, true);
    for (const { offset } of [A, B, C]) view.setInt32(ENV + offset, (seed * 7919 + offset) % 13, true);
    const expected = run(alone, start, (block, memory) => runInterpreter(block, memory).memory);
    const interpreted = run(together, start, (block, memory) => runInterpreter(block, memory).memory);
    const compiled = run(together, start, (block, memory) => runner.run(block, memory, { chain: false }).memory);
    expect(expected.pc).toBe(0xfff0);
    expect(Buffer.compare(interpreted.memory, expected.memory)).toBe(0);
    expect(Buffer.compare(compiled.memory, expected.memory)).toBe(0);
  }
});
