/** Programs that make many processes, by name, and what is compared of them; of any architecture. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CaseRun,
  describeDirectory,
  type Files,
  fillDirectory,
  makeWorkDirectory,
  type ProgramCase,
  removeWorkDirectory,
} from '../debian-run.ts';

const source = (name: string): string => readFileSync(join(import.meta.dir, name), 'latin1');

/** A project with headers and a library, so that two compilers run at a time. */
const PROJECT: Files = {
  Makefile:
    'CFLAGS = -O2 -Wall\nall: program\nprogram: a.o libnumbers.a\n\tgcc -o $@ a.o -L. -lnumbers\n' +
    'libnumbers.a: b.o c.o\n\tar rcsD $@ $^\n%.o: %.c b.h c.h\n\tgcc $(CFLAGS) -c -o $@ $<\n',
  'a.c':
    '#include <stdio.h>\n#include "b.h"\n#include "c.h"\n' +
    'int main(void) { printf("%d %g %lld\\n", twice(21), half(7), fibonacci(80)); return 0; }\n',
  'b.c': '#include "b.h"\nint twice(int x) { return 2 * x; }\ndouble half(double x) { return x / 2; }\n',
  'b.h': 'int twice(int);\ndouble half(double);\n',
  'c.c':
    '#include "c.h"\nlong long fibonacci(int n) {\n  long long a = 0, b = 1;\n' +
    '  while (n-- > 0) { long long next = a + b; a = b; b = next; }\n  return a;\n}\n',
  'c.h': 'long long fibonacci(int);\n',
};

/** A program with the files it finds. */
export type ProcessCase = ProgramCase & { readonly files: Files };

export const CASES: Readonly<Record<string, ProcessCase>> = {
  'bash: pipes, subshells, here-documents, traps, jobs': {
    program: '/bin/bash',
    args: ['script.sh'],
    files: { 'script.sh': source('script.sh') },
  },
  'make -j2 with gcc and ar, and the program it makes': {
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

/** Runs a case in a directory of `tree` and gives what is to be the same. */
export async function seen(
  one: ProcessCase,
  tree: string,
  runner: (one: ProgramCase, directory: string) => Promise<CaseRun>,
): Promise<CaseRun & { files: string[] }> {
  const directory = makeWorkDirectory(tree);
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
