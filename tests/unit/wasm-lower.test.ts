// How generated functions behave towards their surroundings: exits, chaining, polls, counters, faults, helpers, sizes.
import { describe, expect, test } from 'bun:test';
import { jumpCacheIndex } from '../../tcg/engine.ts';
import { Block } from '../../tcg/ir/block.ts';
import { Builder } from '../../tcg/ir/builder.ts';
import type { HelperRow } from '../../tcg/ir/helper-table.ts';
import { Cond, Exit, MO_32 } from '../../tcg/ir/types.ts';
import { Global } from '../../tcg/ir/value.ts';
import { assertValid } from '../../tcg/ir/verify.ts';
import { syncState } from '../../tcg/opt/state-sync.ts';
import { functionBodies, printFunction, printModule } from '../../tcg/wasm/wat-print.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { BLOCK_SLOT, COUNTER, ENV, freshMemory, LAYOUT, MEMORY_SIZE, STUB_SLOT, WasmRunner } from './wasm-run.ts';

const REGS = Array.from({ length: 8 }, (_, id) => new Global('i32', id, `r${id}`, 32 + 4 * id));
const [R0, R1, R2, R3] = REGS as [Global, Global, Global, Global];
const PC = 0x1000;

function make(build: (b: Builder) => void, pc = PC): Block {
  const block = new Block(pc, REGS);
  const b = new Builder(block);
  b.insnStart(pc);
  build(b);
  syncState(block);
  assertValid(block, 'of the test');
  return block;
}

const runner = new WasmRunner((view) => ({
  twice: (env: number, x: number) => {
    expect(env).toBe(ENV);
    return 2 * x;
  },
  rotate: (env: number) => {
    const first = view.getInt32(env + R0.offset, true);
    view.setInt32(env + R0.offset, view.getInt32(env + R1.offset, true), true);
    view.setInt32(env + R1.offset, first, true);
  },
  wide: (_env: number, x: bigint) => x + 1n,
}));

/** Starts a run with registers 100, 101 …; returns the exit and what CPU state says afterwards. */
function run(block: Block, options: Parameters<WasmRunner['run']>[2] = {}, prepare?: (view: DataView) => void) {
  const memory = freshMemory(1);
  const view = new DataView(memory.buffer);
  view.setUint32(ENV + LAYOUT.pc, block.pc, true);
  for (const reg of REGS) view.setInt32(ENV + reg.offset, 100 + reg.id, true);
  prepare?.(view);
  const outcome = runner.run(block, memory, options);
  const after = new DataView(outcome.memory.buffer);
  return {
    exit: outcome.exit,
    pc: after.getUint32(ENV + LAYOUT.pc, true),
    regs: REGS.map((reg) => after.getInt32(ENV + reg.offset, true)),
    view: after,
  };
}

