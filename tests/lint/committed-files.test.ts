/** What is committed: nothing that depends on the machine it was written on, and at the top only what belongs there. */

import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, repositoryFiles } from './source-files.ts';

/** Written in pieces, so that this file does not hold what it looks for. */
const FORBIDDEN: readonly { what: string; pattern: RegExp }[] = [
  { what: 'path of a developer machine', pattern: new RegExp(`(?<![\\w.*-])/${'(work|opt|farm|home|Users)'}/[a-z]`) },
  { what: 'home directory of root', pattern: new RegExp(`(?<![\\w.*-])/${'root'}/[.a-z]`) },
  {
    what: 'package registry host',
    pattern: /registry\.(npmjs|yarnpkg)|npm\.pkg\.|proxy\.golang|(deb|security)\.debian\.org/,
  },
  { what: 'download address in a lock file', pattern: /"resolved":\s*"(?!file:)/ },
];

/** Text files; binaries (guest programs, images) hold what their compilers wrote. */
function textOf(file: string): string | undefined {
  const bytes = readFileSync(join(ROOT, file));
  return bytes.includes(0) ? undefined : bytes.toString('utf8');
}

test('no committed file names this machine or a registry', () => {
  const found: string[] = [];
  for (const file of repositoryFiles()) {
    for (const [index, line] of (textOf(file) ?? '').split('\n').entries()) {
      for (const { what, pattern } of FORBIDDEN) {
        if (file === 'tests/lint/committed-files.test.ts' && line.includes('pattern:')) continue;
        if (pattern.test(line)) found.push(`${file}:${index + 1}: ${what}: ${line.trim().slice(0, 100)}`);
      }
    }
  }
  expect(found).toEqual([]);
});

/** A new one is a decision: the tour of README names the folders. */
const TOP_LEVEL: readonly string[] = [
  ...['.ci', '.gitignore', '.npmrc', 'LICENSE', 'README.md', 'biome.json', 'bunfig.toml', 'docs', 'linux-user'],
  ...['package-lock.json', 'package.json', 'src', 'targets', 'tcg', 'tests', 'tsconfig.json'],
];

test('nothing lies at the top that does not belong there', () => {
  const entries = new Set(repositoryFiles().map((file) => file.split('/')[0]!));
  expect([...entries].filter((entry) => !TOP_LEVEL.includes(entry))).toEqual([]);
});

test('the checkout directory does not appear in any file', () => {
  const files = repositoryFiles().filter((file) => readFileSync(join(ROOT, file)).includes(`${ROOT}/`));
  expect(files).toEqual([]);
});

// npm ci refuses a lock file that lacks an optional package, and npm writes such a file when a registry mirror does not
// carry the packages for other systems (seen with Biome's). The entries can be added by hand: version, os, cpu, optional.
test('the lock file has every optional package, so that npm ci accepts it', () => {
  interface Entry {
    optionalDependencies?: Record<string, string>;
  }
  const packages = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages as Record<string, Entry>;
  const missing = Object.values(packages).flatMap((entry) =>
    Object.keys(entry.optionalDependencies ?? {}).filter((name) => !packages[`node_modules/${name}`]),
  );
  expect(missing).toEqual([]);
});
