// All rows by name: the everyday ones at once, the rare ones loaded when the first of them is called.

import { ATTRIBUTE_ROWS } from './attributes.ts';
import { DESCRIPTOR_ROWS } from './descriptors.ts';
import { DIRECTORY_ROWS } from './directories.ts';
import { FILE_ROWS } from './files.ts';
import { FORK_EXEC_ROWS } from './fork-exec.ts';
import { ID_ROWS } from './ids.ts';
import { INFO_ROWS } from './info.ts';
import { IO_ROWS } from './io.ts';
import { LIMIT_ROWS } from './limits.ts';
import { MEMORY_ROWS } from './memory.ts';
import { PROCESS_ROWS } from './processes.ts';
import type { Row, Rows } from './row.ts';
import { SIGNAL_ROWS } from './signal.ts';
import { STAT_ROWS } from './stat.ts';
import { TIME_ROWS } from './time.ts';

/** What nearly every program uses; loading these is part of every start. */
const COMMON: readonly Rows[] = [
  IO_ROWS,
  FILE_ROWS,
  STAT_ROWS,
  DIRECTORY_ROWS,
  DESCRIPTOR_ROWS,
  ATTRIBUTE_ROWS,
  TIME_ROWS,
  ID_ROWS,
  LIMIT_ROWS,
  INFO_ROWS,
  PROCESS_ROWS,
  FORK_EXEC_ROWS,
  MEMORY_ROWS,
  SIGNAL_ROWS,
];

let rare: readonly Rows[] | undefined;

/** Loads the rest. Synchronous: a system call cannot wait for a promise. */
export function loadRare(): readonly Rows[] {
  return (rare ??= (require('./rare.ts') as typeof import('./rare.ts')).RARE_ROWS);
}

function find(tables: readonly Rows[], name: string): Row | undefined {
  for (const table of tables) if (Object.hasOwn(table, name)) return table[name];
  return undefined;
}

/** The row called `name`, or undefined: not implemented. */
export function findRow(name: string): Row | undefined {
  return find(COMMON, name) ?? find(loadRare(), name);
}

/** Every row, for tests and lists. */
export function allRows(): Map<string, Row> {
  const rows = new Map<string, Row>();
  for (const table of [...COMMON, ...loadRare()]) {
    for (const [name, row] of Object.entries(table)) {
      if (rows.has(name)) throw new Error(`two rows are called ${name}`);
      rows.set(name, row);
    }
  }
  return rows;
}
