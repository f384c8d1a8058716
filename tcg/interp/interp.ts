// Runs IR directly, op by op: slow and obvious, the reference for every other engine.
import type { CodegenLayout } from '../engine.ts';
import type { Block, Op } from '../ir/block.ts';
import type { HelperRow } from '../ir/helper-table.ts';
import { OP_LIST } from '../ir/ops.ts';
import { compareI32, compareI64, type IrValue } from '../ir/scalar.ts';
import { type PureOpName, SEMANTICS } from '../ir/semantics.ts';
import { alignmentMask, type Cond, Exit, MO_32, MO_ALIGN, MO_RMW, MO_SIZE, type Type } from '../ir/types.ts';
import type { Global, Value, Variable } from '../ir/value.ts';
import { atomic32, cas32, cas64 } from './atomic.ts';
import { load32, loadValue, MEMOP_OF_TYPE, store32, storeValue } from './memory.ts';

/** A guest access that is not allowed. */
export class AccessError extends Error {
  constructor(
    /** What a CPU would report: the access's address if its first page is bad, else the start of its second page. */
    readonly address: number,
    readonly kind: 'read' | 'write',
    /** The access was misaligned where alignment is required: its size in bytes, else 0. */
    readonly misaligned = 0,
    /** The access goes on behind the last byte of the 4 GiB. */
    readonly wraps = false,
  ) {
    super(`guest ${kind} at 0x${address.toString(16)}${misaligned ? ' misaligned' : ''}`);
  }
}

/** What the interpreter needs of its surroundings. */
export interface InterpreterPort {
  /** All of the memory, CPU state included. */
  readonly view: DataView;
  readonly layout: CodegenLayout;
  /** Whether `length` bytes at `address` may be read; address + length does not exceed 2^32. */
  canRead(address: number, length: number): boolean;
  /** The same for writing; invalidates translations made from those bytes. */
  prepareWrite(address: number, length: number): boolean;
  /** The function of a helper row; its first argument is the address of CPU state. */
  helper(row: HelperRow): CallableFunction;
  /** Told of each guest memory write before it happens. */
  onWrite?(address: number, size: number): void;
}

// How each op is run; small consecutive numbers, so that the switch below becomes a jump table.
const PURE1 = 1;
const PURE2 = 2;
const PURE3 = 3;
const GUEST_LD = 4;
const GUEST_ST = 5;
const ATOMIC = 6;
const CAS32 = 7;
const CAS64 = 8;
const FENCE = 9;
const ENV_LD = 10;
const ENV_ST = 11;
const ENV_ADDR = 12;
const INSN_START = 13;
const LABEL = 14;
const BR = 15;
const BRCOND32 = 16;
const BRCOND64 = 17;
const CALL = 18;
const POLL = 19;
const GOTO_TB = 20;
const GOTO_PTR = 21;
const EXIT_TB = 22;
const MOVE = 23;
/** `guest_ld_i32` and `guest_st_i32`: the accesses that matter for speed. */
const GUEST_LD32 = 24;
const GUEST_ST32 = 25;
const COLD = 26;
const LEAVE_IF = 27;
const CHECKPOINT = 28;
const COUNT_RUN = 29;

const SINGLE_KINDS: Record<string, number> = {
  guest_ld_i32: GUEST_LD32,
  guest_st_i32: GUEST_ST32,
  fence: FENCE,
  env_addr: ENV_ADDR,
  insn_start: INSN_START,
  label: LABEL,
  br: BR,
  brcond_i32: BRCOND32,
  brcond_i64: BRCOND64,
  call: CALL,
  cold_i32: COLD,
  cold_i64: COLD,
  cold_f32: COLD,
  cold_f64: COLD,
  cold_v128: COLD,
  poll: POLL,
  leave_if: LEAVE_IF,
  checkpoint_i32: CHECKPOINT,
  count_run: COUNT_RUN,
  goto_tb: GOTO_TB,
  goto_ptr: GOTO_PTR,
  exit_tb: EXIT_TB,
  atomic_cas_i32: CAS32,
  atomic_cas_i64: CAS64,
};

