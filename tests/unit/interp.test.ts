/** The interpreter's contract with its surroundings: access errors, byte orders, atomics, state that is stored and when. */

import { describe, expect, test } from 'bun:test';
import { AccessError, type InterpreterPort, interpretBlock } from '../../tcg/interp/interp.ts';
import { parseBlock } from '../../tcg/ir/parse.ts';
import { Exit } from '../../tcg/ir/types.ts';
import { globalsOf, HELPERS } from './ir-random.ts';

const GLOBALS = globalsOf(['i32', 'i32', 'f64', 'v128', 'i64']);
const [a0, a1, d2, e3, b4] = GLOBALS.map((global) => global.offset) as [number, number, number, number, number];
/** All 4 GiB, as guests have them. */
const memory = new WebAssembly.Memory({ initial: 65536, maximum: 65536, shared: true });
const view = new DataView(memory.buffer);
const ENV = 0xfe000000;
const PC = 0;
const POLL = 4;

function port(changes: Partial<InterpreterPort> = {}): InterpreterPort {
  return {
    view,
    layout: { pc: PC, poll: POLL, jumpCache: 0, jumpCacheBits: 0 },
    canRead: () => true,
    prepareWrite: () => true,
    helper: () => {
      throw new Error('no helpers here');
    },
    ...changes,
  };
}

/** Runs ops given as text; temporaries t0-t9 and labels L0-L3 are at hand. */
function run(ops: string, changes: Partial<InterpreterPort> = {}): Exit {
  const text = `block 0x1000 temps 10 labels 4\n${ops}`;
  return interpretBlock(parseBlock(text, { globals: GLOBALS, helpers: HELPERS }), port(changes), ENV);
}

function accessError(ops: string, changes: Partial<InterpreterPort>): AccessError {
  try {
    run(ops, changes);
  } catch (error) {
    if (error instanceof AccessError) return error;
    throw error;
  }
  throw new Error('no access failed');
}

/** Pages [0x3000, 0x4000) may not be touched. */
const HOLE: Partial<InterpreterPort> = {
  canRead: (address, length) => address + length <= 0x3000 || address >= 0x4000,
  prepareWrite: (address, length) => address + length <= 0x3000 || address >= 0x4000,
};

describe('guest accesses', () => {
  for (const [what, ops, address, kind] of [
    ['a load from a bad page', 't0 = guest_ld_i32:u32 0x3010', 0x3010, 'read'],
    ['a load that ends in a bad page', 't0 = guest_ld_i32:u32 0x2ffe', 0x3000, 'read'],
    ['a load that begins in a bad page', 't0 = guest_ld_i64:u64 0x3ffc', 0x3ffc, 'read'],
    ['a vector store that ends in a bad page', 'guest_st_v128:u128 0x2ff1, e3', 0x3000, 'write'],
    ['a byte store', 'guest_st_i32:u8 0x3fff, 1', 0x3fff, 'write'],
    ['an atomic op', 't0 = atomic_add_i32:u32 0x3000, 1', 0x3000, 'write'],
  ] as const) {
    test(`${what} fails at 0x${address.toString(16)}`, () => {
      const error = accessError(`${ops}\ngoto_tb:0:plain`, HOLE);
      expect([error.address, error.kind, error.misaligned]).toEqual([address, kind, 0]);
    });
  }

  test('alignment is checked before the page', () => {
    const error = accessError('t0 = guest_ld_i32:u32al 0x3002\ngoto_tb:0:plain', HOLE);
    expect([error.address, error.misaligned]).toEqual([0x3002, 4]);
  });

  test('accesses wrap at 4 GiB, and both ends are checked', () => {
    view.setUint32(0, 0, true);
    run('guest_st_i64:u64 -4, 0x1122334455667788\ngoto_tb:0:plain');
    expect([view.getUint32(0xfffffffc, true), view.getUint32(0, true)]).toEqual([0x55667788, 0x11223344]);
    run('t0 = guest_ld_i32:u32be -2\na0 = mov_i32 t0\ngoto_tb:0:plain');
    expect(view.getUint32(ENV + a0, true)).toBe(0x66554433);
    const zeroBad = { canRead: (address: number) => address >= 0x1000 };
    expect(accessError('t0 = guest_ld_i32:u16 -1\ngoto_tb:0:plain', zeroBad).address).toBe(0);
    const topBad = { canRead: (address: number) => address < 0x1000 };
    expect(accessError('t0 = guest_ld_i32:u16 -1\ngoto_tb:0:plain', topBad).address).toBe(0xffffffff);
  });

  test('NaN bits survive loads, moves and stores', () => {
    view.setBigUint64(0x2000, 0x7ff4dead0000beefn, true);
    view.setUint32(0x2008, 0xffa00001, true);
    run(`t0 = guest_ld_f64:u64 0x2000
         d2 = mov_f64 t0
         t1 = neg_f64 d2
         guest_st_f64:u64be 0x2010, t1
         t2 = guest_ld_f32:u32 0x2008
         t3 = reinterpret_f32_i32 t2
         a0 = mov_i32 t3
         goto_tb:0:plain`);
    expect(view.getBigUint64(ENV + d2, true)).toBe(0x7ff4dead0000beefn);
    expect(view.getBigUint64(0x2010)).toBe(0xfff4dead0000beefn);
    expect(view.getUint32(ENV + a0, true)).toBe(0xffa00001);
  });

  test('every write is announced', () => {
    const writes: string[] = [];
    run('guest_st_i32:u16 0x2001, 5\nt0 = atomic_xchg_i32:u32 0x2004, 1\ngoto_tb:0:plain', {
      onWrite: (address, size) => writes.push(`${address.toString(16)}+${size}`),
    });
    expect(writes).toEqual(['2001+2', '2004+4']);
  });
});

