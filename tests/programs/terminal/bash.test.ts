// Interactive bash on a terminal: the same keys give the same screens natively and under wemu.

import { describe, expect } from 'bun:test';
import { type GuestTree, guestTreePath } from '../../setup/guests.ts';
import { TEST_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';
import { type Files, type GuestPrograms, I386 } from '../debian-run.ts';
import { CHROOT_NEEDS } from '../native-chroot.ts';
import { Twin } from './twin.ts';

const [CTRL_A, CTRL_C, CTRL_D, CTRL_E] = ['\x01', '\x03', '\x04', '\x05'];
const [CTRL_K, CTRL_R, CTRL_T, CTRL_U, CTRL_W, CTRL_Y, CTRL_Z, QUIT] = [
  '\x0b',
  '\x12',
  '\x14',
  '\x15',
  '\x17',
  '\x19',
  '\x1a',
  '\x1c',
];
const [UP, DOWN, RIGHT, LEFT, DELETE] = ['\x1b[A', '\x1b[B', '\x1b[C', '\x1b[D', '\x1b[3~'];

/** Each prompt has its command's number in it, so that no step is taken for one before. */
const FILES: Files = {
  rc: "PS1='<\\#> '; PS2='more> '; unset HISTFILE; ulimit -c 0\n",
  'a-file': 'text\n',
  another: '',
  'sub/dir/deep': '',
};

/** A session of bash with what counts its prompts. */
class Session {
  private commands = 1;
  private constructor(readonly twin: Twin) {}

  static async start(programs: GuestPrograms): Promise<Session> {
    const argv = ['/bin/bash', '--noprofile', '--rcfile', 'rc', '-i'];
    const session = new Session(Twin.start(argv, FILES, 'xterm', false, programs));
    await session.twin.step('', session.prompt());
    return session;
  }

  prompt(): { prompt: string } {
    return { prompt: `<${this.commands}> ` };
  }

  /** Ends a loop of the shell itself by Ctrl-C. */
  async interrupt(): Promise<void> {
    this.commands++;
    await this.twin.interrupt(CTRL_C, this.prompt());
  }

  /** A whole command, until the next prompt. `keys` are all that is typed. */
  async command(keys: string): Promise<void> {
    this.commands++;
    await this.twin.step(`${keys}\r`, this.prompt());
  }

  /** Starts a program that goes on, and waits until the terminal is its own: it says so. */
  async starts(program: string): Promise<void> {
    const mark = `program ${this.commands} runs`;
    await this.twin.step(
      `sh -c 'echo program '${this.commands}' runs; exec ${program}'\r`,
      new RegExp(`^${mark}$`, 'm'),
    );
  }

  /** Keys that end at a prompt, which has the next number if a command was run. */
  async back(keys: string, ran = true): Promise<void> {
    if (ran) this.commands++;
    await this.twin.step(keys, this.prompt());
  }
}

const GUESTS = {
  i386: I386,
  armhf: { tree: guestTreePath('armhf'), guest: 'arm' },
} as const satisfies Partial<Record<GuestTree, GuestPrograms>>;

/** A session of i386's bash, and of ARM's, `usually` also without WEMU_ALL_CASES. */
function session(name: string, usually: boolean, body: (s: Session) => Promise<void>): void {
  for (const arch of ['i386', 'armhf'] as const) {
    if (arch !== 'i386' && !usually && !process.env['WEMU_ALL_CASES']) continue;
    testWith(
      ['guest-i386', `guest-${arch}`, ...CHROOT_NEEDS],
      `${name}, ${arch}`,
      async () => {
        const s = await Session.start(GUESTS[arch]);
        try {
          await body(s);
        } finally {
          await s.twin.close();
        }
      },
      TEST_LIMIT,
    );
  }
}

/** Both have ended alike and left the same files. */
async function same(s: Session): Promise<void> {
  const [native, wemu] = await s.twin.end();
  expect(wemu).toEqual(native!);
}

describe('bash on a terminal', () => {
  session('lines are edited, found again, completed', false, async (s) => {
    await s.command('echo first command');
    await s.command(`cho a b${CTRL_A}e${CTRL_E} c${LEFT}${LEFT}X${RIGHT}${CTRL_E}`);
    await s.command(`echo one two three${CTRL_W}${CTRL_W}2 ${CTRL_Y}`);
    await s.command(`all wrong${CTRL_U}echo ab${CTRL_T}cut${LEFT}${LEFT}${CTRL_K}${DELETE}\x7f`);
    await s.command(`echo some words here\x1bb\x1bb\x1bd${CTRL_E}\x1b.`);
    await s.command(`${UP}${UP}${UP}${DOWN} again`);
    await s.twin.step(CTRL_R, "(reverse-i-search)`'");
    await s.twin.step('first', "(reverse-i-search)`first': echo first command");
    await s.back('\r');
    await s.command('!echo:s/first/second/');
    await s.command('echo !$ !!');
    await s.command('^second^third^');
    await s.command('cat a-f\t');
    await s.command('cat su\tdi\tde\t && ec\t done');
    await s.twin.step('echo a\t\t', /a-file +another/);
    await s.back(`${CTRL_C}`, false);
    await s.command(`echo 'two\rlines'`);
    await s.command('for i in 1 2; do\recho $i\rdone');
    await s.command(`echo ${'a long line that is wrapped '.repeat(5)}${CTRL_A}${RIGHT}${RIGHT}${RIGHT}${RIGHT} not`);
    await s.command('set -o vi');
    await s.command('echo vi mode\x1bbcwchanged\x1b0wiin \x1b$a.');
    await s.command('history | tail -n 4');
    await s.twin.step(`exit 3\r`, 'exit\n');
    await same(s);
  });

  session('the window changes its size', true, async (s) => {
    await s.command('stty size; echo $COLUMNS $LINES');
    await s.twin.resize(100, 30, s.prompt());
    await s.command('stty size; echo $COLUMNS $LINES');
    await s.command("trap 'echo changed: $(stty size)' WINCH");
    await s.twin.resize(70, 20, 'changed: 20 70');
    await s.twin.step('sh -c \'trap "stty size; exit" WINCH; echo waits; while :; do sleep 0.1; done\'\r', /^waits$/m);
    await s.twin.resize(60, 22, '22 60');
    await s.back('');
    await s.twin.step(CTRL_D, /^exit$/m);
    await same(s);
  });

  session('Ctrl-C, Ctrl-Z and Ctrl-\\ reach what runs', false, async (s) => {
    await s.starts('sleep 1000');
    await s.back(CTRL_C);
    await s.command('echo $?');
    await s.twin.step('echo loops; while :; do :; done\r', /^loops$/m);
    await s.interrupt();
    await s.command('echo $?');
    await s.twin.step("sh -c 'echo busy; while :; do :; done'\r", /^busy$/m);
    await s.back(CTRL_C);
    await s.starts('cat');
    await s.twin.step('copied\r', /copied\ncopied/);
    await s.back(CTRL_C);
    await s.twin.step("trap 'echo caught' INT; echo reads; read x\r", /^reads$/m);
    await s.back(`${CTRL_C}\r`);
    await s.command('\x0ctrap - INT');
    await s.starts('cat');
    await s.twin.step('one\r', /one\none/);
    await s.back(CTRL_Z);
    await s.command('jobs');
    await s.twin.step('fg\r', /exec cat'\n\[cursor/);
    await s.twin.step('two\r', /two\ntwo/);
    await s.back(CTRL_D);
    await s.starts('sleep 1000');
    await s.back(CTRL_Z);
    await s.command('bg');
    await s.command('jobs; disown; kill $!; jobs');
    await s.command('cat & until jobs -s >l; [ -s l ]; do :; done; cat l');
    await s.twin.step('\x0cfg\r', /^cat\n\[cursor/m);
    await s.twin.step('four\r', /four\nfour/);
    await s.back(CTRL_D);
    await s.command('stty tostop; echo hidden & until jobs -s >l; [ -s l ]; do :; done; cat l; stty -tostop');
    await s.twin.step('fg\r', 'hidden\n');
    await s.back('');
    await s.starts('cat');
    await s.twin.step('three\r', /three\nthree/);
    await s.back(QUIT);
    await s.command('echo $?');
    await s.twin.step('{ sh -c "echo piped; exec sleep 1000"; } | cat; echo $?\r', /^piped$/m);
    await s.back(CTRL_C);
    const perl =
      '$| = 1; $SIG{INT} = sub { print "handled ", ++$n, "\\n" }; print "perl\\n"; select undef, undef, undef, 0.01 while $n < 2';
    await s.twin.step(`perl -e '${perl}'\r`, /^perl$/m);
    await s.twin.step(CTRL_C, 'handled 1\n');
    await s.back(CTRL_C);
    await s.twin.step(CTRL_D, /^exit$/m);
    await same(s);
  });
});
