// Editors and a pager on a terminal: the same keys give the same screens and the same files natively and under wemu.

import { describe, expect } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TEST_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';
import { oraclePath } from '../../setup/oracles.ts';
import { type Files, textLines } from '../debian-run.ts';
import { CHROOT_NEEDS } from '../native-chroot.ts';
import { Twin } from './twin.ts';

const [CTRL_C, ESC, CTRL_R, CTRL_V, CTRL_Z] = ['\x03', '\x1b', '\x12', '\x16', '\x1a'];

const TEXT = textLines(60, 1);

/** The library through which vim is told the time (waiting-clock.c says why), as the file clock.so. */
function clock(): Files {
  const directory = mkdtempSync(join(tmpdir(), 'clock-'));
  try {
    const library = join(directory, 'clock.so');
    const source = join(import.meta.dir, 'waiting-clock.c');
    const built = Bun.spawnSync([
      ...[oraclePath('gcc-i386')!, '-Wall', '-Werror', '-O1', '-fPIC', '-shared', '-nostdlib', '-o', library, source],
    ]);
    if (!built.success) throw new Error(built.stderr.toString());
    return { 'clock.so': readFileSync(library) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/**
 * The terminal is one that vim asks nothing: an xterm it asks for its version, the width of characters and more, and what it
 * shows depends on when no answer comes.
 */
function session(
  name: string,
  argv: readonly string[],
  files: Files,
  body: (twin: Twin) => Promise<void>,
  more: () => Files = () => ({}),
): void {
  testWith(
    ['guest-i386', 'gcc-i386', ...CHROOT_NEEDS],
    name,
    async () => {
      const twin = Twin.start(argv, { ...files, ...more() }, 'linux', true);
      try {
        await body(twin);
        const [native, wemu] = await twin.end();
        expect(wemu).toEqual(native!);
      } finally {
        await twin.close();
      }
    },
    TEST_LIMIT,
  );
}

describe('editors', () => {
  session(
    'vim-tiny edits a file',
    ['/usr/bin/env', 'LD_PRELOAD=./clock.so', '/usr/bin/vim.tiny', '-u', 'NONE', '-N', '-n', '-i', 'NONE', 'text'],
    { text: TEXT },
    async (vim) => {
      await vim.step('', /^"text" 60L/m);
      await vim.step('ithe first line\rand the second', 'and the second');
      await vim.step(CTRL_C, /and the second[\s\S]*cursor 1,13/);
      await vim.step(':set ruler\r', /2,14 +Top/);
      await vim.step('jddp', /4,1 +Top/);
      await vim.step('yy3Pu', /4,1 +Top/);
      await vim.step(CTRL_R, /4,1 +Top/);
      await vim.step(':%s/alpha/ALPHA & more/g\r', 'ALPHA alpha more');
      await vim.step('gg/kappa\r', /kappa/);
      await vim.step('cwCHANGED', 'CHANGED');
      await vim.step(CTRL_C, /CHANGED[\s\S]*13,7 /);
      await vim.step(':not to be', /:not to be\n\[cursor/);
      await vim.step(CTRL_C, /CHANGED(?![\s\S]*:not to be)[\s\S]*13,7 /);
      await vim.step('n.', /CHANGED[\s\S]*CHANGED/);
      await vim.step(`gg${CTRL_V}jj3lrX`, 'XXXX');
      await vim.step('G', /64,1 +Bot/);
      await vim.step('othe last line', 'the last line');
      await vim.step(ESC, /65,13 +Bot/);
      await vim.resize(100, 30, /65,13 +Bot[\s\S]*cursor 28,12/);
      await vim.step(':set number\r', /65 the last line/);
      await vim.resize(60, 16, /65 the last line/);
      await vim.step(':r !echo from a command; stty size\r', '16 60');
      await vim.step(':!echo shown; sleep 0; echo again\r', 'Press ENTER');
      await vim.step('\r', /67 16 60/);
      await vim.step('gg!Gsort -r\r', '67 lines filtered');
      await vim.step(':wq\r', /./);
    },
    clock,
  );

  session(
    'vim-tiny is suspended by a shell and goes on',
    ['/bin/bash', '--noprofile', '--rcfile', 'rc', '-i'],
    { rc: "PS1='<\\#> '\n", text: TEXT },
    async (shell) => {
      await shell.step('', { prompt: '<1> ' });
      await shell.step('LD_PRELOAD=./clock.so vim.tiny -u NONE -N -n -i NONE text\r', /^"text" 60L/m);
      await shell.step('Oabove', 'above');
      await shell.step(CTRL_C, /^above[\s\S]*cursor 0,4/);
      await shell.step(CTRL_Z, { prompt: '<2> ' });
      await shell.step('jobs; stty size\r', { prompt: '<3> ' });
      await shell.resize(90, 20, { prompt: '<3> ' });
      await shell.step('fg\r', /^above[\s\S]*\n~?[\s\S]*cursor/);
      await shell.step(':set ruler\r', /1,5 +Top/);
      await shell.step('ZZ', { prompt: '<4> ' });
      await shell.step('stty -a | head -n 1; head -n 2 text\r', { prompt: '<5> ' });
      await shell.step('exit\r', /^exit$/m);
    },
    clock,
  );

  session('busybox vi edits a file', ['/bin/busybox', 'vi', 'text'], { text: TEXT }, async (vi) => {
    await vi.step('', /text.*1\/60/);
    await vi.step('ithe first line\rand the second', 'and the second');
    // An escape character with others behind it may be a key of its own.
    await vi.step(ESC, /^- text/m);
    await vi.step('jddp', /^Put 1 lines[\s\S]*cursor 3,0/m);
    await vi.step('/kappa\r', /^- text.* 10\/61/m);
    await vi.step('cwCHANGED', /^I text.* 10\/61[\s\S]*cursor 9,7/m);
    await vi.step(ESC, /^- text/m);
    await vi.step('yyp', /^Put 1 lines[\s\S]*cursor 10,0/m);
    await vi.step(':%s/alpha/ALPHA/g\r', /ALPHA/);
    await vi.resize(100, 30, /^- text[\s\S]*cursor/m);
    await vi.step('Gothe end', /^I text.* 63\/63[\s\S]*cursor 24,7/m);
    await vi.step(ESC, /^- text/m);
    await vi.step(':wq\r', /^\n\[cursor 0,0/);
  });

  session('less shows, searches and follows', ['/usr/bin/less', 'text'], { text: textLines(400, 2) }, async (less) => {
    await less.step('', /^text/m);
    await less.step(' ', /^:\[?/m);
    await less.step('/pi 1\r', /pi 1/);
    await less.step('50p=', 'lines 198-220/400');
    await less.step('\r', /^:\n/m);
    await less.resize(50, 12, /./);
    // The first key after a change of size may be lost, natively too: one that changes nothing.
    await less.step('r', /./);
    await less.step('G', '(END)');
    await less.step('-S\r', /./);
    await less.step('=', 'byte 6403/6403 (END)');
    await less.step('\r', /^\(END\)/m);
    await less.step('F', 'Waiting for data');
    await less.interrupt(CTRL_C, /^(?![\s\S]*Waiting)/);
    await less.step('q', /\[cursor/);
  });
});