/** How the op of each code is run. */
const KINDS = new Uint8Array(OP_LIST.length);
/** The meaning of pure ops by code. */
const MEANINGS: ((a: IrValue, b?: unknown, c?: unknown, d?: unknown, e?: unknown) => IrValue)[] = [];
for (const row of OP_LIST) {
  const { name, code } = row;
  const meaning = SEMANTICS[name as PureOpName];
  if (meaning) {
    KINDS[code] = name.startsWith('mov_') ? MOVE : row.ins.length;
    MEANINGS[code] = meaning as (typeof MEANINGS)[0];
    continue;
  }
  MEANINGS[code] = MEANINGS[0]!;
  KINDS[code] =
    SINGLE_KINDS[name] ??
    (name.startsWith('guest_ld')
      ? GUEST_LD
      : name.startsWith('guest_st')
        ? GUEST_ST
        : name.startsWith('atomic_')
          ? ATOMIC
          : name.startsWith('env_ld')
            ? ENV_LD
            : name.startsWith('env_st')
              ? ENV_ST
              : 0);
  if (KINDS[code] === 0) throw new Error(`the interpreter does not know op ${name}`);
}

/** What is known while a block runs. */
class Frame {
  /** The values of variables by id; undefined while a global is only in CPU state or a temporary not written. */
  readonly values: (IrValue | undefined)[];
  /** The current instruction of an unsynced block, unless a helper has taken over the globals. */
  insn: Op | null = null;
  /** For unsynced blocks: ids of the globals written early, and their values at the start of the instruction. */
  early: number[] | null = null;
  readonly saved: (IrValue | undefined)[] = [];

  constructor(
    readonly block: Block,
    readonly port: InterpreterPort,
    readonly env: number,
    /** The memory as words: much faster than a view in code that is not optimised, and above 2 GiB. */
    readonly words: Int32Array,
  ) {
    this.values = new Array(block.valueCount);
  }
}

let lastView: DataView | null = null;
let lastWords = new Int32Array(0);

/** Memory as 32-bit words; index: address / 4. */
function wordsOf(view: DataView): Int32Array {
  if (view !== lastView) {
    lastWords = new Int32Array(view.buffer as ArrayBuffer, 0, Math.floor(view.byteLength / 4));
    lastView = view;
  }
  return lastWords;
}

/**
 * Runs a block from its first op until it leaves, on the CPU state at address `env` (a multiple of 4). Globals are kept apart
 * from CPU state between the points where ops say `sync`, just as generated code keeps them in locals; an exit or a helper
 * call without `sync` (the pass has not run) stores them all. Leaves the PC in CPU state and returns the reason.
 * Throws AccessError where an access is not allowed, and whatever helpers throw; CPU state is then that of the last point
 * where it was made precise.
 */
export function interpretBlock(block: Block, port: InterpreterPort, env: number): Exit {
  return run(new Frame(block, port, env, wordsOf(port.view)), false);
}

/**
 * The same for a block on which the state-sync pass has not run. When something is thrown, CPU state is that of the start of
 * the instruction, without having been stored at each. `writtenEarly` is that of the block's builder, and not -1.
 */
export function interpretUnsynced(block: Block, writtenEarly: number, port: InterpreterPort, env: number): Exit {
  const frame = new Frame(block, port, env, wordsOf(port.view));
  if (writtenEarly !== 0) frame.early = idsOf(block.globals, writtenEarly);
  try {
    return run(frame, true);
  } catch (error) {
    if (frame.insn !== null) {
      if (frame.early !== null) restoreEarly(frame, frame.early);
      store(frame, block.globals);
      setPc(frame, frame.insn.imm);
    }
    throw error;
  }
}

/** Ids of the globals in a mask. */
function idsOf(globals: readonly Global[], mask: number): number[] {
  const ids: number[] = [];
  for (let id = 0; id < globals.length; id++) if ((mask & (1 << id)) !== 0) ids.push(id);
  return ids;
}

