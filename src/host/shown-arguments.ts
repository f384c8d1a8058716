// The command line and the environment that other processes see of this one, in /proc/PID/cmdline and /proc/PID/environ.

import { readOwnProc } from './own-proc.ts';
import { HostBuffer, SYS, sys1, sys5 } from './syscall.ts';

const PR_SET_MM = 35;
const PR_SET_MM_MAP = 14;

/**
 * The addresses in struct prctl_mm_map, in its order, by their field in /proc/PID/stat (proc(5)); 0 is the end of the heap,
 * which is not there.
 */
const FIELDS = [26, 27, 45, 46, 47, 0, 28, 48, 49, 50, 51] as const;
const BRK = FIELDS.indexOf(0);
const ARG_START = FIELDS.indexOf(48);
/** Eight bytes each, then a pointer and a size for the auxiliary vector, and a descriptor of an executable. */
const MAP_SIZE = 8 * FIELDS.length + 16;
const AUXV_SIZE = MAP_SIZE - 8;
const EXE_FD = MAP_SIZE - 4;

/**
 * What stands in /proc/PID/stat of the fields, read once: the process and its children keep these addresses until the kernel
 * executes something else, but for those of the strings and the end of the heap, which are never taken from here.
 */
let addresses: readonly number[] | undefined;

function readAddresses(): readonly number[] | undefined {
  let stat: string;
  try {
    stat = readOwnProc('stat').toString('latin1');
  } catch {
    return undefined;
  }
  // The second field is a name in parentheses, which may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return FIELDS.map((field) => (field === 0 ? 0 : Number(fields[field - 3])));
}

/** Finds out what the children of a fork will need: they would have to do it for themselves. */
export function prepareShownArguments(): void {
  addresses ??= readAddresses();
}

/** Keeps alive what the kernel reads for others: only the last is needed. */
const kept: HostBuffer[] = [];

/**
 * struct prctl_mm_map that shows these strings (bytes as latin1 text), and the strings, which the kernel reads whenever it is
 * asked for them; null without /proc.
 */
export function layOutArguments(
  argv: readonly string[],
  environment: readonly string[],
): { readonly map: HostBuffer; readonly text: HostBuffer } | null {
  prepareShownArguments();
  if (!addresses) return null;
  const words = Buffer.from(argv.map((word) => `${word}\0`).join(''), 'latin1');
  const variables = Buffer.from(environment.map((item) => `${item}\0`).join(''), 'latin1');
  const text = new HostBuffer(words.length + variables.length + 1);
  text.u8.set(words, 0);
  text.u8.set(variables, words.length);
  const map = new HostBuffer(MAP_SIZE);
  const put = (index: number, value: number): void => {
    map.view.setUint32(8 * index, value >>> 0, true);
    map.view.setUint32(8 * index + 4, Math.floor(value / 2 ** 32), true);
  };
  for (let index = 0; index < FIELDS.length; index++) put(index, addresses[index]!);
  put(BRK, sys1(SYS.brk, 0));
  const middle = text.address + words.length;
  put(ARG_START, text.address);
  put(ARG_START + 1, middle);
  put(ARG_START + 2, middle);
  put(ARG_START + 3, middle + variables.length);
  map.view.setUint32(AUXV_SIZE, 0, true);
  map.view.setInt32(EXE_FD, -1, true);
  return { map, text };
}

/**
 * Shows other processes these strings (bytes as latin1 text) as command line and environment. Without effect where the
 * kernel does not allow it (no /proc, built without CONFIG_CHECKPOINT_RESTORE): then they see what the emulator was started with.
 */
export function showArguments(argv: readonly string[], environment: readonly string[]): void {
  const made = layOutArguments(argv, environment);
  if (made === null) return;
  const { map, text } = made;
  if (sys5(SYS.prctl, PR_SET_MM, PR_SET_MM_MAP, map.address, MAP_SIZE, 0) === 0) kept.splice(0, 1, text);
}