describe('exits', () => {
  test('goto_tb stores the PC and goes through the slot, or returns LOOKUP without chaining', () => {
    const block = make((b) => {
      b.set(R0, b.add(R1, R2));
      b.gotoTb(0xfffff000);
    });
    const asked: number[] = [];
    const slotOf = (pc: number) => {
      asked.push(pc);
      return STUB_SLOT;
    };
    for (const chain of [true, false]) {
      const { exit, pc, regs } = run(block, { chain, slotOf });
      expect([exit, pc, regs[0]]).toEqual([Exit.LOOKUP, 0xfffff000, 203]);
    }
    expect(asked).toEqual([0xfffff000]);
  });

  test('blocks chain through their slots for ever without growing the stack', () => {
    // Two blocks that call each other until a register reaches 0.
    const first = make((b) => {
      b.set(R0, b.add(R0, -1));
      b.gotoTb(0x2000);
    });
    const second = make((b) => {
      const out = b.label();
      b.brcond(Cond.EQ, R0, 0, out);
      b.gotoTb(PC);
      b.place(out);
      b.exitTb(Exit.EXCEPTION, 0x3000);
    }, 0x2000);
    runner.bytes.set(freshMemory(1));
    runner.view.setInt32(ENV + R0.offset, 1_000_000, true);
    runner.load(runner.compile([first, second], { slotOf: (pc) => (pc === PC ? BLOCK_SLOT : BLOCK_SLOT + 1) }));
    expect(runner.call()).toBe(Exit.EXCEPTION);
    expect(runner.view.getInt32(ENV + R0.offset, true)).toBe(0);
    expect(runner.view.getUint32(ENV + LAYOUT.pc, true)).toBe(0x3000);
  });

  test('goto_ptr goes where the jump cache says, and only for the right PC', () => {
    const target = 0x56789abc;
    const block = make((b) => b.gotoPtr(R3));
    const there = make((b) => b.exitTb(Exit.EXCEPTION, 0x77));
    const through = (cached: number) =>
      run(block, { slotOf: () => STUB_SLOT }, (view) => {
        view.setUint32(ENV + R3.offset, target, true);
        const entry = ENV + LAYOUT.jumpCache + 8 * jumpCacheIndex(target, LAYOUT.jumpCacheBits);
        view.setUint32(entry, cached, true);
        view.setUint32(entry + 4, STUB_SLOT, true);
      });
    for (const cached of [target, target + 16]) {
      expect(through(cached)).toMatchObject({ exit: Exit.LOOKUP, pc: target });
    }
    // The stub in the slot answers LOOKUP like a miss: with another function there, a hit shows.
    const stub = runner.table.get(STUB_SLOT);
    runner.load(runner.compile([there]));
    runner.table.set(STUB_SLOT, runner.table.get(BLOCK_SLOT));
    expect(through(target)).toMatchObject({ exit: Exit.EXCEPTION, pc: 0x77 });
    expect(through(target + 16)).toMatchObject({ exit: Exit.LOOKUP, pc: target });
    runner.table.set(STUB_SLOT, stub);
  });

  test('goto_ptr looks at the poll word', () => {
    const block = make((b) => b.gotoPtr(R3));
    const { exit, pc } = run(block, {}, (view) => view.setUint32(ENV + LAYOUT.poll, 1, true));
    expect([exit, pc]).toEqual([Exit.POLL, 103]);
  });

  test('exit_tb returns its reason', () => {
    const block = make((b) => b.exitTb(Exit.EXCEPTION, b.add(R1, 1)));
    expect(run(block)).toMatchObject({ exit: Exit.EXCEPTION, pc: 102 });
  });

  test('the counter returns HOT from 0 on, with CPU state untouched', () => {
    const block = make((b) => {
      b.set(R0, 7);
      b.gotoTb(0x2000);
    });
    const counted = (n: number) => run(block, { counter: COUNTER }, (view) => view.setInt32(COUNTER, n, true));
    // Below 0 it may get by `count_run` of other functions.
    for (const n of [1, 0, -5]) {
      const hot = counted(n);
      expect(hot).toMatchObject({ exit: Exit.HOT, pc: PC });
      expect(hot.regs[0]).toBe(100);
    }
    const cold = counted(2);
    expect(cold).toMatchObject({ exit: Exit.LOOKUP, pc: 0x2000 });
    expect(cold.regs[0]).toBe(7);
    expect(cold.view.getInt32(COUNTER, true)).toBe(1);
  });
});