function saveEarly(frame: Frame, ids: readonly number[]): void {
  for (let k = 0; k < ids.length; k++) frame.saved[k] = frame.values[ids[k]!];
}

function restoreEarly(frame: Frame, ids: readonly number[]): void {
  for (let k = 0; k < ids.length; k++) frame.values[ids[k]!] = frame.saved[k];
}

/** The frequent ops. The others are apart, because the engine compiles a small function sooner, and better. */
function run(frame: Frame, unsynced: boolean): Exit {
  const { block, values, port, env, words } = frame;
  const { ops, globals } = block;
  for (let i = 0; ; i++) {
    const op = ops[i];
    if (op === undefined) throw new Error(`the block at 0x${block.pc.toString(16)} runs off its end`);
    const { code } = op.row;
    switch (KINDS[code]) {
      case MOVE: {
        const a = op.a!;
        values[op.out!.id] = a.kind === 'const' ? a.value : (values[a.id] ?? load(frame, a));
        break;
      }
      case PURE2: {
        const a = op.a!;
        const b = op.b!;
        const x = a.kind === 'const' ? a.value : (values[a.id] ?? load(frame, a));
        const y = b.kind === 'const' ? b.value : (values[b.id] ?? load(frame, b));
        values[op.out!.id] = MEANINGS[code]!(x, y, op.imm, op.imm2);
        break;
      }
      case INSN_START:
        if (unsynced) {
          frame.insn = op;
          if (frame.early !== null) saveEarly(frame, frame.early);
        } else if (op.sync !== null) {
          store(frame, op.sync);
          setPc(frame, op.imm);
        }
        break;
      case GUEST_LD32: {
        if (op.sync !== null) store(frame, op.sync);
        const { imm } = op;
        const address = (get(frame, op.a!) as number) >>> 0;
        checkRead(port, address, imm);
        values[op.out!.id] =
          imm === MO_32 && (address & 3) === 0 ? words[address >>> 2] : load32(port.view, address, imm);
        break;
      }
      case GUEST_ST32: {
        if (op.sync !== null) store(frame, op.sync);
        const { imm } = op;
        const address = (get(frame, op.a!) as number) >>> 0;
        checkWrite(port, address, imm);
        const value = get(frame, op.b!) as number;
        if (imm === MO_32 && (address & 3) === 0) words[address >>> 2] = value;
        else store32(port.view, address, imm, value);
        break;
      }
      case LABEL:
      case FENCE:
        break;
      case BR:
        i = placeOf(ops, i);
        break;
      case BRCOND32:
        if (op.sync !== null) store(frame, op.sync);
        if (compareI32(op.imm as Cond, get(frame, op.a!) as number, get(frame, op.b!) as number)) i = placeOf(ops, i);
        break;
      case BRCOND64:
        if (op.sync !== null) store(frame, op.sync);
        if (compareI64(op.imm as Cond, get(frame, op.a!) as bigint, get(frame, op.b!) as bigint)) i = placeOf(ops, i);
        break;
      case POLL:
        // Stored on the way out only: a fault behind the poll is replayed from an earlier point, with its registers.
        if (words[(env + port.layout.poll) >>> 2] !== 0) {
          store(frame, op.sync ?? globals);
          setPc(frame, op.imm);
          return Exit.POLL;
        }
        break;
      case CHECKPOINT: {
        const count = ((get(frame, op.a!) as number) - 1) | 0;
        if (count < 0) {
          store(frame, op.sync ?? globals);
          setPc(frame, op.imm);
          if (words[(env + port.layout.poll) >>> 2] !== 0) return Exit.POLL;
        }
        values[op.out!.id] = count < 0 ? op.imm2 : count;
        break;
      }
      case COUNT_RUN:
        words[op.imm >>> 2]!--;
        break;
      case LEAVE_IF:
        if (get(frame, op.a!) === 0 || get(frame, op.b!) === 0) break;
        store(frame, op.sync ?? globals);
        setPc(frame, op.imm);
        return Exit.LOOKUP;
      case GOTO_TB:
        store(frame, op.sync ?? globals);
        setPc(frame, op.imm);
        return Exit.LOOKUP;
      case GOTO_PTR:
        store(frame, op.sync ?? globals);
        setPc(frame, get(frame, op.a!) as number);
        return words[(env + port.layout.poll) >>> 2] === 0 ? Exit.LOOKUP : Exit.POLL;
      case EXIT_TB:
        store(frame, op.sync ?? globals);
        setPc(frame, get(frame, op.a!) as number);
        return op.imm as Exit;
      case CALL:
        call(frame, op);
        break;
      case COLD:
        if (get(frame, op.b!) !== 0 && get(frame, op.c!) !== 0) call(frame, op);
        else values[op.out!.id] = get(frame, op.a!);
        break;
      default:
        runOther(frame, op);
    }
  }
}