describe('atomic ops', () => {
  for (const [ops, before, old, after] of [
    ['atomic_add_i32:u8 0x2001, 1', 0x0000ff00, 0xff, 0x00000000],
    ['atomic_sub_i32:u16be 0x2002, 1', 0x00010000, 0x100, 0xff000000],
    ['atomic_xchg_i32:u32be 0x2000, 0x11223344', 0x01020304, 0x04030201, 0x44332211],
    ['atomic_and_i32:u32 0x2000, 0xff0', 0xffffffff, -1, 0xff0],
    ['atomic_or_i32:u16 0x2000, 0x8001', 0x12340000, 0, 0x12348001],
    ['atomic_xor_i32:u8 0x2003, -1', 0x0f000000, 0x0f, 0xf0000000],
    ['atomic_cas_i32:u8 0x2000, 0x1ff, 7', 0x000000ff, 0xff, 7],
    ['atomic_cas_i32:u32 0x2000, 1, 7', 2, 2, 2],
    ['atomic_cas_i32:u16be 0x2000, 0x1234, 0x5678', 0xffff3412, 0x1234, 0xffff7856],
  ] as const) {
    test(ops, () => {
      view.setUint32(0x2000, before, true);
      run(`t0 = ${ops}\na0 = mov_i32 t0\ngoto_tb:0:plain`);
      expect([view.getInt32(ENV + a0, true), view.getUint32(0x2000, true)]).toEqual([old, after]);
    });
  }

  test('atomic_cas_i64, both byte orders', () => {
    view.setBigInt64(0x2000, 5n, true);
    run('b4 = atomic_cas_i64:u64 0x2000, 5, -2\ngoto_tb:0:plain');
    expect([view.getBigInt64(ENV + b4, true), view.getBigInt64(0x2000, true)]).toEqual([5n, -2n]);
    view.setBigInt64(0x2000, 5n, false);
    run('b4 = atomic_cas_i64:u64be 0x2000, 5, 0x1122334455667788\ngoto_tb:0:plain');
    expect([view.getBigInt64(ENV + b4, true), view.getBigInt64(0x2000, false)]).toEqual([5n, 0x1122334455667788n]);
  });
});

