/** Runs the whole test suite: set-up, type check, formatting and lint, every test file; prints one line of totals last. */

import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { SetupError } from './setup/debian.ts';
import type { GuestTree } from './setup/guests.ts';
import { ensureGuestTree, GUEST_TREES, guestTreePath } from './setup/guests.ts';
import { FILE_LIMIT, TEST_LIMIT, WORK_NAME } from './setup/limits.ts';
import { SETUP_NOTES } from './setup/needs.ts';
import { ensureOracles } from './setup/oracles.ts';
import { removeTree } from './setup/remove.ts';

const root = resolve(import.meta.dir, '..');

const USAGE = `usage: npm test -- [OPTIONS] [PATH-PART...]
Runs the checks and every test file whose path holds one of PATH-PART (default: all).
  --jobs N       test files at a time (default: one per CPU, at most 4)
  --no-setup     install and fetch nothing; tests that need what is missing are skipped
  --no-checks    leave out the build, the type check, formatting and lint
  --timeout S    seconds one test may take (default ${TEST_LIMIT / 1000}) that sets no limit itself
`;

/** How one file of tests, or one check, ended. */
interface Outcome {
  passed: number;
  failed: number;
  /** Names of skipped tests, with their reasons. */
  skipped: string[];
  /** What it printed; shown when something failed. */
  output: string;
}

interface Options {
  jobs: number;
  setup: boolean;
  checks: boolean;
  timeoutS: number;
  parts: string[];
}

function parseOptions(argv: string[]): Options {
  const options: Options = {
    jobs: Math.min(4, availableParallelism()),
    setup: true,
    checks: true,
    timeoutS: TEST_LIMIT / 1000,
    parts: [],
  };
  const positive = (name: string, text: string | undefined): number => {
    const value = Number(text);
    if (value >= 1) return Math.floor(value);
    console.error(`${name} needs a number above 0\n${USAGE}`);
    process.exit(2);
  };
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (word === '--jobs') options.jobs = positive(word, argv[++i]);
    else if (word === '--timeout') options.timeoutS = positive(word, argv[++i]);
    else if (word === '--no-setup') options.setup = false;
    else if (word === '--no-checks') options.checks = false;
    else if (word.startsWith('-')) {
      console.log(USAGE);
      process.exit(word === '--help' || word === '-h' ? 0 : 2);
    } else options.parts.push(word);
  }
  return options;
}

/** Fetches what tests need from outside; returns why a part of it was not possible. */
function setUp(): Record<string, string> {
  const notes: Record<string, string> = {};
  const attempt = (need: string, action: () => void) => {
    try {
      action();
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      notes[need] = error.message;
      console.log(`set-up: no ${need}: ${error.message}; tests that need them will be skipped`);
    }
  };
  const say = (line: string) => console.log(`set-up: ${line}`);
  attempt('oracles', () => ensureOracles(say));
  attempt('guests', () => {
    for (const arch of Object.keys(GUEST_TREES) as GuestTree[]) ensureGuestTree(arch, say);
  });
  return notes;
}

/** Runs a program to its end, or kills it after `limitS` seconds. */
async function runProgram(argv: string[], env: Record<string, string>, limitS: number) {
  const child = Bun.spawn(argv, {
    cwd: root,
    // What earlier runs have left must not decide how tests go (the test of that itself says where), nor a locale that is not
    // installed, of which shells and perl warn.
    env: { ...process.env, WEMU_TRANSLATIONS: 'off', LC_ALL: 'C.UTF-8', ...env },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: limitS * 1000,
    killSignal: 'SIGKILL',
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { ok: child.exitCode === 0, ended: child.signalCode ?? `exit code ${child.exitCode}`, output: out + err };
}

/** Runs a check that either passes or fails as a whole. */
async function runCheck(argv: string[]): Promise<Outcome> {
  const { ok, output } = await runProgram(
    [join(root, 'node_modules/.bin', argv[0]!), ...argv.slice(1)],
    {},
    TEST_LIMIT / 1000,
  );
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: [], output };
}

function unescapeXml(text: string): string {
  const names: Record<string, string> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };
  return text.replace(/&(#?\w+);/g, (all, name: string) =>
    name.startsWith('#')
      ? String.fromCodePoint(Number(name.replace('#x', '0x').replace('#', '')))
      : (names[name] ?? all),
  );
}

/** Counts the test cases of a JUnit report. A skipped test without a reason counts as failed. */
function readReport(xml: string, outcome: Outcome): void {
  for (const [, attributes, ending, body] of xml.matchAll(/<testcase\b([^>]*?)(\/>|>([\s\S]*?)<\/testcase>)/g)) {
    const name = unescapeXml(/\bname="([^"]*)"/.exec(attributes!)?.[1] ?? '?');
    if (ending === '/>' || !/<(failure|error|skipped)\b/.test(body!)) outcome.passed++;
    else if (!/<skipped\b/.test(body!)) outcome.failed++;
    else if (/\[skipped: .+\]$/s.test(name)) outcome.skipped.push(name);
    else {
      outcome.failed++;
      outcome.output += `test '${name}' is skipped without a reason: use testWith of tests/setup/needs.ts\n`;
    }
  }
}

