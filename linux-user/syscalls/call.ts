// Turns a row into the function that runs it: registers become arguments, host calls get checked and converted pointers.

import { EBADF, EFAULT, EOVERFLOW } from '../../src/host/errno.ts';
import { SYS, sys0, sys1, sys2, sys3, sys4, sys5, sys6 } from '../../src/host/syscall.ts';
import { isError } from '../errno.ts';
import { isHidden } from '../host-descriptors.ts';
import { BAD_ADDRESS, type PathKind } from '../paths.ts';
import type { Process } from '../process.ts';
import { convert, type Layout, StructSet, sameLayout } from '../structs.ts';
import { type Arg, type Handler, parseArgs, type Row } from './row.ts';

/** Beyond these halves, 64 bits do not fit into a number. */
const MAX_HIGH = 0x200000;

/** 64 bits from two registers: a bigint, which only the host may be given, where no number holds them. */
export function wide(high: number, low: number): number | bigint {
  if (high >= -MAX_HIGH && high < MAX_HIGH) return high * 0x1_0000_0000 + (low >>> 0);
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}

/** The function that runs `row` for processes of `p`'s ABI. It takes the argument registers. */
export function compileRow(row: Row, p: Process): Handler {
  const args = parseArgs(row.args);
  let run = typeof row.run === 'function' ? row.run : compilePass(row, args, SYS[row.run], p);
  if (p.abi.openFlags) run = withOpenFlags(row, args, run, p.abi.openFlags);
  run = withoutHidden(args, run);
  return args.some((arg) => arg.direction === 'loff' || arg.direction === 'loffpair')
    ? joinRegisters(run, registerPlan(args, p))
    : run;
}

/** Descriptors of the emulator are not open to the guest; multiplexers leave this to the rows they lead to. */
function withoutHidden(args: readonly Arg[], run: Handler): Handler {
  const at = args.flatMap(({ type, direction }, i) =>
    direction === 'value' && (type === 'fd' || type === 'dirfd') ? [i] : [],
  );
  if (at.length === 0) return run;
  if (at.length === 1 && at[0] === 0) {
    return (p, a, b, c, d, e, f) => (isHidden(a) ? -EBADF : run(p, a, b, c, d, e, f));
  }
  const values: number[] = [0, 0, 0, 0, 0, 0];
  return (p, a, b, c, d, e, f) => {
    [values[0], values[1], values[2], values[3], values[4], values[5]] = [a, b, c, d, e, f];
    for (const i of at) if (isHidden(values[i]!)) return -EBADF;
    return run(p, a, b, c, d, e, f);
  };
}

/** Whether numbers of this kind are flags of open(2). */
export function isOpenFlags(kind: string | undefined): boolean {
  return kind === 'flags:open' || kind === 'flags:openflag';
}

/** Gives `run` the host's flags of open(2) for the guest's, and the guest's back where they are the result. */
function withOpenFlags(row: Row, args: readonly Arg[], run: Handler, change: (flags: number) => number): Handler {
  const at = args.findIndex((arg) => isOpenFlags(arg.type));
  if (isOpenFlags(row.result)) {
    return (p, a, b, c, d, e, f) => {
      const result = run(p, a, b, c, d, e, f);
      return isError(result) ? result : change(result);
    };
  }
  switch (at) {
    case -1:
      return run;
    case 0:
      return (p, a, b, c, d, e, f) => run(p, change(a), b, c, d, e, f);
    case 1:
      return (p, a, b, c, d, e, f) => run(p, a, change(b), c, d, e, f);
    case 2:
      return (p, a, b, c, d, e, f) => run(p, a, b, change(c), d, e, f);
    default:
      throw new Error(`flags of open(2) as argument ${at} are not expected`);
  }
}

/** Which registers make up each argument. */
export interface RegisterPlan {
  /** First register of each argument. */
  readonly first: readonly number[];
  /** Two registers: 1 low word first, 2 high word first, 0 one register. */
  readonly pair: readonly (0 | 1 | 2)[];
}

/** Assigns registers to arguments by the ABI's rules for 64-bit values. */
export function registerPlan(args: readonly Arg[], p: Process): RegisterPlan {
  const { longSize, bigEndian } = p.abi.model;
  const first: number[] = [];
  const pair: (0 | 1 | 2)[] = [];
  let next = 0;
  for (const arg of args) {
    const two = arg.direction === 'loffpair' || (arg.direction === 'loff' && longSize === 4);
    if (two && arg.direction === 'loff' && p.abi.pairedRegisters) next += next % 2;
    first.push(next);
    pair.push(two ? (bigEndian && arg.direction === 'loff' ? 2 : 1) : 0);
    next += two ? 2 : 1;
  }
  return { first, pair };
}

