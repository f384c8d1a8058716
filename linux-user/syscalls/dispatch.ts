// Runs the system call a guest asks for: number to row, row to handler, unknown ones named once.

import { EFAULT, ENOSYS, ERESTARTSYS } from '../../src/host/errno.ts';
import { unimpOnce } from '../../src/log/log.ts';
import type { ArchCall } from '../abi/interface.ts';
import { NO_RESULT } from '../errno.ts';
import type { Process } from '../process.ts';
import { compileRow } from './call.ts';
import type { Handler, Row } from './row.ts';
import { findRow, loadRare } from './table.ts';

/** A row an ABI brings along, as a common row. */
function archRow(call: ArchCall): Row {
  return { args: call.args, run: (p, a, b, c) => call.run(p.memory, p.env, a, b, c) };
}

/** The system calls of one process (or thread): handlers by number, made when first called. */
export class SystemCalls {
  private readonly names: readonly string[];
  private readonly handlers: (Handler | undefined)[] = [];
  private readonly byRow = new Map<Row, Handler>();
  private readonly registers: number[] = [0, 0, 0, 0, 0, 0];

  constructor(private readonly process: Process) {
    this.names = process.abi.syscallNames();
    process.beforeRootChange.push(loadRare);
  }

  /**
   * Runs the call whose number and arguments stand in the CPU state, and stores the result there. Returns the result as
   * the handler gave it; results of ERESTARTSYS (512) and up are the process loop's business and are not stored.
   */
  run(): number {
    const p = this.process;
    const number = p.abi.syscallNumber(p.stateView, p.stateEnv);
    const r = this.registers;
    const readable = p.abi.syscallArguments(p.memory, p.env, r);
    const confined = p.seccomp === null ? undefined : p.seccomp.enter(p, number, r);
    const result =
      confined !== undefined
        ? this.refused(number, r, confined)
        : readable
          ? this.call(number, r[0]!, r[1]!, r[2]!, r[3]!, r[4]!, r[5]!)
          : -EFAULT;
    if (result > -ERESTARTSYS || result < -NO_RESULT) p.abi.setSyscallResult(p.stateView, p.stateEnv, result);
    return result;
  }

  /** A call that seccomp has answered. */
  private refused(number: number, args: readonly number[], result: number): number {
    const { tracer } = this.process;
    if (tracer !== null) tracer.after(tracer.before(number, [...args]), result);
    return result;
  }

  /** Runs call `number` with the given argument registers. */
  call(number: number, a: number, b: number, c: number, d: number, e: number, f: number): number {
    const handler = this.handlers[number] ?? this.resolve(number);
    const tracer = this.process.tracer;
    if (tracer === null) return handler(this.process, a, b, c, d, e, f);
    const token = tracer.before(number, [a, b, c, d, e, f]);
    const result = handler(this.process, a, b, c, d, e, f);
    tracer.after(token, result);
    return result;
  }

  /** The name the ABI gives a number; undefined for a hole or a number beyond the table. */
  nameOf(number: number): string | undefined {
    const name = this.names[number];
    return name === '-' ? undefined : name;
  }

  /** The row behind a number; undefined when the call is not implemented. */
  rowOf(number: number): Row | undefined {
    const name = this.nameOf(number);
    if (name === undefined) return undefined;
    const { archCalls, rowNames } = this.process.abi;
    if (Object.hasOwn(archCalls, name)) return archRow(archCalls[name]!);
    return findRow(Object.hasOwn(rowNames, name) ? rowNames[name]! : name);
  }

  private resolve(number: number): Handler {
    const row = this.rowOf(number);
    const handler = row ? this.handlerOf(row) : this.missing(number);
    // A wild number must not make the array huge.
    if (number >= 0 && number < this.names.length) this.handlers[number] = handler;
    return handler;
  }

  private missing(number: number): Handler {
    const name = this.nameOf(number);
    return () => {
      unimpOnce(name === undefined ? `system call ${number}` : `system call ${number} (${name})`);
      return -ENOSYS;
    };
  }

  private handlerOf(row: Row): Handler {
    let handler = this.byRow.get(row);
    if (!handler) {
      handler = row.unfold ? this.unfolding(row) : compileRow(row, this.process);
      this.byRow.set(row, handler);
    }
    return handler;
  }

  /** A row that stands for others: finds the one meant and runs it. */
  private unfolding(row: Row): Handler {
    const own = compileRow(row, this.process);
    const unfold = row.unfold!;
    return (p, a, b, c, d, e, f) => {
      const inner = unfold(p, [a, b, c, d, e, f]);
      if (!inner) return own(p, a, b, c, d, e, f);
      const r = inner.args;
      return this.handlerOf(inner.row)(p, r[0]!, r[1]!, r[2]!, r[3]!, r[4]!, r[5]!);
    };
  }

  /** The numbers the ABI gives a name. */
  numbers(): number[] {
    return this.names.flatMap((name, number) => (name === '-' ? [] : [number]));
  }

  /** Names of the ABI's calls that have no row, in order of number. */
  unimplemented(): string[] {
    return this.numbers()
      .filter((number) => !this.rowOf(number))
      .map((number) => this.names[number]!);
  }
}
