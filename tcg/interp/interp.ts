// Runs IR directly, op by op: slow and obvious, the reference for every other engine.
import type { CodegenLayout } from '../engine.ts';
import type { Block, Op } from '../ir/block.ts';
import type { HelperRow } from '../ir/helper-table.ts';
import { OP_LIST } from '../ir/ops.ts';
import { compareI32, compareI64, type IrValue } from '../ir/scalar.ts';
import { type PureOpName, SEMANTICS } from '../ir/semantics.ts';
import { type Cond, Exit, MO_ALIGN, MO_RMW, MO_SIZE, type Type } from '../ir/types.ts';
import type { Global, Value } from '../ir/value.ts';
import { atomic32, cas32, cas64 } from './atomic.ts';
import { load32, loadValue, store32, storeValue } from './memory.ts';

/** A guest access that is not allowed. */
export class AccessError extends Error {
  constructor(
    /** What a CPU would report: the access's address if its first page is bad, else the start of its second page. */
    readonly address: number,
    readonly kind: 'read' | 'write',
    /** The access was misaligned where alignment is required. */
    readonly misaligned = false,
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
  poll: POLL,
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

const MEMOP_OF_TYPE = { i32: 2, i64: 3, f32: 2, f64: 3, v128: 4 } as const;

/**
 * Runs a block from its first op until it leaves, on the CPU state at address `env`. Globals are kept apart from CPU state
 * between the points where ops say `sync`, just as generated code keeps them in locals; an exit or a helper call without
 * `sync` (the pass has not run) stores them all. Leaves the PC in CPU state and returns the reason.
 * Throws AccessError where an access is not allowed, and whatever helpers throw; CPU state is then that of the last point
 * where it was made precise.
 */
export function interpretBlock(block: Block, port: InterpreterPort, env: number): Exit {
  const { view, layout } = port;
  const { ops, globals } = block;
  const values: Values = new Array(block.valueCount);
  let places: number[] | null = null;

  for (let i = 0; ; i++) {
    const op = ops[i];
    if (op === undefined) throw new Error(`the block at 0x${block.pc.toString(16)} runs off its end`);
    const { code } = op.row;
    switch (KINDS[code]) {
      case MOVE:
        values[op.out!.id] = get(values, view, env, op.a!);
        break;
      case PURE1:
        values[op.out!.id] = MEANINGS[code]!(get(values, view, env, op.a!), op.imm, op.imm2);
        break;
      case PURE2:
        values[op.out!.id] = MEANINGS[code]!(
          get(values, view, env, op.a!),
          get(values, view, env, op.b!),
          op.imm,
          op.imm2,
        );
        break;
      case PURE3:
        values[op.out!.id] = MEANINGS[code]!(
          get(values, view, env, op.a!),
          get(values, view, env, op.b!),
          get(values, view, env, op.c!),
          op.imm,
          op.imm2,
        );
        break;
      case INSN_START:
        if (op.sync !== null) {
          store(values, view, env, op.sync);
          view.setUint32(env + layout.pc, op.imm, true);
        }
        break;
      case LABEL:
        break;
      case GUEST_LD: {
        if (op.sync !== null) store(values, view, env, op.sync);
        const address = (get(values, view, env, op.a!) as number) >>> 0;
        checkRead(port, address, op.imm);
        values[op.out!.id] = loadValue(view, address, op.out!.type, op.imm);
        break;
      }
      case GUEST_LD32: {
        if (op.sync !== null) store(values, view, env, op.sync);
        const address = (get(values, view, env, op.a!) as number) >>> 0;
        checkRead(port, address, op.imm);
        values[op.out!.id] = load32(view, address, op.imm);
        break;
      }
      case GUEST_ST: {
        if (op.sync !== null) store(values, view, env, op.sync);
        const address = (get(values, view, env, op.a!) as number) >>> 0;
        checkWrite(port, address, op.imm);
        storeValue(view, address, op.b!.type, op.imm, get(values, view, env, op.b!));
        break;
      }
      case GUEST_ST32: {
        if (op.sync !== null) store(values, view, env, op.sync);
        const address = (get(values, view, env, op.a!) as number) >>> 0;
        checkWrite(port, address, op.imm);
        store32(view, address, op.imm, get(values, view, env, op.b!) as number);
        break;
      }
      case ATOMIC:
      case CAS32:
      case CAS64: {
        if (op.sync !== null) store(values, view, env, op.sync);
        const address = (get(values, view, env, op.a!) as number) >>> 0;
        checkWrite(port, address, op.imm);
        const b = get(values, view, env, op.b!);
        values[op.out!.id] =
          KINDS[code] === ATOMIC
            ? atomic32(op.row.name, view, address, op.imm, b as number)
            : KINDS[code] === CAS32
              ? cas32(view, address, op.imm, b as number, get(values, view, env, op.c!) as number)
              : cas64(view, address, op.imm, b as bigint, get(values, view, env, op.c!) as bigint);
        break;
      }
      case FENCE:
        break;
      case ENV_LD:
        values[op.out!.id] = loadValue(view, env + op.imm, op.out!.type, op.imm2);
        break;
      case ENV_ST:
        storeValue(view, env + op.imm, op.a!.type, op.imm2, get(values, view, env, op.a!));
        break;
      case ENV_ADDR:
        values[op.out!.id] = (env + op.imm) | 0;
        break;
      case BR:
        i = placeOf((places ??= placesOf(ops)), op);
        break;
      case BRCOND32:
        if (op.sync !== null) store(values, view, env, op.sync);
        if (
          compareI32(op.imm as Cond, get(values, view, env, op.a!) as number, get(values, view, env, op.b!) as number)
        )
          i = placeOf((places ??= placesOf(ops)), op);
        break;
      case BRCOND64:
        if (op.sync !== null) store(values, view, env, op.sync);
        if (
          compareI64(op.imm as Cond, get(values, view, env, op.a!) as bigint, get(values, view, env, op.b!) as bigint)
        )
          i = placeOf((places ??= placesOf(ops)), op);
        break;
      case CALL: {
        const row = op.helper!;
        const args = op.args!.map((arg) => toHost(get(values, view, env, arg), arg.type));
        if (op.sync !== null) store(values, view, env, op.sync);
        else if (row.readsGlobals || row.writesGlobals) store(values, view, env, globals);
        const result = port.helper(row)(env, ...args) as IrValue | undefined;
        if (row.writesGlobals) for (let k = 0; k < globals.length; k++) values[k] = undefined;
        if (op.out !== null) values[op.out.id] = fromHost(row, result);
        break;
      }
      case POLL:
        // Stored on the way out only: a fault behind the poll is replayed from an earlier point, with its registers.
        if (view.getUint32(env + layout.poll, true) !== 0) {
          store(values, view, env, op.sync ?? globals);
          view.setUint32(env + layout.pc, op.imm, true);
          return Exit.POLL;
        }
        break;
      case GOTO_TB:
        store(values, view, env, op.sync ?? globals);
        view.setUint32(env + layout.pc, op.imm, true);
        return Exit.LOOKUP;
      case GOTO_PTR:
        store(values, view, env, op.sync ?? globals);
        view.setInt32(env + layout.pc, get(values, view, env, op.a!) as number, true);
        return view.getUint32(env + layout.poll, true) === 0 ? Exit.LOOKUP : Exit.POLL;
      case EXIT_TB:
        store(values, view, env, op.sync ?? globals);
        view.setInt32(env + layout.pc, get(values, view, env, op.a!) as number, true);
        return op.imm as Exit;
    }
  }
}

/** The values of a block's variables by id; undefined while a global is only in CPU state or a temporary not written. */
type Values = (IrValue | undefined)[];

/** The value of an operand; globals are loaded when they are first needed. */
function get(values: Values, view: DataView, env: number, value: Value): IrValue {
  if (value.kind === 'const') return value.value;
  const known = values[value.id];
  if (known !== undefined) return known;
  if (value.kind === 'temp') throw new Error(`t${value.id} is read before it is written`);
  return (values[value.id] = loadValue(view, env + value.offset, value.type, MEMOP_OF_TYPE[value.type]));
}

/** Stores globals to CPU state. One that has not been loaded or written here cannot differ from what is there. */
function store(values: Values, view: DataView, env: number, list: readonly Global[]): void {
  for (let i = 0; i < list.length; i++) {
    const { id, offset, type } = list[i]!;
    const value = values[id];
    if (value !== undefined) storeValue(view, env + offset, type, MEMOP_OF_TYPE[type], value);
  }
}

/** The index of the label op of each label. */
function placesOf(ops: readonly Op[]): number[] {
  const places: number[] = [];
  for (let i = 0; i < ops.length; i++) {
    const { label, row } = ops[i]!;
    if (label !== null && KINDS[row.code] === LABEL) places[label.id] = i;
  }
  return places;
}

function placeOf(places: readonly number[], op: Op): number {
  const place = places[op.label!.id];
  if (place === undefined) throw new Error(`label L${op.label!.id} is not placed`);
  return place;
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
  if (row.result === 'f32') return Math.fround(result as number);
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
  if (memOp & MO_ALIGN && address & (size - 1)) throw new AccessError(address, 'read', true);
  if (address + size <= TOP && port.canRead(address, size)) return;
  const first = PAGE - (address & (PAGE - 1));
  if (first >= size || !port.canRead(address, first)) throw new AccessError(address, 'read');
  const second = (address + first) % TOP;
  if (!port.canRead(second, size - first)) throw new AccessError(second, 'read');
}

function checkWrite(port: InterpreterPort, address: number, memOp: number): void {
  checkBytes(port, address, memOp);
  port.onWrite?.(address, 1 << (memOp & MO_SIZE));
}

/** Makes sure that the bytes may be written. */
function checkBytes(port: InterpreterPort, address: number, memOp: number): void {
  const size = 1 << (memOp & MO_SIZE);
  if (memOp & MO_ALIGN && address & (size - 1)) throw new AccessError(address, 'write', true);
  if (address + size > TOP || !port.prepareWrite(address, size)) {
    const first = PAGE - (address & (PAGE - 1));
    if (first >= size || !port.prepareWrite(address, first)) throw new AccessError(address, 'write');
    const second = (address + first) % TOP;
    if (!port.prepareWrite(second, size - first)) throw new AccessError(second, 'write');
  }
}
