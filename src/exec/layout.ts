// Where emulator state lives in the 4 GiB memory, and the sizes generated code relies on.
import { HEADER } from '../../targets/state-layout.ts';
import { boxedName, type HelperRow } from '../../targets/target.ts';
import { type CodegenLayout, PROFILE_ENTRIES } from '../../tcg/engine.ts';
import { loadValue, MEMOP_OF_TYPE, storeValue } from '../../tcg/interp/memory.ts';
import type { IrValue } from '../../tcg/ir/scalar.ts';
import type { Type } from '../../tcg/ir/types.ts';

/** First byte of the region that belongs to the emulator; the guest never maps anything there. */
export const STATE_BASE = 0xfe000000;
/** Bytes of one thread's part: CPU state first, its jump cache behind. */
export const THREAD_STRIDE = 0x10000;
/** How many threads have a place. Behind them one more block is for tables of the process: the x86's LDT. */
export const MAX_THREADS = 127;
/** One 32-bit run counter per table slot, for finding hot blocks. */
export const COUNTER_BASE = STATE_BASE + (MAX_THREADS + 1) * THREAD_STRIDE;
/** Rings of recent indirect jump targets, one per first-tier block that ends in such a jump, while there is room. */
export const PROFILE_BASE = COUNTER_BASE + 0x400000;
export const MAX_PROFILES = (STATE_BASE + 0x1000000 - PROFILE_BASE) / (4 * PROFILE_ENTRIES);
/** Slots that have a counter. */
export const MAX_SLOTS = (PROFILE_BASE - COUNTER_BASE) / 4;

export const CODEGEN_LAYOUT: CodegenLayout = {
  pc: HEADER.pc,
  poll: HEADER.poll,
  jumpCache: 0x4000,
  // 4096 entries of 8 bytes: 32 KiB, the size of a first-level data cache; larger tables measured slower.
  jumpCacheBits: 12,
};

/** Offset from `env` of the boxes through which TypeScript passes vectors and floats to helpers; right before the jump cache. */
const VECTOR_BOXES = CODEGEN_LAYOUT.jumpCache - 0x100;

/** Types of which JavaScript cannot be given, or cannot be trusted with, every bit: they go through boxes. */
const BOXED: readonly (Type | null)[] = ['f32', 'f64', 'v128'];

/**
 * The function of a row that a helper module exports, as the interpreter may call it: with IR values. Vectors and floats go
 * through boxes in memory.
 */
export function callableHelper(
  exports: Readonly<Record<string, unknown>>,
  row: HelperRow,
  view: DataView,
): CallableFunction {
  const { args, result } = row;
  if (!BOXED.includes(result) && !args.some((type) => BOXED.includes(type))) {
    return exports[row.name] as CallableFunction;
  }
  const boxed = exports[boxedName(row.name)] as CallableFunction;
  return (env: number, ...values: IrValue[]) => {
    const boxes = env + VECTOR_BOXES;
    const scalars: unknown[] = [];
    let box = boxes;
    values.forEach((value, n) => {
      const type = args[n]!;
      if (!BOXED.includes(type)) {
        scalars.push(value);
        return;
      }
      storeValue(view, box, type, MEMOP_OF_TYPE[type], value);
      box += 16;
    });
    const returned: unknown = boxed(env, boxes, ...scalars);
    return BOXED.includes(result) ? loadValue(view, boxes, result!, MEMOP_OF_TYPE[result!]) : returned;
  };
}

/** Address of the CPU state block of thread number `index`. */
export function stateAddress(index: number): number {
  return STATE_BASE + index * THREAD_STRIDE;
}