describe('polls', () => {
  const loop = make((b) => {
    const head = b.label();
    b.place(head);
    b.set(R0, b.add(R0, 1));
    b.poll(0x1234);
    b.brcond(Cond.NE, R0, 1000, head);
    b.gotoTb(0x2000);
  });

  test('leave with the registers of that moment', () => {
    expect(run(loop)).toMatchObject({ exit: Exit.LOOKUP, pc: 0x2000 });
    const polled = run(loop, {}, (view) => view.setUint32(ENV + LAYOUT.poll, 1, true));
    expect(polled).toMatchObject({ exit: Exit.POLL, pc: 0x1234 });
    expect(polled.regs[0]).toBe(101);
  });

  test('in a loop without stores store to the scratch word, or use a fence without one', () => {
    const scratch = 0x20;
    const text = (block: Block, options: object) => printFunction(runner.compile([block], options).bytes, 0);
    expect(text(loop, { scratch })).toContain(`i32.const 0\n    i32.store offset=${scratch}`);
    expect(text(loop, { scratch })).not.toContain('atomic.fence');
    expect(text(loop, {})).toContain('atomic.fence');
    const stores = make((b) => {
      const head = b.label();
      b.place(head);
      b.insnStart(0x1004);
      b.set(R0, b.add(R0, 1));
      b.store(R2, R0, MO_32);
      b.poll(0x1234);
      b.brcond(Cond.NE, R0, 1000, head);
      b.gotoTb(0x2000);
    });
    expect(text(stores, {})).not.toContain('atomic.fence');
  });

  test('right before a goto to the same PC share its stores', () => {
    const block = make((b) => {
      b.set(R0, 5);
      b.poll(0x2000);
      b.gotoTb(0x2000);
    });
    const text = printFunction(runner.compile([block]).bytes, 0);
    expect(text.match(/i32\.store/g)!.length).toBe(2);
    expect(run(block)).toMatchObject({ exit: Exit.LOOKUP, pc: 0x2000 });
    const polled = run(block, {}, (view) => view.setUint32(ENV + LAYOUT.poll, 1, true));
    expect(polled).toMatchObject({ exit: Exit.POLL, pc: 0x2000 });
    expect(polled.regs[0]).toBe(5);
  });

  test('are seen by optimised code in endless loops', async () => {
    const forever = (stores: boolean) =>
      make((b) => {
        const head = b.label();
        b.place(head);
        b.insnStart(0x1004);
        b.set(R0, b.add(R0, 1));
        if (stores) b.store(0x4000, R0, MO_32);
        b.poll(0x1234);
        b.brcond(Cond.NE, R1, 0, head);
        b.gotoTb(0x2000);
      });
    const { memory } = runner;
    for (const [stores, options] of [
      [false, { scratch: 0x20 }],
      [false, {}],
      [true, {}],
    ] as const) {
      runner.bytes.set(freshMemory(1));
      runner.load(runner.compile([forever(stores)], options));
      const worker = new Worker(
        `data:text/javascript,${encodeURIComponent(`
          onmessage = ({ data: [buffer, at] }) => {
            postMessage('begins');
            Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
            Atomics.store(new Int32Array(buffer), at / 4, 1);
          };`)}`,
      );
      const begins = new Promise((resolve) => {
        worker.onmessage = resolve;
      });
      worker.postMessage([memory.buffer, ENV + LAYOUT.poll]);
      // It may need this thread to start, which then has no time for it.
      await begins;
      expect(runner.call()).toBe(Exit.POLL);
      worker.terminate();
    }
  });
});

describe('faults', () => {
  test('find CPU state as it was where the span began', () => {
    const bad = MEMORY_SIZE + 0x1000;
    const block = make((b) => {
      b.set(R0, 1);
      b.insnStart(0x1004);
      b.set(R1, b.load(R2, MO_32));
      b.insnStart(0x1008);
      b.store(R3, R1, MO_32);
      b.gotoTb(0x2000);
    });
    const load = run(block, {}, (view) => view.setInt32(ENV + R2.offset, bad, true));
    expect(load).toMatchObject({ exit: 'fault', pc: PC });
    expect(load.regs.slice(0, 2)).toEqual([100, 101]);
    const store = run(block, {}, (view) => view.setInt32(ENV + R3.offset, bad, true));
    expect(store).toMatchObject({ exit: 'fault', pc: PC });
    expect(store.regs.slice(0, 2)).toEqual([100, 101]);
  });

  test('of a load whose value is only stored at the exit come before any store', () => {
    const block = make((b) => {
      b.set(R0, 1);
      b.insnStart(0x1004);
      b.set(R1, b.load(R2, MO_32));
      b.insnStart(0x1008);
      b.set(R3, b.load(R3, MO_32));
      b.gotoTb(0x2000);
    });
    for (const reg of [R2, R3]) {
      const { exit, pc, regs } = run(block, {}, (view) => view.setInt32(ENV + reg.offset, -4, true));
      expect([exit, pc, regs[0], regs[1]]).toEqual(['fault', PC, 100, 101]);
    }
  });

  test('of a load with an unused result are seen', () => {
    const block = make((b) => {
      b.load(R0, MO_32);
      b.gotoTb(0x2000);
    });
    expect(run(block).exit).toBe(Exit.LOOKUP);
    expect(run(block, {}, (view) => view.setInt32(ENV + R0.offset, -4, true)).exit).toBe('fault');
  });
});

