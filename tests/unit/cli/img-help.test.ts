// The help of wemu-img's commands names each option a command takes, and none it does not take.
import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMMAND_HELP } from '../../../src/cli/img/command-help.ts';
import { helpText } from '../../../src/cli/img/help.ts';

const IMG = join(import.meta.dir, '../../../src/cli/img.ts');

/** Something that will do for each argument. */
const VALUES: Readonly<Record<string, string>> = {
  objectdef: 'secret,id=s,data=x',
  'human|json': 'json',
  leaks: 'leaks',
  all: 'all',
  aio: 'threads',
  prealloc: 'off',
  cache: 'none',
  src_cache: 'none',
  sparse_size: '4096',
};

/** `-r, --repair leaks` as words of a command line, once for each of the names. */
function wordsOf(option: string): string[] {
  const argument = /[ =]([^-,= ][^, ]*)$/.exec(option)?.[1];
  const value = argument === undefined ? undefined : (VALUES[argument] ?? '4');
  return (option.match(/(?<![\w-])--?[a-zA-Z][-a-z]*/g) ?? []).flatMap((name) =>
    value === undefined ? [name] : name.startsWith('--') ? [`${name}=${value}`] : [name, value],
  );
}

/** The options in a command's source. */
function optionsInSource(command: string): string[] {
  const source = readFileSync(join(import.meta.dir, `../../../src/cli/img/${command}.ts`), 'utf8');
  // (The old name of -l is not shown.)
  const rows = source.match(/\{[^{}]*\b(?:short|long): '[^{}]*\}/g)?.filter((row) => !row.includes("key: 'l'")) ?? [];
  return rows.flatMap((row) => [
    ...[...row.matchAll(/short: '(.)'/g)].map((m) => `-${m[1]}`),
    ...[...row.matchAll(/long: '([-a-z]+)'/g)].map((m) => `--${m[1]}`),
  ]);
}

for (const [command, { options, syntax }] of Object.entries(COMMAND_HELP)) {
  test(`wemu-img ${command} takes the options its help names`, () => {
    const words = options.map(([option]) => wordsOf(option));
    // All at once, but for those that do not go together; what is missing then is the operands.
    for (const line of command === 'snapshot' ? words : [words.flat()]) {
      const p = Bun.spawnSync([process.execPath, IMG, command, ...line]);
      expect(p.stderr.toString()).toMatch(/Expecting|Must specify|require a filename|Cannot enable copy/);
      expect(p.exitCode).toBe(1);
    }
  });

  test(`the help of wemu-img ${command} names the options it takes`, () => {
    const text = `${options.map(([option]) => option).join(' ')} `;
    for (const option of optionsInSource(command)) {
      expect(text).toMatch(new RegExp(`(^|[ ,])${option}[ ,=]`));
    }
    for (const option of syntax.match(/(?<=[[(| ])--?[a-zA-Z][-a-z]*/g) ?? []) expect(text).toContain(option);
  });
}

test('the help of a command is its own, and all of it fits a terminal of 120 columns', () => {
  for (const [command, { about }] of Object.entries(COMMAND_HELP)) {
    const text = helpText(command);
    expect(text).toContain(about);
    for (const line of text.split('\n'))
      if (!line.startsWith('usage:') && !line.startsWith('Supported formats:')) expect(line.length).toBeLessThan(121);
  }
});
