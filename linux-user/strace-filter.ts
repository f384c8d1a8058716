// Which system calls -strace shows: names and classes of calls as `-strace-filter` lists them.

import { UserError } from '../src/util/errors.ts';
import { FORK_EXEC_ROWS } from './syscalls/fork-exec.ts';
import { IPC_ROWS } from './syscalls/ipc.ts';
import { MEMORY_ROWS } from './syscalls/memory.ts';
import { PROCESS_ROWS } from './syscalls/processes.ts';
import { parseArgs, type Row, type Rows } from './syscalls/row.ts';
import { SIGNAL_ROWS } from './syscalls/signal.ts';
import { SOCKET_ROWS } from './syscalls/sockets.ts';
import { TIME_ROWS } from './syscalls/time.ts';

type Test = (row: Row | undefined) => boolean;

const among = (...tables: Rows[]): Test => {
  const rows = new Set(tables.flatMap((table) => Object.values(table)));
  return (row) => row !== undefined && rows.has(row);
};

const takes = (direction: string, types: readonly string[]): Test => {
  return (row) =>
    row !== undefined && parseArgs(row.args).some((arg) => arg.direction === direction && types.includes(arg.type));
};

/** Classes by the name behind the percent sign, after strace(1). */
const CLASSES: Readonly<Record<string, Test>> = {
  desc: takes('value', ['fd', 'dirfd']),
  file: takes('path', ['path', 'lpath', 'rawpath']),
  ipc: among(IPC_ROWS),
  memory: among(MEMORY_ROWS),
  network: among(SOCKET_ROWS),
  process: among(PROCESS_ROWS, FORK_EXEC_ROWS),
  signal: among(SIGNAL_ROWS),
  time: among(TIME_ROWS),
};

/** The classes there are, for help texts. */
export const STRACE_CLASSES: readonly string[] = Object.keys(CLASSES);

/** Whether a call with this name and row is shown. */
export type StraceFilter = (name: string, row: Row | undefined) => boolean;

/**
 * Parses a list such as `open,%network,!read`: a call is shown when an item without `!` names it (or there is none without
 * `!`) and none with `!` does. `known` are the names of calls. Throws UserError for a name that is none.
 */
export function parseStraceFilter(text: string, known: ReadonlySet<string>): StraceFilter {
  const shown: StraceFilter[] = [];
  const hidden: StraceFilter[] = [];
  for (const item of text.split(',')) {
    const name = item.replace(/^!/, '');
    let test: StraceFilter;
    if (name.startsWith('%')) {
      const found = CLASSES[name.slice(1)];
      if (!found) {
        const classes = STRACE_CLASSES.map((other) => `%${other}`).join(', ');
        throw new UserError(`-strace-filter: no class '${name}'; there are ${classes}`);
      }
      test = (_, row) => found(row);
    } else {
      if (!known.has(name)) throw new UserError(`-strace-filter: no system call '${name}'`);
      test = (other) => other === name;
    }
    (item.startsWith('!') ? hidden : shown).push(test);
  }
  return (name, row) =>
    (shown.length === 0 || shown.some((test) => test(name, row))) && !hidden.some((test) => test(name, row));
}
