// Prints system calls as qemu-user's -strace does: everything is derived from the rows.

import { ERESTARTSYS } from '../src/host/errno.ts';
import { NO_CALL } from './abi/interface.ts';
import { errnoText, isError, NO_RESULT } from './errno.ts';
import type { Process, Tracer } from './process.ts';
import { infoText, type SigInfo } from './siginfo.ts';
import type { StraceFilter } from './strace-filter.ts';
import type { StraceSummary } from './strace-summary.ts';
import * as values from './strace-values.ts';
import { gatherArgs, isOpenFlags, registerPlan } from './syscalls/call.ts';
import type { SystemCalls } from './syscalls/dispatch.ts';
import { type Arg, parseArgs, type Row } from './syscalls/row.ts';

/** A call between its two halves. */
interface Pending {
  /** Text not yet written; empty when it was written at once because the call can wait. */
  text: string;
  readonly row: Row | undefined;
  readonly args: readonly Arg[];
  readonly actual: readonly number[];
  readonly name: string;
  /** When the call began, in nanoseconds of some clock; 0 when nobody asks. */
  start: number;
}

/** What is printed. */
export interface StraceOptions {
  /** The calls, which is what -strace means; false: only what `summary` counts. */
  readonly lines?: boolean;
  /** Seconds each call took, waiting included, at the end of its line. */
  readonly times?: boolean;
  /** Which calls; all unless given. */
  readonly filter?: StraceFilter;
  /** Counts calls and the time they take. */
  readonly summary?: StraceSummary;
}

/** Traces one process (or thread). */
export class Strace implements Tracer {
  private readonly lines: boolean;

  /** @param write takes text, which is one line or, for a call that waits, its beginning or end */
  constructor(
    private readonly process: Process,
    private readonly calls: SystemCalls,
    private readonly write: (text: string) => void,
    private readonly options: StraceOptions = {},
  ) {
    this.lines = options.lines ?? true;
  }

  before(number: number, registers: readonly number[]): Pending | null {
    const { name, row, args, actual } = this.identify(number, registers);
    const { filter, summary, times } = this.options;
    if (filter && !filter(name, row)) return null;
    const timed = summary !== undefined || times === true;
    if (!this.lines) return { text: '', row, args, actual, name, start: Bun.nanoseconds() };
    const shown = row?.shown ? row.shown(...actual) : actual.length;
    const parts = actual.slice(0, shown).map((_, i) => this.argument(args, actual, i));
    const text = `${process.pid} ${name}(${parts.join(',')})`;
    const pending: Pending = { text, row, args, actual, name, start: 0 };
    if (row?.blocks) {
      // Shown before it starts: it may never come back, or print something itself.
      this.write(row.result === 'none' ? `${text}\n` : text);
      pending.text = '';
    }
    // The last thing before the call: printing takes longer than most of them.
    if (timed) pending.start = Bun.nanoseconds();
    return pending;
  }

  after(token: unknown, result: number): void {
    if (token === null) return;
    const { text, row, args, actual, name, start } = token as Pending;
    const { summary, times } = this.options;
    const time = start === 0 ? 0 : Bun.nanoseconds() - start;
    summary?.add(name, time, isError(result));
    if (!this.lines) return;
    const outputs = isError(result) ? '' : this.outputs(args, actual, result);
    const took = times ? ` <${(time / 1e9).toFixed(6)}>` : '';
    this.write(`${text} = ${this.result(row, result)}${outputs}${took}\n`);
  }

  /** One line for a signal that is delivered. */
  signal(info: SigInfo): void {
    if (!this.lines) return;
    const name = values.signalName(info.signal);
    this.write(`--- ${name} {si_signo=${name}, si_code=${infoText(info)}} ---\n`);
  }

