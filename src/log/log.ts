/** Which log items are on, where their text goes, and for which guest addresses. */

import { constants, openSync, writeSync } from 'node:fs';
import { UserError } from '../util/errors.ts';
import type { LogItem } from './log-table.ts';
import { LOG, LOG_ALL, LOG_TABLE, LOG_WORDS } from './log-table.ts';

export type { LogItem } from './log-table.ts';
export { LOG } from './log-table.ts';

/** Guest addresses from `first` to `last`, both included. */
export interface AddressRange {
  readonly first: bigint;
  readonly last: bigint;
}

/** Everything a second thread needs to log the same way: plain data, can be passed to a Worker. */
export interface LogConfig {
  readonly mask: number;
  /** File descriptor the text goes to; 2 unless `-D` named a file. */
  readonly fd: number;
  readonly filter: readonly AddressRange[];
}

/**
 * Bits of the items that are on. Test it in place, so that logging costs one test when off:
 * `if (logMask & LOG.exec) log(…)`.
 */
export let logMask = 0;

let logFd = 2;
let logFilter: readonly AddressRange[] = [];
const namedOnce = new Map<string, number>();

/** The text of `-d help`. */
export function logHelp(): string {
  const rows: [string, string][] = LOG_TABLE.map((row) => [row.name, row.help]);
  rows.push(['all', LOG_WORDS.all], ['help', LOG_WORDS.help]);
  return `Log items (comma separated):\n${rows.map(([name, help]) => `${name.padEnd(15)} ${help}\n`).join('')}`;
}

/**
 * The mask of a comma-separated list. Undefined when the list asks for help, or holds an empty or unknown word: the
 * caller then prints `logHelp()` to standard output and exits with 1, as QEMU does.
 */
export function parseLogItems(list: string): number | undefined {
  let mask = 0;
  for (const word of list.split(',')) {
    if (word === 'all') {
      mask |= LOG_ALL;
      continue;
    }
    const row = LOG_TABLE.find((r) => r.name === word);
    if (!row) return undefined;
    mask |= row.bit;
  }
  return mask;
}

/** A C integer literal of up to 64 bits, as strtoull with base 0 takes it; undefined when it is none. */
function parseAddress(text: string): bigint | undefined {
  let value: bigint;
  if (/^0[xX][0-9a-fA-F]+$/.test(text)) value = BigInt(text);
  else if (/^0[0-7]*$/.test(text)) value = text === '0' ? 0n : BigInt(`0o${text.slice(1)}`);
  else if (/^[1-9][0-9]*$/.test(text)) value = BigInt(text);
  else return undefined;
  return value < 1n << 64n ? value : undefined;
}

/**
 * Parses the argument of `-dfilter`: ranges separated by commas, each `first..last`, `first+length` or `last-length`
 * (the last `length` addresses up to and including `last`). An empty text means no filter. Throws UserError.
 */
export function parseLogFilter(text: string): AddressRange[] {
  if (text === '') return [];
  return text.split(',').map((range) => {
    const parts = /^(.*?)(\.\.|\+|-)(.*)$/.exec(range);
    if (!parts) throw new UserError(`-dfilter: '${range}' is no range; write FIRST..LAST, FIRST+LENGTH or LAST-LENGTH`);
    const [, leftText, operator, rightText] = parts as unknown as [string, string, string, string];
    const left = parseAddress(leftText);
    const right = parseAddress(rightText);
    if (left === undefined) throw new UserError(`-dfilter: invalid number '${leftText}' before '${operator}'`);
    if (right === undefined) throw new UserError(`-dfilter: invalid number '${rightText}' after '${operator}'`);
    const first = operator === '-' ? left - (right - 1n) : left;
    const last = operator === '+' ? left + (right - 1n) : operator === '-' ? left : right;
    if (first < 0n || last < first || last >= 1n << 64n) throw new UserError(`-dfilter: empty range '${range}'`);
    return { first, last };
  });
}

/**
 * Opens the file of `-D`, emptying it, and returns its descriptor. `%d`, at most once, stands for the process number;
 * any other `%` is refused. Throws UserError.
 */
export function openLogFile(template: string, pid = process.pid): number {
  if (!/^[^%]*(%d[^%]*)?$/.test(template)) {
    throw new UserError(`-D: '${template}' may hold one %d for the process number and no other %`);
  }
  const path = template.replace('%d', String(pid));
  try {
    // Appending, so that lines of several processes holding the descriptor after a fork do not overwrite each other.
    return openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_APPEND, 0o666);
  } catch (error) {
    throw new UserError(`-D: cannot open log file ${path}: ${(error as Error).message}`);
  }
}

/** Sets up logging for this thread. */
export function configureLog(config: LogConfig): void {
  logMask = config.mask;
  logFd = config.fd;
  logFilter = config.filter;
}

/** The current set-up, for handing to another thread. */
export function logConfig(): LogConfig {
  return { mask: logMask, fd: logFd, filter: logFilter };
}

/** Whether code at guest address `pc` is to be logged by the items about code (in_asm, op, op_opt, out_asm, exec, cpu). */
export function logFilterAllows(pc: number | bigint): boolean {
  return logFilter.length === 0 || logFilter.some((range) => range.first <= pc && pc <= range.last);
}

/**
 * Writes `text` if `item` is on. The text is complete lines; it is written at once and by one call, so that nothing is
 * lost or doubled when the process forks, is killed, or writes to standard error itself.
 */
export function log(item: LogItem, text: string): void {
  if (logMask & LOG[item]) writeLog(text);
}

/** Writes `text` whatever is on; for callers that have tested `logMask` themselves. */
export function writeLog(text: string): void {
  const bytes = Buffer.from(text);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(logFd, bytes, at);
  } catch {
    // A log that cannot be written (closed descriptor, full disk) must not stop the guest.
  }
}

/**
 * Names something unimplemented under the item `unimp`, each distinct text once per thread. `what` says the kind and
 * the name: 'system call 512', 'instruction 0f 0e'. Returns whether this was the first time.
 */
export function unimpOnce(what: string): boolean {
  const times = namedOnce.get(what) ?? 0;
  namedOnce.set(what, times + 1);
  if (times > 0) return false;
  log('unimp', `unimplemented: ${what}\n`);
  return true;
}

/** What was named, with how many times it was asked for. */
export function unimpCounts(): Map<string, number> {
  return namedOnce;
}