/** Runs one file of tests in a process of its own. Whatever happens to it, its temporary directories are removed. */
async function runTestFile(file: string, notes: Record<string, string>, timeoutS: number): Promise<Outcome> {
  const dir = mkdtempSync(join(tmpdir(), 'wemu-test-'));
  // Other users run programs that are in it.
  chmodSync(dir, 0o755);
  const name = basename(dir);
  const report = join(dir, 'report.xml');
  const argv = [process.execPath, 'test', `./${file}`, `--timeout=${timeoutS * 1000}`];
  const { ok, ended, output } = await runProgram(
    [...argv, '--reporter=junit', `--reporter-outfile=${report}`],
    { [SETUP_NOTES]: JSON.stringify(notes), [WORK_NAME]: name, TMPDIR: dir },
    Math.max(FILE_LIMIT / 1000, 4 * timeoutS),
  );
  const outcome: Outcome = { passed: 0, failed: 0, skipped: [], output };
  try {
    readReport(readFileSync(report, 'utf8'), outcome);
  } catch {
    // No report: the process died, or the file could not be loaded, or holds no test.
  }
  removeTree(dir);
  for (const tree of Object.keys(GUEST_TREES) as GuestTree[]) {
    const work = join(guestTreePath(tree), 'tmp');
    for (const left of existsSync(work) ? readdirSync(work) : []) {
      if (left.startsWith(`${name}-`)) removeTree(join(work, left));
    }
  }
  const nothingRan = outcome.passed + outcome.failed + outcome.skipped.length === 0;
  if ((!ok && outcome.failed === 0) || nothingRan) {
    outcome.failed++;
    outcome.output += `${file}: ${nothingRan && ok ? 'holds no test' : `ended with ${ended}`}\n`;
  }
  return outcome;
}

// Tests compare the modes of files they make.
process.umask(0o022);
const options = parseOptions(process.argv.slice(2));
const notes = options.setup ? setUp() : { oracles: 'set-up not run', guests: 'set-up not run' };
const total = { passed: 0, failed: 0, skipped: [] as string[] };

function report(name: string, outcome: Outcome, seconds: number): void {
  total.passed += outcome.passed;
  total.failed += outcome.failed;
  total.skipped.push(...outcome.skipped);
  const parts = [`${outcome.passed} passed`];
  if (outcome.failed) parts.push(`${outcome.failed} failed`);
  if (outcome.skipped.length) parts.push(`${outcome.skipped.length} skipped`);
  console.log(`${outcome.failed ? 'FAIL' : 'ok  '} ${name}: ${parts.join(', ')} (${seconds.toFixed(1)} s)`);
  for (const skip of outcome.skipped) console.log(`     ${skip}`);
  if (outcome.failed) console.log(outcome.output.replace(/^/gm, '     '));
}

/** Runs jobs, several at a time, and says every half minute which still run, so that a silent hour has a name. */
async function runAll(jobs: { name: string; run: () => Promise<Outcome> }[], atATime: number): Promise<void> {
  const running = new Map<string, number>();
  const seconds = (since: number) => (performance.now() - since) / 1000;
  const ticker = setInterval(() => {
    const list = [...running].map(([name, since]) => `${name} (${Math.round(seconds(since))} s)`);
    console.log(`     still running: ${list.join(', ')}`);
  }, 30_000);
  let next = 0;
  const worker = async () => {
    while (next < jobs.length) {
      const { name, run } = jobs[next++]!;
      const start = performance.now();
      running.set(name, start);
      const outcome = await run();
      running.delete(name);
      report(name, outcome, seconds(start));
    }
  };
  await Promise.all(Array.from({ length: atATime }, worker));
  clearInterval(ticker);
}

const files = [...new Bun.Glob('tests/**/*.test.ts').scanSync({ cwd: root })]
  .filter((file) => options.parts.length === 0 || options.parts.some((part) => file.includes(part)))
  .sort();
if (files.length === 0) {
  console.error(`no test file matches ${options.parts.join(' ')}`);
  process.exit(2);
}
if (options.checks) {
  // Commands are tested as they are started: from bundles. Without this they would run from source if it is newer.
  const start = performance.now();
  const { ok, output } = await runProgram([process.execPath, 'src/tools/build.ts'], {}, TEST_LIMIT / 1000);
  report('build', { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: [], output }, (performance.now() - start) / 1000);
}
const checks = [
  { name: 'type check', run: () => runCheck(['tsc', '--noEmit']) },
  { name: 'formatting and lint', run: () => runCheck(['biome', 'check', '--error-on-warnings', '.']) },
];
const tests = files.map((name) => ({ name, run: () => runTestFile(name, notes, options.timeoutS) }));
await runAll([...(options.checks ? checks : []), ...tests], options.jobs);

console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped.length} skipped`);
process.exit(total.failed ? 1 : 0);
