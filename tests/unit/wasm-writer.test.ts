// The binary writer and the printer: sections the engine accepts, numbers as the specification says, text an assembler reads.
import { expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readS64, readU32 } from '../../src/util/leb128.ts';
import type { Block } from '../../tcg/ir/block.ts';
import { OPS } from '../../tcg/ir/ops.ts';
import { optimize } from '../../tcg/opt/pipeline.ts';
import { assembleModule, CodeWriter } from '../../tcg/wasm/module-writer.ts';
import { W } from '../../tcg/wasm/opcodes.ts';
import { functionBodies, printFunction, printModule } from '../../tcg/wasm/wat-print.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import fc, { numRuns } from '../setup/properties.ts';
import { FEW_GLOBALS, randomBlock } from './ir-random.ts';
import { BLOCK_SLOT, freshMemory, WasmRunner } from './wasm-run.ts';

test('numbers are written as LEB128 readers expect them', () => {
  fc.assert(
    fc.property(fc.integer(), fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), (small, large) => {
      const w = new CodeWriter();
      w.u32(small);
      const unsigned = readU32(w.bytes, 0);
      expect(unsigned).toEqual({ value: small >>> 0, next: w.pos });
      const at = w.pos;
      w.i32Const(small);
      expect(readS64(w.bytes, at + 1)).toEqual({ value: BigInt(small), next: w.pos });
      const at64 = w.pos;
      w.i64Const(large);
      expect(readS64(w.bytes, at64 + 1)).toEqual({ value: large, next: w.pos });
    }),
  );
  const w = new CodeWriter();
  w.i32Const(0xfffffff0);
  expect(readS64(w.bytes, 1).value).toBe(-16n);
});

/** A module of functions with the given locals that add them all up. */
function moduleOf(locals: readonly (readonly number[])[], slots: readonly number[]): Uint8Array<ArrayBuffer> {
  const code = new CodeWriter();
  for (const types of locals) {
    code.beginFunction();
    code.opU32(W['local.get'], 0);
    types.forEach((type, i) => {
      if (type !== 0) return;
      code.reserve(32);
      code.opU32(W['local.get'], 0);
      code.opU32(W['local.set'], i + 1);
      code.opU32(W['local.get'], i + 1);
      code.op(W['i32.add']);
    });
    code.endFunction(Uint8Array.from([0, ...types]), 1, types.length + 1);
  }
  return assembleModule({
    types: [{ params: [0], results: [0] }],
    functions: [],
    memory: { module: 'e', name: 'm', limits: { initial: 1, maximum: 1 } },
    table: { module: 'e', name: 't', limits: { initial: 0 } },
    slots,
    code,
  });
}

test('any number and order of locals, and any slots, make a valid module', () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const types = fc.array(fc.nat({ max: 4 }), { maxLength: 300, size: 'max' });
  fc.assert(
    fc.property(
      fc.array(types, { minLength: 1, maxLength: 5 }),
      fc.uniqueArray(fc.nat({ max: 30 }), { minLength: 5, maxLength: 5 }),
      (locals, slots) => {
        const used = slots.slice(0, locals.length);
        const bytes = moduleOf(locals, used);
        const table = new WebAssembly.Table({ initial: 32, element: 'anyfunc' });
        new WebAssembly.Instance(new WebAssembly.Module(bytes), { e: { m: memory, t: table } });
        locals.forEach((list, i) => {
          const call = table.get(used[i]!) as unknown as (x: number) => number;
          expect(call(3)).toBe(3 * (1 + list.filter((type) => type === 0).length));
        });
        expect(functionBodies(bytes).length).toBe(locals.length);
      },
    ),
    { numRuns: numRuns(60) },
  );
});

test('names that are not ASCII are refused', () => {
  const parts = { types: [{ params: [], results: [] }], slots: [], code: new CodeWriter() };
  const memory = { module: 'e', name: 'm', limits: { initial: 1, maximum: 1 } };
  const table = { module: 'e', name: 't', limits: { initial: 0 } };
  const functions = [{ module: 'h', name: 'größe', type: 0 }];
  expect(() => assembleModule({ ...parts, memory, table, functions })).toThrow('"größe" is not ASCII');
});

test('every opcode of the table is used once and has a name an assembler could have', () => {
  const codes = Object.values(W);
  expect(new Set(codes).size).toBe(codes.length);
  for (const name of Object.keys(W)) expect(name).toMatch(/^[a-z0-9]+([._][a-z0-9]+)*$/);
});

test('what has no name is refused with its place', () => {
  const bytes = moduleOf([[]], [0]);
  const { start } = functionBodies(bytes)[0]!;
  bytes[start + 3] = 0x1f;
  expect(() => printFunction(bytes, 0)).toThrow(`unknown opcode 1f at offset ${start + 3}`);
  expect(() => printFunction(bytes, 1)).toThrow('the module has no function 1');
});

const ASSEMBLER = join(import.meta.dir, '../../node_modules/.bin/wasm-as');

/** A random block with all ops but wide multiplication, which the assembler does not know. */
function someBlock(seed: number): Block {
  let state = seed;
  const next = () => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) >>> 8;
  const numbers = Array.from({ length: 200 }, () => next() & 0xffff);
  const block = randomBlock(numbers, { globals: FEW_GLOBALS });
  for (const op of block.ops) {
    if (op.row.name.startsWith('mulh')) op.row = OPS.mul_i64;
    if (op.helper !== null) op.helper = { ...op.helper, module: 'w' };
  }
  optimize(block);
  return block;
}

const identity = () => 1;
const HELPERS = { pure_mix: identity, pure_wide: () => 1n, pure_float: identity, read_state: identity };
const EFFECTS = { change_state: identity, swap_state: identity, count: identity, note: identity, mark: identity };

test.skipIf(!existsSync(ASSEMBLER))(
  'an independent assembler reads the printed text, and what it makes of it does the same',
  () => {
    const runner = new WasmRunner(() => ({ ...HELPERS, ...EFFECTS }));
    const blocks = Array.from({ length: 14 }, (_, i) => someBlock(i * 77 + 5));
    const group = runner.compile(blocks);
    const directory = mkdtempSync(join(tmpdir(), 'wemu-wat-'));
    try {
      const text = join(directory, 'ours.wat');
      const theirs = join(directory, 'theirs.wasm');
      writeFileSync(text, printModule(group.bytes));
      const { exitCode, stderr } = Bun.spawnSync({ cmd: [ASSEMBLER, '-all', text, '-o', theirs], stderr: 'pipe' });
      expect([exitCode, stderr.toString()]).toEqual([0, '']);
      const results = [group.bytes, new Uint8Array(readFileSync(theirs))].map((bytes) => {
        runner.load({ ...group, bytes });
        return blocks.map((_, i) => {
          runner.bytes.set(freshMemory(i));
          return [runner.call(BLOCK_SLOT + i), Buffer.from(runner.bytes).toString('latin1')];
        });
      });
      expect(results[1]).toEqual(results[0]!);
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
  TEST_LIMIT,
);