  /** Name, declaration and arguments of a call: of the one meant, where a call is a front for others. */
  private identify(number: number, registers: readonly number[]) {
    let row = this.calls.rowOf(number);
    let name = this.calls.nameOf(number) ?? `Unknown syscall ${number}`;
    let inner = registers;
    const unfolded = row?.unfold?.(this.process, [...registers]);
    if (unfolded) {
      ({ row, args: inner } = unfolded as { row: Row; args: number[] });
      // socketcall and ipc become the call they stand for; fcntl and ioctl keep their names.
      name = unfolded.name;
    }
    if (!row) {
      const raw: readonly Arg[] = parseArgs('int a, int b, int c, int d, int e, int f');
      return { name, row, args: raw, actual: [...registers] };
    }
    const args = parseArgs(row.args);
    return { name, row, args, actual: gatherArgs(registerPlan(args, this.process), inner) as number[] };
  }

  /** An argument as it stands before the call. */
  private argument(args: readonly Arg[], actual: readonly number[], i: number): string {
    const arg = args[i]!;
    const value = actual[i]!;
    switch (arg.direction) {
      case 'value':
        return this.scalar(arg.type, arg.signed ? value : value >>> 0);
      case 'loff':
      case 'loffpair':
        return String(value);
      case 'path':
        return values.stringAt(this.process, value >>> 0);
      case 'out':
        return values.address(value >>> 0);
      default:
        return this.pointee(args, actual, i, -1);
    }
  }

  /** A number by its kind; the names of flags are those of the host's numbers. */
  private scalar(kind: string, value: number): string {
    const { openFlags } = this.process.abi;
    return values.scalar(kind, openFlags && isOpenFlags(kind) ? openFlags(value) : value);
  }

  /** What a pointer argument leads to; `result` limits arrays that the call filled, -1 before the call. */
  private pointee(args: readonly Arg[], actual: readonly number[], i: number, result: number): string {
    const p = this.process;
    const arg = args[i]!;
    const pointer = actual[i]! >>> 0;
    if (arg.type === 'raw' || arg.type === 'siginfo') return values.address(pointer);
    if (arg.type === 'sockaddr') return values.socketAddress(p, pointer, this.addressLength(args, actual, i));
    if (arg.type === 'fd_set') return values.descriptorSet(p, pointer, actual[0]!);
    const declared = arg.countArg < 0 ? arg.count : actual[arg.countArg]! >>> 0;
    const count = result >= 0 && arg.byResult ? Math.min(result, declared) : declared;
    if (arg.type === 'bytes') return values.bytesAt(p, pointer, count);
    const isArray = arg.countArg >= 0 || arg.count !== 1;
    return values.structsAt(p, arg.type, pointer, count, isArray);
  }

  /** The argument behind a socket address is its length, or leads to it. */
  private addressLength(args: readonly Arg[], actual: readonly number[], i: number): number {
    const next = args[i + 1];
    if (!next) return 0;
    return next.direction === 'value' ? actual[i + 1]! : (this.process.readU32(actual[i + 1]!) ?? 0);
  }

  private result(row: Row | undefined, result: number): string {
    if (result === -NO_RESULT || result === -NO_CALL) return '?';
    if (result <= -ERESTARTSYS && result > -NO_RESULT) return '? (interrupted by a signal)';
    if (isError(result)) return `-1 errno=${-result} (${errnoText(-result)})`;
    switch (row?.result) {
      case 'hex':
        return values.hex(result);
      case 'octal':
        return values.octal(result);
      case undefined:
      case 'none':
        return String(result);
      default:
        return `${values.hex(result)} (${this.scalar(row!.result!, result)})`;
    }
  }

  /** What the call stored, in parentheses. */
  private outputs(args: readonly Arg[], actual: readonly number[], result: number): string {
    const parts: string[] = [];
    args.forEach((arg, i) => {
      if ((arg.direction !== 'out' && arg.direction !== 'inout') || actual[i] === 0 || arg.type === 'raw') return;
      // The length of a socket address has been shown with it.
      if (i > 0 && args[i - 1]!.type === 'sockaddr') return;
      parts.push(this.pointee(args, actual, i, result));
    });
    return parts.length === 0 ? '' : ` (${parts.join(',')})`;
  }
}