describe('CPU state', () => {
  test('ways out store the PC, and globals as their sync says', () => {
    view.setInt32(ENV + a0, 1, true);
    view.setInt32(ENV + a1, 1, true);
    expect(run('a0 = mov_i32 2\na1 = mov_i32 2\ngoto_tb:0x2000:plain  sync(a1)')).toBe(Exit.LOOKUP);
    expect([view.getInt32(ENV + a0, true), view.getInt32(ENV + a1, true)]).toEqual([1, 2]);
    expect(view.getUint32(ENV + PC, true)).toBe(0x2000);
    expect(run('a0 = mov_i32 3\ngoto_ptr:call -16')).toBe(Exit.LOOKUP);
    expect(view.getInt32(ENV + a0, true)).toBe(3);
    expect(view.getUint32(ENV + PC, true)).toBe(0xfffffff0);
    expect(run('exit_tb:exception a0')).toBe(Exit.EXCEPTION);
    expect(view.getUint32(ENV + PC, true)).toBe(3);
  });

  test('a poll leaves when the word is set, and stores only then', () => {
    const ops = 'a0 = mov_i32 5\npoll:0x3000  sync(a0)\na0 = mov_i32 6\ngoto_tb:0x4000:plain  sync()';
    view.setInt32(ENV + a0, 1, true);
    view.setUint32(ENV + POLL, 0, true);
    expect(run(ops)).toBe(Exit.LOOKUP);
    expect(view.getInt32(ENV + a0, true)).toBe(1);
    view.setUint32(ENV + POLL, 8, true);
    expect(run(ops)).toBe(Exit.POLL);
    expect([view.getInt32(ENV + a0, true), view.getUint32(ENV + PC, true)]).toEqual([5, 0x3000]);
    // Indirect jumps look at it too: loops through them need no poll of their own.
    expect(run('a0 = mov_i32 7\ngoto_ptr:plain 0x5000')).toBe(Exit.POLL);
    expect([view.getInt32(ENV + a0, true), view.getUint32(ENV + PC, true)]).toEqual([7, 0x5000]);
    view.setUint32(ENV + POLL, 0, true);
  });

  test('an access error leaves the state of the last precise point', () => {
    view.setInt32(ENV + a0, 1, true);
    const ops = `a0 = mov_i32 2
      insn_start:0x1004:0  sync(a0)
      a0 = mov_i32 3
      t0 = guest_ld_i32:u32 0x3000
      goto_tb:0:plain`;
    expect(() => run(ops, HOLE)).toThrow(AccessError);
    expect([view.getInt32(ENV + a0, true), view.getUint32(ENV + PC, true)]).toEqual([2, 0x1004]);
  });

  test('helpers see globals in CPU state and may change them', () => {
    view.setInt32(ENV + a0, 1, true);
    const helper = () => (_env: number, n: number) => {
      const old = view.getInt32(ENV + a0, true);
      view.setInt32(ENV + a0, old + n, true);
      return old;
    };
    run('a0 = mov_i32 10\na1 = call swap_state(5)\na0 = add_i32 a0, 1\ngoto_tb:0:plain', { helper });
    expect([view.getInt32(ENV + a0, true), view.getInt32(ENV + a1, true)]).toEqual([16, 10]);
  });

  test('a helper takes and gives 64-bit integers as BigInt, and any NaN as a number', () => {
    const seen: unknown[] = [];
    const helper = () => (_env: number, a: bigint | number, b: number) => {
      seen.push(a, b);
      return typeof a === 'bigint' ? 1n << 63n : 2.5;
    };
    run('b4 = call pure_wide(-1)\ngoto_tb:0:plain', { helper });
    expect(view.getBigInt64(ENV + b4, true)).toBe(-(1n << 63n));
    view.setBigUint64(ENV + d2, 0xfff0000000000001n, true);
    run('d2 = call pure_float(d2, 1.5)\ngoto_tb:0:plain', { helper });
    expect(seen).toEqual([-1n, undefined, Number.NaN, 1.5]);
    expect(view.getFloat64(ENV + d2, true)).toBe(2.5);
  });

  test('fields outside the globals have widths and signs', () => {
    run(`env_st_i32:768:u8 0x1ff
      t0 = env_ld_i32:768:s8
      a0 = mov_i32 t0
      env_st_v128:784:u128 0x000102030405060708090a0b0c0d0e0f
      e3 = env_ld_v128:784:u128
      a1 = env_addr:784
      goto_tb:0:plain`);
    expect(view.getInt32(ENV + a0, true)).toBe(-1);
    expect(view.getUint32(ENV + a1, true)).toBe(ENV + 784);
    expect(view.getUint8(ENV + e3 + 15)).toBe(15);
  });

  test('control that runs off the end and reads of nothing are internal errors', () => {
    expect(() => run('a0 = mov_i32 1')).toThrow('runs off its end');
    expect(() => run('a0 = mov_i32 t0\ngoto_tb:0:plain')).toThrow('read before it is written');
    expect(() => run('br -> L0')).toThrow('L0 is not placed');
    expect(() => run('t0 = divs_i32 a0, 0\ngoto_tb:0:plain')).toThrow('division by zero');
  });
});