/** Runs an op that is not in the loop of `run`. */
function runOther(frame: Frame, op: Op): void {
  if (op.sync !== null) store(frame, op.sync);
  const { values, port, env } = frame;
  const { view } = port;
  const { code } = op.row;
  const out = op.out!;
  switch (KINDS[code]) {
    case PURE1:
      values[out.id] = MEANINGS[code]!(get(frame, op.a!), op.imm, op.imm2);
      break;
    case PURE3:
      values[out.id] = MEANINGS[code]!(get(frame, op.a!), get(frame, op.b!), get(frame, op.c!), op.imm, op.imm2);
      break;
    case GUEST_LD: {
      const address = (get(frame, op.a!) as number) >>> 0;
      checkRead(port, address, op.imm);
      values[out.id] = loadValue(view, address, out.type, op.imm);
      break;
    }
    case GUEST_ST: {
      const address = (get(frame, op.a!) as number) >>> 0;
      checkWrite(port, address, op.imm);
      storeValue(view, address, op.b!.type, op.imm, get(frame, op.b!));
      break;
    }
    case ATOMIC:
    case CAS32:
    case CAS64: {
      const address = (get(frame, op.a!) as number) >>> 0;
      checkWrite(port, address, op.imm);
      const b = get(frame, op.b!);
      values[out.id] =
        KINDS[code] === ATOMIC
          ? atomic32(op.row.name, view, address, op.imm, b as number)
          : KINDS[code] === CAS32
            ? cas32(view, address, op.imm, b as number, get(frame, op.c!) as number)
            : cas64(view, address, op.imm, b as bigint, get(frame, op.c!) as bigint);
      break;
    }
    case ENV_LD:
      values[out.id] = loadValue(view, env + op.imm, out.type, op.imm2);
      break;
    case ENV_ST:
      storeValue(view, env + op.imm, op.a!.type, op.imm2, get(frame, op.a!));
      break;
    case ENV_ADDR:
      values[out.id] = (env + op.imm) | 0;
      break;
  }
}

function call(frame: Frame, op: Op): void {
  const { values, port, insn } = frame;
  const { globals } = frame.block;
  const row = op.helper!;
  const args = op.args!.map((arg) => (row.module ? get(frame, arg) : toHost(get(frame, arg), arg.type)));
  const sees = row.readsGlobals || row.writesGlobals;
  if (op.sync !== null) store(frame, op.sync);
  else if (sees) store(frame, globals);
  if (insn !== null && sees) {
    setPc(frame, insn.imm);
    // If it throws, CPU state is as it left it.
    frame.insn = null;
  }
  const result = port.helper(row)(frame.env, ...args) as IrValue | undefined;
  frame.insn = insn;
  if (row.writesGlobals) for (let k = 0; k < globals.length; k++) values[k] = undefined;
  if (op.out !== null) values[op.out.id] = fromHost(row, result);
}

function setPc(frame: Frame, pc: number): void {
  frame.words[(frame.env + frame.port.layout.pc) >>> 2] = pc;
}

/** The value of an operand. */
function get(frame: Frame, value: Value): IrValue {
  return value.kind === 'const' ? value.value : (frame.values[value.id] ?? load(frame, value));
}

