// Runs blocks of the imaginary guest of `ir-random.ts` under the interpreter and gathers everything that can be observed.
import { AccessError, type InterpreterPort, interpretBlock } from '../../tcg/interp/interp.ts';
import type { Block } from '../../tcg/ir/block.ts';
import { FIELDS, fillBytes, STATE_PC, STATE_POLL, STATE_SIZE, WINDOW, WINDOW_SIZE } from './ir-random.ts';

/** Address of CPU state. */
export const ENV = 0x8000;

/** What is set up before a run. */
export interface Start {
  readonly seed: number;
  /** The poll word. */
  readonly poll: number;
  /** Accesses that touch [bad, bad + 256) fail; outside the window: none does. */
  readonly bad: number;
}

/** All that a run did. */
export interface Outcome {
  readonly exit: number | string;
  readonly memory: Uint8Array;
  readonly accesses: readonly string[];
}

export function run(block: Block, start: Start): Outcome {
  const memory = new Uint8Array(ENV + STATE_SIZE);
  fillBytes(memory.subarray(WINDOW, WINDOW + WINDOW_SIZE + 16), start.seed);
  fillBytes(memory.subarray(ENV, ENV + STATE_SIZE), start.seed * 31 + 7);
  const view = new DataView(memory.buffer);
  view.setUint32(ENV + STATE_PC, block.pc, true);
  view.setUint32(ENV + STATE_POLL, start.poll, true);
  const accesses: string[] = [];
  const allowed = (kind: string, address: number, length: number) => {
    accesses.push(`${kind} ${address.toString(16)} ${length}`);
    return address + length <= start.bad || address >= start.bad + 256;
  };
  const { globals } = block;
  const ints = globals.filter((global) => global.type === 'i32');
  const at = (n: number) => ENV + ints[(n >>> 0) % ints.length]!.offset;
  const bodies: Record<string, (env: number, ...args: never[]) => unknown> = {
    pure_mix: (_env, a: number, b: number) => Math.imul(a, 31) + b,
    pure_wide: (_env, a: bigint) => a * 3n,
    pure_float: (_env, a: number, b: number) => a + b,
    read_state: () => ints.reduce((sum, global) => (sum * 3 + view.getInt32(ENV + global.offset, true)) | 0, 0),
    change_state: (_env, a: number) => view.setInt32(at(a), a, true),
    swap_state: (_env, a: number) => {
      const old = view.getInt32(at(a), true);
      view.setInt32(at(a), old + 1, true);
      return old;
    },
    count: (_env, a: number) => {
      const counter = ENV + FIELDS + 128;
      view.setInt32(counter, view.getInt32(counter, true) + a, true);
      return view.getInt32(counter, true);
    },
    mark: (_env, a: number) => {
      const marks = ENV + FIELDS + 132;
      view.setInt32(marks, view.getInt32(marks, true) | a, true);
      return a ^ 5;
    },
    note: (_env, a: number) => accesses.push(`note ${a}`),
  };
  const port: InterpreterPort = {
    view,
    layout: { pc: STATE_PC, poll: STATE_POLL, jumpCache: 0, jumpCacheBits: 0 },
    canRead: (address, length) => allowed('read', address, length),
    prepareWrite: (address, length) => allowed('write', address, length),
    helper: (row) => bodies[row.name]!,
  };
  let exit: number | string;
  try {
    exit = interpretBlock(block, port, ENV);
  } catch (error) {
    if (!(error instanceof AccessError)) throw error;
    exit = error.message;
  }
  return { exit, memory, accesses };
}
