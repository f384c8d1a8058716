// Shells, compilers, version control and script languages, which make many processes: the same natively and under wemu.

import { beforeAll, describe, expect } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { testWith } from '../../setup/needs.ts';
import {
  addDevices,
  describeDirectory,
  type Files,
  fillDirectory,
  makeWorkDirectory,
  NATIVE_NEED,
  type ProgramCase,
  removeWorkDirectory,
  runNative,
  runWemu,
} from '../debian-run.ts';

/** Milliseconds for one program on a busy machine; on a quiet one it takes a few seconds. */
const TIMEOUT = 170_000;

beforeAll(addDevices);

const source = (name: string): string => readFileSync(join(import.meta.dir, name), 'latin1');

/** A project of two files, so that two compilers run at a time. */
const PROJECT: Files = {
  Makefile: 'all: program\nprogram: a.o b.o\n\tgcc -o $@ $^\n%.o: %.c b.h\n\tgcc -O2 -c -o $@ $<\n',
  'a.c': '#include <stdio.h>\n#include "b.h"\nint main(void) { printf("%d %g\\n", twice(21), half(7)); return 0; }\n',
  'b.c': '#include "b.h"\nint twice(int x) { return 2 * x; }\ndouble half(double x) { return x / 2; }\n',
  'b.h': 'int twice(int);\ndouble half(double);\n',
};

const CASES: Readonly<Record<string, ProgramCase & { files: Files }>> = {
  'bash: pipes, subshells, here-documents, traps, jobs': {
    program: '/bin/bash',
    args: ['script.sh'],
    files: { 'script.sh': source('script.sh') },
  },
  'make -j2 with gcc, and the program it makes': {
    program: '/bin/sh',
    args: ['-c', 'make -s -j2 && ./program'],
    files: PROJECT,
  },
  'git: commits, a merge, gc': {
    program: '/bin/bash',
    args: ['history.sh'],
    files: { 'history.sh': source('history.sh') },
  },
  'python: fork, subprocess, signals': {
    program: '/usr/bin/python3',
    args: ['-I', 'children.py'],
    files: { 'children.py': source('children.py') },
  },
  'perl: fork, pipes, signals': {
    program: '/usr/bin/perl',
    args: ['children.pl'],
    files: { 'children.pl': source('children.pl') },
  },
};

/** Files whose contents depend on when they were made: git's index has times, packs may be ordered by them. */
const VOLATILE = /\.git\//;

/** In a shell's report of a death. */
const PROCESS_NUMBER = /line (\d+): +\d+ /g;

async function seen(one: ProgramCase & { files: Files }, runner: typeof runNative) {
  const directory = makeWorkDirectory();
  try {
    fillDirectory(directory, one.files);
    const { stdout, stderr, end } = await runner(one, directory);
    return {
      stdout,
      stderr: stderr.replace(PROCESS_NUMBER, 'line $1: PID '),
      end,
      files: describeDirectory(directory).filter((line) => !VOLATILE.test(line)),
    };
  } finally {
    removeWorkDirectory(directory);
  }
}

describe('programs that make processes', () => {
  for (const [name, one] of Object.entries(CASES)) {
    testWith(
      ['guest-i386', NATIVE_NEED],
      name,
      async () => {
        const native = await seen(one, runNative);
        expect(native.end).toBe('0');
        expect(await seen(one, runWemu)).toEqual(native);
      },
      TIMEOUT,
    );
  }
});