/** The arguments that registers hold; 64-bit ones are numbers where these are exact (see `wide`). */
export function gatherArgs(plan: RegisterPlan, registers: readonly number[]): (number | bigint)[] {
  return plan.first.map((at, i) => {
    const pair = plan.pair[i];
    if (!pair) return registers[at]!;
    return pair === 1 ? wide(registers[at + 1]!, registers[at]!) : wide(registers[at]!, registers[at + 1]!);
  });
}

function joinRegisters(run: Handler, plan: RegisterPlan): Handler {
  const registers: number[] = [0, 0, 0, 0, 0, 0];
  return (p, a, b, c, d, e, f) => {
    registers[0] = a;
    registers[1] = b;
    registers[2] = c;
    registers[3] = d;
    registers[4] = e;
    registers[5] = f;
    // Handlers only compare such arguments with numbers and pass them on, which a bigint allows too.
    const args = gatherArgs(plan, registers) as number[];
    return run(p, args[0] ?? 0, args[1] ?? 0, args[2] ?? 0, args[3] ?? 0, args[4] ?? 0, args[5] ?? 0);
  };
}

/** What becomes of one argument on its way to the host. */
enum Step {
  SIGNED,
  UNSIGNED,
  /** 64 bits in one host register. */
  WIDE,
  /** 64 bits in one host register and an unused one behind it. */
  WIDE_AND_ZERO,
  PATH,
  /** Structures of the same layout on both sides: the host works on guest memory. */
  IN,
  OUT,
  /** Structures to convert on the way in, out, or both. */
  CONVERT_IN,
  CONVERT_OUT,
  CONVERT_BOTH,
}

interface PlannedArg {
  readonly arg: Arg;
  readonly step: Step;
  /** Bytes of one element on the guest's side. */
  readonly size: number;
  readonly guest: Layout | null;
  readonly host: Layout | null;
}

function compilePass(row: Row, args: readonly Arg[], call: number, p: Process): Handler {
  const planned = args.map((arg) => planArg(arg, p));
  if (planned.every(({ step }) => step === Step.SIGNED)) return passValues(call, args.length, row.blocks === true);
  return (process, a, b, c, d, e, f) => {
    inputs[0] = a;
    inputs[1] = b;
    inputs[2] = c;
    inputs[3] = d;
    inputs[4] = e;
    inputs[5] = f;
    return passPlanned(process, call, planned, row.blocks === true);
  };
}

function planArg(arg: Arg, p: Process): PlannedArg {
  const plain = { arg, size: 0, guest: null, host: null };
  switch (arg.direction) {
    case 'value':
      // A 64-bit ABI's registers are passed as they are.
      return { ...plain, step: arg.signed || p.abi.model.longSize === 8 ? Step.SIGNED : Step.UNSIGNED };
    case 'loff':
      return { ...plain, step: Step.WIDE };
    case 'loffpair':
      return { ...plain, step: Step.WIDE_AND_ZERO };
    case 'path':
      return { ...plain, step: Step.PATH };
  }
  if (arg.type === 'bytes') return { ...plain, size: 1, step: arg.direction === 'in' ? Step.IN : Step.OUT };
  const guest = p.structs.layout(arg.type);
  const host = p.hostStructs.layout(arg.type);
  if (sameLayout(guest, host, arg.direction !== 'out')) {
    return { ...plain, size: guest.size, step: arg.direction === 'in' ? Step.IN : Step.OUT };
  }
  const step =
    arg.direction === 'in' ? Step.CONVERT_IN : arg.direction === 'out' ? Step.CONVERT_OUT : Step.CONVERT_BOTH;
  return { arg, step, size: guest.size, guest, host };
}

/** All arguments are plain signed values. */
function passValues(call: number, count: number, blocks: boolean): Handler {
  if (blocks) return (p, a, b, c, d, e, f) => p.wait(call, a, b, c, d, e, f);
  switch (count) {
    case 0:
      return () => sys0(call);
    case 1:
      return (_, a) => sys1(call, a);
    case 2:
      return (_, a, b) => sys2(call, a, b);
    case 3:
      return (_, a, b, c) => sys3(call, a, b, c);
    case 4:
      return (_, a, b, c, d) => sys4(call, a, b, c, d);
    case 5:
      return (_, a, b, c, d, e) => sys5(call, a, b, c, d, e);
    default:
      return (_, a, b, c, d, e, f) => sys6(call, a, b, c, d, e, f);
  }
}

/** Arguments of the call being passed, and what the host gets. No call is passed while another is. */
const inputs: number[] = [0, 0, 0, 0, 0, 0];
const outputs: number[] = [0, 0, 0, 0, 0, 0, 0, 0];

