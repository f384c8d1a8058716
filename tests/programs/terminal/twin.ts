// Two programs on pseudo-terminals that get the same keys and must show the same: one natively, one under wemu.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { wemuCommand } from '../../oracle/runner.ts';
import { PROGRAM_LIMIT } from '../../setup/limits.ts';
import {
  describeDirectory,
  type Files,
  fillDirectory,
  type GuestPrograms,
  I386,
  makeWorkDirectory,
  removeWorkDirectory,
} from '../debian-run.ts';
import { nativeChroot } from '../native-chroot.ts';
import { Screen } from './screen.ts';

const ENVIRONMENT = {
  ...{ PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', TZ: 'UTC0', HOME: '/nonexistent' },
  ...{ HISTFILE: '/dev/null', WEMU_TRANSLATIONS: 'off' },
};

/**
 * Numbers of the system calls in which programs wait for keys, time or children. No other call with one of these numbers sleeps.
 * i386: restart_syscall, read, waitpid, wait4, select, nanosleep, poll, rt_sigsuspend, clock_nanosleep, waitid, pselect6, ppoll,
 * and those with 64-bit time. x86-64, for the emulator: read, poll, select, nanosleep, wait4, rt_sigsuspend, restart_syscall,
 * clock_nanosleep, waitid, pselect6, ppoll.
 */
// biome-ignore format: the order of the comment
const WAITING_CALLS = new Set([
  ...['0', '3', '7', '114', '142', '162', '168', '179', '267', '284', '308', '309', '407', '413', '414'],
  ...['0', '7', '23', '35', '61', '130', '219', '230', '247', '270', '271'],
]);

/** What /proc tells about a process; undefined when it has ended. */
function processState(pid: number): { state: string; foreground: number; call: string } | undefined {
  try {
    // The command's name stands in parentheses; then state, parent, group, session, terminal and its foreground group.
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    const call = readFileSync(`/proc/${pid}/syscall`, 'latin1').split(' ')[0]!.trim();
    return { state: fields[0]!, foreground: Number(fields[5]), call };
  } catch {
    return undefined;
  }
}

/** A program on a terminal of its own. */
class Terminal {
  readonly screen: Screen;
  readonly child: Bun.Subprocess;
  /** Everything that was sent to the terminal. */
  transcript = '';
  private notify: () => void = () => {};

  /** @param lends whether keys are for the leader of the terminal's foreground group, if that is another process */
  constructor(
    argv: string[],
    cwd: string,
    columns: number,
    rows: number,
    term: string,
    private readonly lends: boolean,
  ) {
    this.screen = new Screen(columns, rows);
    this.child = Bun.spawn(argv, {
      cwd,
      env: { ...ENVIRONMENT, TERM: term },
      terminal: {
        cols: columns,
        rows,
        data: (_, bytes) => {
          const text = Buffer.from(bytes).toString('latin1');
          this.transcript += text;
          this.screen.feed(text);
          this.notify();
        },
      },
    });
  }

  type(keys: string): void {
    this.child.terminal!.write(Buffer.from(keys, 'latin1'));
  }

  resize(columns: number, rows: number): void {
    // What was sent for the old size is on the screen already: the test has waited for it.
    this.screen.resize(columns, rows);
    this.child.terminal!.resize(columns, rows);
  }

  /** Whether the program sleeps in a system call that waits for descriptors, for time or for a child. */
  waits(): boolean {
    const [state, call] = this.where().split(' ');
    return state === 'S' && WAITING_CALLS.has(call!);
  }

  /** State and number of the system call, or "running", of the program or of whom it has lent the terminal. */
  where(): string {
    const own = processState(this.child.pid);
    const { foreground = 0 } = own ?? {};
    const shown = this.lends && foreground !== this.child.pid ? processState(foreground) : own;
    return shown ? `${shown.state} ${shown.call}` : 'nowhere';
  }

  /** Resolves when the program has sent more. */
  more(): Promise<void> {
    return new Promise((resolve) => {
      this.notify = resolve;
    });
  }
}

/** Numbers of processes, which differ from run to run: a job's, and in what a shell says about a death. */
export function withoutNumbers(text: string): string {
  return text.replace(/^(\[\d+\][+-]? +)\d+/gm, '$1PID').replace(/(job \d+\[)\d+\]/g, '$1PID]');
}

/** What must be on the screens: text, a pattern, or text that ends where the cursor is. */
export type Expected = string | RegExp | { readonly prompt: string };

export class Twin {
  private constructor(
    private readonly native: Terminal,
    private readonly wemu: Terminal,
    private readonly directories: readonly [string, string],
  ) {}

  /**
   * Starts a program of the tree twice, each in a directory with the same files.
   * @param lends the program is a shell whose jobs read the keys: steps wait for the job in the foreground
   * @param programs the tree and the guest under wemu; natively the programs are i386's
   */
  static start(
    argv: readonly string[],
    files: Files,
    term = 'xterm',
    lends = false,
    programs: GuestPrograms = I386,
  ): Twin {
    const [columns, rows] = [80, 24];
    const directories: [string, string] = [makeWorkDirectory(), makeWorkDirectory()];
    for (const directory of directories) fillDirectory(directory, files);
    const { tree, guest } = programs;
    const wemu = wemuCommand(['-L', tree, '-0', argv[0]!], guest);
    if ('missing' in wemu) throw new Error(wemu.missing);
    return new Twin(
      new Terminal(nativeChroot(directories[0], argv), directories[0], columns, rows, term, lends),
      new Terminal(
        [...wemu.command, join(tree, argv[0]!), ...argv.slice(1)],
        directories[1],
        columns,
        rows,
        term,
        lends,
      ),
      directories,
    );
  }

  /** When both wait for keys, types some on both terminals and waits until both show what is expected, and the same. */
  async step(keys: string, expected: Expected): Promise<void> {
    await this.waiting();
    await this.interrupt(keys, expected);
  }

  /** The same while a program computes. */
  async interrupt(keys: string, expected: Expected): Promise<void> {
    this.native.type(keys);
    this.wemu.type(keys);
    await this.until(expected, `after ${JSON.stringify(keys)}`);
  }

  /** Changes the size of both windows and waits likewise. */
  async resize(columns: number, rows: number, expected: Expected): Promise<void> {
    await this.waiting();
    this.native.resize(columns, rows);
    this.wemu.resize(columns, rows);
    await this.waiting();
    await this.until(expected, `in a window of ${columns} by ${rows}`);
  }

  /**
   * Waits until both programs wait for keys. Line editors and vim treat keys and signals differently that come before, natively
   * too: readline forgets a Ctrl-C between showing a line and waiting (strace -e inject=pselect6:delay_enter=1500000).
   */
  private async waiting(): Promise<void> {
    for (let tries = 0; !this.native.waits() || !this.wemu.waits(); tries++) {
      if (tries === PROGRAM_LIMIT / 5) throw new Error(`not waiting: ${this.native.where()} ${this.wemu.where()}`);
      await Bun.sleep(5);
    }
  }

  private async until(expected: Expected, when: string): Promise<void> {
    const shows = ({ screen }: Terminal): boolean => {
      if (typeof expected === 'string') return screen.text().includes(expected);
      if (expected instanceof RegExp) return expected.test(screen.text());
      return screen.beforeCursor().endsWith(expected.prompt);
    };
    const settled = (): boolean => shows(this.native) && shows(this.wemu) && this.text(0) === this.text(1);
    const late = Bun.sleep(PROGRAM_LIMIT);
    let over = false;
    void late.then(() => {
      over = true;
    });
    while (!settled()) {
      if (over) throw new Error(`${when}\n--- native\n${this.text(0)}\n--- wemu\n${this.text(1)}\n---`);
      await Promise.race([this.native.more(), this.wemu.more(), late]);
    }
  }

  private text(which: 0 | 1): string {
    return withoutNumbers([this.native, this.wemu][which]!.screen.text());
  }

  /** What both show now, with process numbers masked. */
  get shown(): string {
    return this.text(1);
  }

  /** Closes both terminals, as when a window is closed. */
  hangUp(): void {
    this.native.child.terminal!.close();
    this.wemu.child.terminal!.close();
  }

  /** Waits for the end of both: how each ended, what it last showed and the files it left. */
  async end(): Promise<{ end: string; screen: string; files: string[] }[]> {
    await Promise.all([this.native.child.exited, this.wemu.child.exited]);
    await this.until(/./, 'at the end');
    const ends: { end: string; screen: string; files: string[] }[] = [];
    for (const which of [0, 1] as const) {
      const { child } = [this.native, this.wemu][which]!;
      ends.push({
        end: String(child.signalCode ?? child.exitCode),
        screen: this.text(which),
        files: describeDirectory(this.directories[which]),
      });
    }
    return ends;
  }

  /** Ends whatever is left, and removes the files. */
  async close(): Promise<void> {
    for (const { child } of [this.native, this.wemu]) {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      child.terminal?.close();
      await child.exited;
    }
    for (const directory of this.directories) removeWorkDirectory(directory);
  }
}