describe('helpers', () => {
  const TWICE: HelperRow = { name: 'twice', args: ['i32'], result: 'i32' };
  const ROTATE: HelperRow = { name: 'rotate', args: [], result: null, readsGlobals: true, writesGlobals: true };
  const WIDE: HelperRow = { name: 'wide', args: ['i64'], result: 'i64', module: 'm' };

  test('are imported once and given CPU state and arguments', () => {
    const block = make((b) => {
      b.set(R0, b.call(TWICE, b.call(TWICE, R1)));
      b.set(R2, b.call(WIDE, b.extu64(R1)).type === 'i64' ? R2 : R0);
      b.gotoTb(0x2000);
    });
    const group = runner.compile([block]);
    expect(group.imports.map(({ module, name }) => `${module}.${name}`)).toEqual(['h.twice', 'm.wide', 'e.m', 'e.t']);
    expect(group.helperCount).toBe(2);
    expect(run(block).regs[0]).toBe(404);
    expect(printModule(group.bytes)).toContain('call 0 ;; h.twice');
  });

  test('see registers in CPU state and change them there', () => {
    const block = make((b) => {
      b.set(R0, 5);
      const before = b.copy(R1);
      b.call(ROTATE);
      b.set(R2, b.add(R0, b.mul(before, 1000)));
      b.gotoTb(0x2000);
    });
    expect(run(block).regs.slice(0, 3)).toEqual([101, 5, 101101]);
  });

  test('in TypeScript take and give no 64-bit integers and no vectors', () => {
    const call = (helper: HelperRow) =>
      make((b) => {
        b.call(helper, b.extu64(R1));
        b.gotoTb(0x2000);
      });
    expect(() => runner.compile([call({ name: 'bad', args: ['i64'], result: null })])).toThrow(
      'helper bad: i64 cannot cross to TypeScript',
    );
    // An error in one group does not harm the next.
    expect(run(make((b) => b.gotoTb(0x2000))).exit).toBe(Exit.LOOKUP);
  });
});

describe('sizes', () => {
  test('long chains of dependent ops do not nest without end', () => {
    const block = make((b) => {
      for (let i = 0; i < 20_000; i++) b.set(R0, b.xor(b.add(R0, 1), R1));
      b.gotoTb(0x2000);
    });
    let expected = 100;
    for (let i = 0; i < 20_000; i++) expected = (expected + 1) ^ 101;
    expect(run(block).regs[0]).toBe(expected);
  });

  test('many labels, many locals of all types, long bodies', () => {
    const count = 400;
    const block = make((b) => {
      const longs = [];
      const floats = [];
      for (let i = 0; i < count; i++) {
        const skip = b.label();
        b.brcond(Cond.TSTEQ, R1, 1, skip);
        b.set(R0, b.add(R0, i));
        b.place(skip);
        longs.push(b.emit('extu_i32_i64', b.add(R0, i)));
        floats.push(b.emit('converts_i32_f64', b.add(R0, i)));
      }
      for (let i = count - 1; i >= 0; i--) {
        b.set(R2, b.add(R2, b.wrap(longs[i]!)));
        b.set(R3, b.add(R3, b.emit('truncs_f64_i32', floats[i]!)));
      }
      b.gotoTb(0x2000);
    });
    let r0 = 100;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      r0 += i;
      sum += r0 + i;
    }
    const { regs } = run(block);
    expect(regs.slice(0, 4)).toEqual([r0, 101, 102 + sum, 103 + sum]);
  });

  test('locals are used again', () => {
    const block = make((b) => {
      for (let i = 0; i < 100; i++) {
        const t = b.add(b.load(b.add(R1, 4 * i), MO_32), R2);
        b.store(R3, b.add(t, b.mul(t, t)), MO_32);
      }
      b.gotoTb(0x2000);
    });
    const group = runner.compile([block]);
    const locals = /\(local ([^)]*)\)/.exec(printFunction(group.bytes, 0))![1]!.split(' ');
    expect(locals.length).toBeLessThanOrEqual(4);
  });

  test('consecutive slots share one segment', () => {
    const blocks = [1, 2, 3, 4].map(() => make((b) => b.gotoTb(0x2000)));
    const text = printModule(runner.compile(blocks).bytes);
    expect(text.match(/\(elem/g)!.length).toBe(1);
    expect(functionBodies(runner.compile(blocks).bytes).length).toBe(4);
  });

  test(
    'a function beyond the limit is refused by name',
    () => {
      const block = make((b) => {
        for (let i = 0; i < 120_000; i++) b.store(b.add(R1, i * 70_000), 0x12345678 + i, MO_32);
        b.gotoTb(0x2000);
      });
      expect(() => runner.compile([block])).toThrow(/a generated function of \d+ bytes is too large/);
    },
    TEST_LIMIT,
  );
});