function passPlanned(p: Process, call: number, planned: readonly PlannedArg[], blocks: boolean): number {
  const scratch = reserveScratch(p, planned);
  let used = 0;
  let at = 0;
  for (let i = 0; i < planned.length; i++) {
    const { arg, step, size, guest, host } = planned[i]!;
    const value = inputs[i]!;
    switch (step) {
      case Step.SIGNED:
      case Step.WIDE:
        outputs[at++] = value;
        break;
      case Step.UNSIGNED:
        outputs[at++] = value >>> 0;
        break;
      case Step.WIDE_AND_ZERO:
        outputs[at++] = value;
        outputs[at++] = 0;
        break;
      case Step.PATH:
        outputs[at++] = p.paths.resolve(value, arg.type as PathKind);
        break;
      case Step.IN:
      case Step.OUT: {
        let length = size * countOf(arg);
        if (arg.type === 'bytes' && arg.countArg >= 0) inputs[arg.countArg] = length = p.room(value, length);
        // A structure counted by bytes elsewhere, or a transfer cut to nothing: let the host judge the address.
        outputs[at++] = step === Step.IN ? p.in(value) : p.out(value, length);
        break;
      }
      default: {
        const count = countOf(arg);
        let address = value === 0 ? 0 : scratch.address + used;
        if (step !== Step.CONVERT_OUT && value !== 0) {
          // Unreadable: the host is given an unreadable address and finds the guest's mistakes in its own order.
          if (!p.memory.checkRead(value, size * count)) address = BAD_ADDRESS;
          else {
            for (let k = 0; k < count; k++) {
              convert(guest!, p.view, (value >>> 0) + k * size, host!, scratch.view, used + k * host!.size);
            }
          }
        }
        outputs[at++] = address;
        used += roundUp(host!.size * count);
      }
    }
  }
  const result = callHost(p, call, at, blocks);
  return used === 0 || isError(result) ? result : storeResults(p, planned, result);
}

/** Converts what the host wrote into guest memory. */
function storeResults(p: Process, planned: readonly PlannedArg[], result: number): number {
  const { view } = p.scratch(0);
  let used = 0;
  for (let i = 0; i < planned.length; i++) {
    const { arg, step, size, guest, host } = planned[i]!;
    if (!guest || !host) continue;
    const count = countOf(arg);
    const value = inputs[i]!;
    if (step !== Step.CONVERT_IN && value !== 0) {
      const valid = arg.byResult ? Math.min(result, count) : count;
      if (!p.memory.prepareWrite(value, size * valid)) return -EFAULT;
      for (let k = 0; k < valid; k++) {
        const ok = convert(host, view, used + k * host.size, guest, p.view, (value >>> 0) + k * size);
        if (!ok) return -EOVERFLOW;
      }
    }
    used += roundUp(host.size * count);
  }
  return result;
}

function reserveScratch(p: Process, planned: readonly PlannedArg[]) {
  let size = 0;
  for (const { arg, host } of planned) if (host) size += roundUp(host.size * countOf(arg));
  return p.scratch(size);
}

/** Elements of an array argument. Counts that no memory could hold are cut: their addresses fail anyway. */
function countOf(arg: Arg): number {
  return arg.countArg < 0
    ? arg.count
    : Math.min(inputs[arg.countArg]! >>> 0, arg.type === 'bytes' ? 0x7ffff000 : 0x10000);
}

function roundUp(size: number): number {
  return Math.ceil(size / 16) * 16;
}

function callHost(p: Process, call: number, count: number, blocks: boolean): number {
  const o = outputs;
  // Registers behind the last argument hold leftovers, as a guest's would.
  if (blocks) return p.wait(call, o[0]!, o[1]!, o[2]!, o[3]!, o[4]!, o[5]!);
  switch (count) {
    case 1:
      return sys1(call, o[0]!);
    case 2:
      return sys2(call, o[0]!, o[1]!);
    case 3:
      return sys3(call, o[0]!, o[1]!, o[2]!);
    case 4:
      return sys4(call, o[0]!, o[1]!, o[2]!, o[3]!);
    case 5:
      return sys5(call, o[0]!, o[1]!, o[2]!, o[3]!, o[4]!);
    default:
      return sys6(call, o[0]!, o[1]!, o[2]!, o[3]!, o[4]!, o[5]!);
  }
}

/** Whether `type` names something a pointer can lead to; for the test of all rows. */
export function isKnownType(type: string, structs: StructSet): boolean {
  if (type === 'bytes' || type === 'raw' || StructSet.isScalar(type)) return true;
  try {
    structs.layout(type);
    return true;
  } catch {
    return false;
  }
}
