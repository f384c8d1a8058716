/** The log items of `-d`: one row each. Bits, names, help text and the type `LogItem` all come from here. */

interface LogRow {
  /** Name on the command line; QEMU's where QEMU has the item. */
  readonly name: string;
  /** One bit of the log mask. */
  readonly bit: number;
  /** Shown by `-d help`. */
  readonly help: string;
}

export const LOG_TABLE = [
  { name: 'in_asm', bit: 1 << 0, help: 'guest instructions of every block that is translated' },
  { name: 'op', bit: 1 << 1, help: 'IR of every block as the translator made it' },
  { name: 'op_opt', bit: 1 << 2, help: 'IR of every block after the optimiser' },
  { name: 'out_asm', bit: 1 << 3, help: 'WebAssembly text generated for every block' },
  { name: 'exec', bit: 1 << 4, help: 'one line before a block runs (see nochain)' },
  { name: 'cpu', bit: 1 << 5, help: 'CPU registers before a block runs (see nochain)' },
  { name: 'int', bit: 1 << 6, help: 'exceptions and interrupts the guest takes' },
  { name: 'strace', bit: 1 << 7, help: 'every Linux system call with arguments and result' },
  { name: 'unimp', bit: 1 << 8, help: 'things the guest asked for that wemu does not have, each once' },
  { name: 'guest_errors', bit: 1 << 9, help: 'invalid things the guest does, which real hardware would let pass' },
  { name: 'mmu', bit: 1 << 10, help: 'changes of the guest address space: mappings, protections, page faults' },
  { name: 'nochain', bit: 1 << 11, help: 'return to the run loop after each block, so that exec and cpu miss none' },
] as const satisfies readonly LogRow[];

/** Name of a log item, as in `-d`. */
export type LogItem = (typeof LOG_TABLE)[number]['name'];

/** Bit of each item: `LOG.exec`. */
export const LOG = Object.fromEntries(LOG_TABLE.map((row) => [row.name, row.bit])) as {
  readonly [K in LogItem]: number;
};

/** Words of `-d` that are no item of their own. */
export const LOG_WORDS = {
  all: 'all items above except nochain',
  help: 'this text',
} as const;

/** What `-d all` switches on. `nochain` is left out because it changes how the guest runs, not what is printed. */
export const LOG_ALL = LOG_TABLE.reduce((mask, row) => (row.name === 'nochain' ? mask : mask | row.bit), 0);
