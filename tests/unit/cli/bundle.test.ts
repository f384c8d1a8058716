/** The packed package, installed as npm does it: bundled commands behave as their source, and hide the engine's settings. */

import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ENGINE_SETTINGS } from '../../../src/host/engine-settings.ts';
import { COMMANDS } from '../../../src/tools/build.ts';
import { wrapTopLevelLoops } from '../../../src/tools/wrap-loops.ts';
import { TEST_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';

const repository = resolve(import.meta.dir, '../../..');
const programs = join(repository, 'tests/programs');
const hello = join(programs, 'hello/hello');
const top = mkdtempSync(join(tmpdir(), 'wemu-packed-'));
const installed = join(top, 'node_modules/wemu');
afterAll(() => rmSync(top, { recursive: true }));

function run(argv: string[], env: Record<string, string | undefined> = process.env) {
  const { exitCode, signalCode, stdout, stderr } = Bun.spawnSync(argv, { cwd: top, env });
  return { status: exitCode ?? signalCode, out: stdout.toString('latin1'), err: stderr.toString('latin1') };
}

/** Whether everything is built, of the sources as they are: what the launchers look at. */
function isBuilt(): boolean {
  const modified = (file: string): number => statSync(join(repository, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return COMMANDS.every((name) => {
    const built = modified(`build/${name}.js`);
    if (built === 0 || modified('build/wemu') === 0) return false;
    const [, inputs] = /^wemu_inputs='(.*)'$/m.exec(readFileSync(join(repository, `build/${name}.inputs`), 'utf8'))!;
    return inputs!.split(' ').every((file) => modified(file) <= built);
  });
}

beforeAll(() => {
  // `npm pack` builds first (prepare): not while other tests run from what is there.
  const scripts = isBuilt() ? ['--ignore-scripts'] : [];
  const packed = Bun.spawnSync(['npm', 'pack', ...scripts, '--silent', `--pack-destination=${top}`], {
    cwd: repository,
  });
  expect(packed.stderr.toString()).not.toContain('error');
  const archive = readdirSync(top).find((name) => name.endsWith('.tgz'))!;
  mkdirSync(installed, { recursive: true });
  expect(run(['tar', '-xzf', archive, '--strip-components=1', '-C', installed]).err).toBe('');
  const { dependencies } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  for (const name of [...Object.keys(dependencies), '@oven']) {
    const from = join(repository, 'node_modules', name);
    if (existsSync(from)) symlinkSync(from, join(top, 'node_modules', name));
  }
}, TEST_LIMIT);

const command = (name: string) => join(installed, 'src/cli/bin', name);

/** Runs a command from its bundle and from source; checks that both do the same, and returns it. */
function both(name: string, args: string[], env: Record<string, string> = {}) {
  // As long as the other's, because the environment's size is visible in a stack pointer.
  const bundled = run([command(name), ...args], { ...process.env, ...env, WEMU_BUNDLE: '1' });
  const source = run([command(name), ...args], { ...process.env, ...env, WEMU_SOURCE: '1' });
  const withoutPids = ({ err, ...rest }: typeof bundled) => ({ ...rest, err: err.replace(/^\d+ (?=\w+\()/gm, '') });
  expect(withoutPids(bundled)).toEqual(withoutPids(source));
  return bundled;
}

test('the package holds a bundle of every command, with bytecode, and what the bundles read', () => {
  expect(COMMANDS).toContain('user-mode');
  const files = COMMANDS.flatMap((name) => [`build/${name}.js`, `build/${name}.js.jsc`]);
  for (const file of [...files, 'targets/x86/helpers/x87.wasm']) {
    expect([file, existsSync(join(installed, file))]).toEqual([file, true]);
  }
  // As large as Bun, and for this machine only.
  expect(existsSync(join(repository, 'build/wemu'))).toBe(true);
  expect(existsSync(join(installed, 'build/wemu'))).toBe(false);
});

test('what a start loads asks for no module of Bun but those that take no time', () => {
  for (const [name, allowed] of [
    ['user-mode', ['bun:ffi', 'fs', 'path']],
    ['img', []],
  ] as const) {
    const text = readFileSync(join(installed, `build/${name}.js`), 'utf8');
    const modules = [...text.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, module]) => module!);
    expect([name, ...new Set(modules)].sort()).toEqual([name, ...allowed].sort());
  }
});

test('the executable does what the bundles do, from where the package is', () => {
  const executable = join(repository, 'build/wemu');
  const same = (words: string[], name: string, args: string[]) => {
    const whole = run([executable, ...words, ...args]);
    expect([args, whole]).toEqual([args, run([command(name), ...args])]);
    return whole;
  };
  const i386 = (...args: string[]) => same(['user-mode', 'i386'], 'wemu-i386', args);
  expect(i386('-d', 'in_asm', '-cpu', 'max', hello, 'x', '').err).toContain('IN:');
  expect(i386('-d', 'op,op_opt,out_asm', hello).err).not.toBe('');
  expect(i386('-cpu', 'help').out).toContain('qemu32');
  expect(i386('-nonsense', hello).status).toBe(1);
  expect(same(['user-mode', 'arm'], 'wemu-arm', [hello]).status).not.toBe(0);
  expect(same(['img'], 'wemu-img', ['--version']).out).toContain('version');
  expect(same(['img'], 'wemu-img', ['measure', '-O', 'qcow2', '--size', '1G']).status).toBe(0);
  expect(same(['img'], 'wemu-img', ['info', 'missing.qcow2']).status).toBe(1);
});

test('the memory of the guest is made, and garbage collected for it, before there is anything to look through', () => {
  const executable = join(repository, 'build/wemu');
  const environment = { ...process.env, ...Object.fromEntries(ENGINE_SETTINGS.map((setting) => setting.split('='))) };
  const log = run([executable, 'user-mode', 'i386', hello, 'x'], { ...environment, BUN_JSC_logGC: '1' }).err;
  const heaps = [...log.matchAll(/ bytes allocated this cycle: (\d+)/g)].map(([, bytes]) => Number(bytes));
  // Where it takes long there may be more.
  expect(heaps.length).toBeGreaterThan(0);
  expect(heaps[0]! - 2 ** 32).toBeLessThan(1 << 20);
});

test('the bundle is what runs', () => {
  rmSync(join(installed, 'src/cli/user-mode.ts'));
  expect(run([command('wemu-i386'), hello, 'x']).status).toBe(0);
  expect(run([command('wemu-i386'), hello, 'x'], { WEMU_SOURCE: '1' }).status).not.toBe(0);
  Bun.spawnSync(['cp', join(repository, 'src/cli/user-mode.ts'), join(installed, 'src/cli')]);
});

test('programs run the same', () => {
  expect(both('wemu-i386', [hello, 'one', 'two words', '']).out).not.toBe('');
  expect(both('wemu-i386', ['-strace', hello, 'x']).err).toContain('write(');
  expect(both('wemu-i386', ['-engine', 'interp', hello, 'x']).status).toBe(0);
});

test('helper modules and capstone are found', () => {
  expect(both('wemu-i386', ['-d', 'in_asm', '-cpu', 'max', hello, 'x']).err).toContain('IN:');
  const folder = readdirSync(programs).find((name) => existsSync(join(programs, name, name))) ?? 'hello';
  for (const item of ['op', 'op_opt', 'out_asm', 'exec,cpu']) {
    expect([item, both('wemu-i386', ['-d', item, join(programs, folder, folder)]).err === '']).toEqual([item, false]);
  }
});

testWith(['gcc-i386'], 'the x87 helpers are found', () => {
  const source = 'int main(int argc, char **argv) { volatile double x = argc; return (int)(x * 42.5); }';
  const compiled = Bun.spawnSync(['i686-linux-gnu-gcc', '-static', '-mfpmath=387', '-xc', '-', '-o', 'x87'], {
    cwd: top,
    stdin: Buffer.from(source),
  });
  expect(compiled.stderr.toString()).toBe('');
  expect(both('wemu-i386', [join(top, 'x87')])).toEqual({ status: 42, out: '', err: '' });
});

test('what commands print without running anything is the same', () => {
  expect(both('wemu-i386', ['--help']).out).toContain('usage: wemu-i386');
  expect(both('wemu-i386', ['-version']).out).toContain('version');
  expect(both('wemu-i386', ['-cpu', 'help']).out).toContain('Available CPUs');
  expect(both('wemu-i386', ['-d', 'help']).out).toContain('in_asm');
  if (COMMANDS.includes('img')) {
    expect(both('wemu-img', ['--help']).out).toContain('usage');
    expect(both('wemu-img', ['--version']).out).toContain('version');
    both('wemu-img', ['create', '-f', 'qcow2', 'test.qcow2', '1M']);
    both('wemu-img', ['info', 'test.qcow2']);
    both('wemu-img', ['check', 'test.qcow2']);
    both('wemu-img', ['snapshot', '-c', 'one', 'test.qcow2']);
    both('wemu-img', ['info', 'missing.qcow2']);
  }
});

test('mistakes are reported the same', () => {
  expect(both('wemu-i386', []).status).toBe(1);
  expect(both('wemu-i386', ['./missing']).err).toContain('missing');
  expect(both('wemu-i386', ['-nonsense', hello]).status).toBe(1);
  expect(both('wemu-i386', ['-cpu', 'nonsense', hello]).status).toBe(1);
  expect(both('wemu-i386', ['-L', '/missing', hello]).err).toContain('/missing');
  expect(both('wemu-i386', [join(installed, 'package.json')]).status).not.toBe(0);
});

testWith(['gcc-i386'], 'the guest gets the environment of the caller', () => {
  const source = `#include <stdio.h>
int main(int argc, char **argv, char **env) { while (*env) puts(*env++); return 0; }`;
  const compiled = Bun.spawnSync(['i686-linux-gnu-gcc', '-static', '-xc', '-', '-o', 'env'], {
    cwd: top,
    stdin: Buffer.from(source),
  });
  expect(compiled.stderr.toString()).toBe('');
  const lines = (env: Record<string, string>) =>
    run([command('wemu-i386'), './env'], env)
      .out.split('\n')
      .sort();
  expect(lines({})).toEqual(['']);
  expect(lines({ A: '1', B: 'x y' })).toEqual(['', 'A=1', 'B=x y']);
  const [name] = ENGINE_SETTINGS[0]!.split('=');
  expect(lines({ [name!]: '1' })).toEqual(['', `${name}=1`]);
});

test('loops outside functions are put into functions', () => {
  const source = `const a = [];
for (const x of [1, 2]) a.push(x);
for (let i = 0; i < 2; i++) {
  for (const y of a) {
    a[i] = y;
  }
}
while (a.length > 1) a.pop();
function f() {
  for (;;) {}
}
`;
  expect(wrapTopLevelLoops(source)).toBe(`const a = [];
(() => { for (const x of [1, 2]) a.push(x); })();
(() => { for (let i = 0; i < 2; i++) {
  for (const y of a) {
    a[i] = y;
  }
} })();
(() => { while (a.length > 1) a.pop(); })();
function f() {
  for (;;) {}
}
`);
});