/** Loads a global, which happens when it is first needed. */
function load(frame: Frame, value: Variable): IrValue {
  if (value.kind === 'temp') throw new Error(`t${value.id} is read before it is written`);
  const { type } = value;
  const address = frame.env + value.offset;
  return (frame.values[value.id] =
    type === 'i32' ? frame.words[address >>> 2]! : loadValue(frame.port.view, address, type, MEMOP_OF_TYPE[type]));
}

/** Stores globals to CPU state. One that has not been loaded or written here cannot differ from what is there. */
function store(frame: Frame, list: readonly Global[]): void {
  const { values, words, env } = frame;
  for (let i = 0; i < list.length; i++) {
    const global = list[i]!;
    const value = values[global.id];
    if (value === undefined) continue;
    const { type } = global;
    const address = env + global.offset;
    if (type === 'i32') words[address >>> 2] = value as number;
    else storeValue(frame.port.view, address, type, MEMOP_OF_TYPE[type], value);
  }
}

/** The index of the label that the branch at index `from` goes to; mostly it is close behind. */
function placeOf(ops: readonly Op[], from: number): number {
  const { label } = ops[from]!;
  for (let i = from + 1; i < ops.length; i++) if (ops[i]!.label === label && isLabel(ops[i]!)) return i;
  for (let i = 0; i < from; i++) if (ops[i]!.label === label && isLabel(ops[i]!)) return i;
  throw new Error(`label L${label!.id} is not placed`);
}

function isLabel(op: Op): boolean {
  return KINDS[op.row.code] === LABEL;
}

/** A NaN whose bits were kept goes to a helper as any NaN: numbers do not carry payloads reliably. */
function toHost(value: IrValue, type: Type): IrValue {
  return typeof value === 'bigint' && type !== 'i64' ? Number.NaN : value;
}

/** A helper's result as an IR value. */
function fromHost(row: HelperRow, result: IrValue | undefined): IrValue {
  if (result === undefined) throw new Error(`helper ${row.name} returned nothing`);
  if (row.result === 'i32') return (result as number) | 0;
  if (row.result === 'i64') return BigInt.asIntN(64, result as bigint);
  if (row.result === 'f32' && row.module === undefined) return Math.fround(result as number);
  return result;
}

const TOP = 0x100000000;
const PAGE = 0x1000;

function checkRead(port: InterpreterPort, address: number, memOp: number): void {
  const size = 1 << (memOp & MO_SIZE);
  if (memOp & MO_RMW) {
    // A page that may be written may be read on all processors with such instructions.
    checkBytes(port, address, memOp);
    return;
  }
  if (memOp & MO_ALIGN && address & alignmentMask(memOp) && (address + size <= TOP || size === 16))
    throw new AccessError(address, 'read', size);
  if (address + size <= TOP && port.canRead(address, size)) return;
  const first = PAGE - (address & (PAGE - 1));
  const wraps = address + size > TOP;
  if (first >= size || !port.canRead(address, first)) throw new AccessError(address, 'read', 0, wraps);
  const second = (address + first) % TOP;
  if (!port.canRead(second, size - first)) throw new AccessError(second, 'read', 0, wraps);
}

function checkWrite(port: InterpreterPort, address: number, memOp: number): void {
  checkBytes(port, address, memOp);
  port.onWrite?.(address, 1 << (memOp & MO_SIZE));
}

/** Makes sure that the bytes may be written. */
function checkBytes(port: InterpreterPort, address: number, memOp: number): void {
  const size = 1 << (memOp & MO_SIZE);
  if (memOp & MO_ALIGN && address & alignmentMask(memOp) && (address + size <= TOP || size === 16))
    throw new AccessError(address, 'write', size);
  if (address + size > TOP || !port.prepareWrite(address, size)) {
    const first = PAGE - (address & (PAGE - 1));
    const wraps = address + size > TOP;
    if (first >= size || !port.prepareWrite(address, first)) throw new AccessError(address, 'write', 0, wraps);
    const second = (address + first) % TOP;
    if (!port.prepareWrite(second, size - first)) throw new AccessError(second, 'write', 0, wraps);
  }
}
