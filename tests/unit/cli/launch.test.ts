/** Tests of the launchers in src/cli/bin: however they are called, the guest sees its arguments and environment untouched. */

import { afterAll, expect, test } from 'bun:test';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ENGINE_SETTINGS, withoutEngineSettings } from '../../../src/host/engine-settings.ts';

const repository = resolve(import.meta.dir, '../../..');

/** A package like ours, installed the way npm does it, whose entry points print what they were given. */
const top = mkdtempSync(join(tmpdir(), 'wemu launch '));
const installed = join(top, 'node_modules/wemu');
mkdirSync(join(top, 'node_modules/.bin'), { recursive: true });
cpSync(join(repository, 'src/cli/bin'), join(installed, 'src/cli/bin'), { recursive: true });
symlinkSync(join(repository, 'node_modules/bun'), join(top, 'node_modules/bun'));
symlinkSync('../wemu/src/cli/bin/wemu-i386', join(top, 'node_modules/.bin/wemu-i386'));
symlinkSync('../wemu/src/cli/bin/wemu', join(top, 'node_modules/.bin/wemu'));
symlinkSync(join(installed, 'src/cli/bin/wemu-i386'), join(top, 'elsewhere'));
const probe = `import { readFileSync } from 'node:fs';
const words = (file: string) => readFileSync(file, 'latin1').split('\\0').slice(0, -1);
const entry = import.meta.file;
console.log(JSON.stringify({ entry, args: words('/proc/self/cmdline').slice(5), env: words('/proc/self/environ'), loaded: globalThis.loaded, dot: process.env.DOT }));
`;
for (const entry of ['wemu', 'user-mode']) writeFileSync(join(installed, 'src/cli', `${entry}.ts`), probe);
// What a project in the current directory may hold, and what must not reach us.
writeFileSync(join(top, 'bunfig.toml'), 'preload = ["./preload.ts"]\n');
writeFileSync(join(top, 'preload.ts'), 'globalThis.loaded = true;\n');
writeFileSync(join(top, '.env'), 'DOT=1\n');
afterAll(() => rmSync(top, { recursive: true }));

interface Seen {
  entry: string;
  args: string[];
  env: string[];
  loaded?: boolean;
  dot?: string;
}

function launch(command: string, args: string[], env: Record<string, string> = {}): Seen {
  const run = Bun.spawnSync([command, ...args], { cwd: top, env });
  expect(run.stderr.toString()).toBe('');
  const seen = JSON.parse(run.stdout.toString()) as Seen;
  return { ...seen, env: withoutEngineSettings(seen.env) };
}

const AWKWARD = ['-d', 'help', '--version', '--', '', 'a b', '$HOME', "'", '*', '-e', '--config=x', '\\n', 'é'];
const latin1 = (words: string[]) => words.map((word) => Buffer.from(word).toString('latin1'));

test('arguments arrive as given, after the guest name', () => {
  for (const command of ['node_modules/.bin/wemu-i386', join(installed, 'src/cli/bin/wemu-i386'), './elsewhere']) {
    const seen = launch(command, AWKWARD);
    expect(seen.entry).toBe('user-mode.ts');
    expect(seen.args).toEqual(latin1(['i386', ...AWKWARD]));
  }
  const general = launch('node_modules/.bin/wemu', AWKWARD);
  expect([general.entry, ...general.args]).toEqual(['wemu.ts', ...latin1(AWKWARD)]);
});

test('a first -- arrives, too', () => {
  // What the program sees as its arguments counts here: Bun takes one from there.
  writeFileSync(join(installed, 'src/cli/img.ts'), 'console.log(JSON.stringify(process.argv.slice(2)));\n');
  symlinkSync('../wemu/src/cli/bin/wemu-img', join(top, 'node_modules/.bin/wemu-img'));
  for (const args of [['--', 'info', 'x'], ['--', '--', 'x'], ['--'], ['-T', 'x', '--', 'info'], []]) {
    const run = Bun.spawnSync([join(top, 'node_modules/.bin/wemu-img'), ...args], { cwd: top });
    expect(JSON.parse(run.stdout.toString())).toEqual(args);
  }
});

test('bytes that are not UTF-8 survive', () => {
  const script = `exec node_modules/.bin/wemu-i386 "$(printf '\\377\\200')"`;
  const run = Bun.spawnSync(['sh', '-c', script], { cwd: top });
  expect((JSON.parse(run.stdout.toString()) as Seen).args).toEqual(['i386', '\xff\x80']);
});

test('the environment arrives as given, nothing added', () => {
  const command = 'node_modules/.bin/wemu-i386';
  expect(launch(command, []).env).toEqual([]);
  expect(launch(command, [], { A: '1', wemu: 'x' }).env.sort()).toEqual(['A=1', 'wemu=x']);
  expect(launch(command, [], { PWD: top }).env).toEqual([`PWD=${top}`]);
  const usual = { HOME: '/', SHLVL: '1', PWD: top, OLDPWD: '/', PATH: '/bin' };
  expect(launch(command, [], usual).env.sort()).toEqual(
    Object.entries(usual)
      .map(([k, v]) => `${k}=${v}`)
      .sort(),
  );
});

test('the engine gets its settings, unless the caller has set them', () => {
  const environment = (env: Record<string, string>) => {
    const run = Bun.spawnSync(['node_modules/.bin/wemu-i386'], { cwd: top, env });
    return (JSON.parse(run.stdout.toString()) as Seen).env.sort();
  };
  expect(environment({ A: '1' })).toEqual(['A=1', ...ENGINE_SETTINGS].sort());
  const [first, ...others] = ENGINE_SETTINGS;
  const [name, value] = first!.split('=');
  // Their own spelling is what the guest is to see.
  const own = String(Number(value));
  expect(environment({ [name!]: own })).toEqual([`${name}=${own}`, ...others].sort());
  expect(launch('node_modules/.bin/wemu-i386', [], { [name!]: own }).env).toEqual([`${name}=${own}`]);
  const script = readFileSync(join(repository, 'src/cli/bin/launch.sh'), 'utf8');
  expect([...script.matchAll(/BUN_JSC_\w+=\w+/g)].map(([text]) => text)).toEqual([...ENGINE_SETTINGS]);
});

test('a bundle runs instead of the source, in a checkout only while no source of it is newer', () => {
  const command = 'node_modules/.bin/wemu-i386';
  const build = join(installed, 'build');
  const [bundle, source] = [join(build, 'user-mode.js'), join(installed, 'src/cli/user-mode.ts')];
  mkdirSync(build);
  writeFileSync(bundle, probe.replaceAll(': string', ''));
  writeFileSync(join(build, 'user-mode.inputs'), "wemu_inputs='package.json src/cli/user-mode.ts'\n");
  try {
    const now = Date.now() / 1000;
    utimesSync(source, now, now);
    utimesSync(bundle, now - 1, now - 1);
    // Installed: time stamps say nothing.
    expect(launch(command, ['x', '']).entry).toBe('user-mode.js');
    expect(launch(command, ['x', '']).args).toEqual(['i386', 'x', '']);
    expect(launch(command, [], { WEMU_SOURCE: '1' })).toMatchObject({ entry: 'user-mode.ts', env: ['WEMU_SOURCE=1'] });
    expect(launch(command, [], { A: '1' }).env).toEqual(['A=1']);
    // The other commands have none.
    expect(launch('node_modules/.bin/wemu', []).entry).toBe('wemu.ts');

    mkdirSync(join(installed, '.git'));
    expect(launch(command, []).entry).toBe('user-mode.ts');
    utimesSync(source, now - 1, now - 1);
    expect(launch(command, ['x', '']).entry).toBe('user-mode.js');
    expect(launch(command, ['x', '']).args).toEqual(['i386', 'x', '']);
    expect(launch(command, [], { A: '1' }).env).toEqual(['A=1']);
    utimesSync(source, now - 0.9, now - 0.9);
    expect(launch(command, []).entry).toBe('user-mode.ts');
  } finally {
    rmSync(build, { recursive: true });
    rmSync(join(installed, '.git'), { recursive: true, force: true });
  }
});

test('the executable runs wherever the bundle would, but for the general command and where it is told to be just Bun', () => {
  const build = join(installed, 'build');
  mkdirSync(build);
  for (const name of ['user-mode', 'wemu']) writeFileSync(join(build, `${name}.js`), probe.replaceAll(': string', ''));
  writeFileSync(join(build, 'user-mode.inputs'), "wemu_inputs='src/cli/user-mode.ts'\n");
  writeFileSync(join(build, 'wemu'), '#!/bin/sh\nprintf "[%s]" executable "$@"\nprintf "[%s]" "${A-}" "${PWD-}"\n', {
    mode: 0o755,
  });
  const output = (name: string, args: string[], env: Record<string, string> = {}): string =>
    Bun.spawnSync([`node_modules/.bin/${name}`, ...args], { cwd: top, env }).stdout.toString();
  const entry = (name: string, env: Record<string, string> = {}): string =>
    (JSON.parse(output(name, [], env)) as Seen).entry;
  try {
    expect(output('wemu-i386', ['', 'a  b', '*'], { A: 'x y', SHLVL: '1', PWD: top })).toBe(
      `[executable][user-mode][i386][][a  b][*][x y][${top}]`,
    );
    expect(entry('wemu')).toBe('wemu.js');
    expect(entry('wemu-i386', { WEMU_SOURCE: '1' })).toBe('user-mode.ts');
    expect(entry('wemu-i386', { BUN_BE_BUN: '1' })).toBe('user-mode.js');
    mkdirSync(join(installed, '.git'));
    const now = Date.now() / 1000;
    utimesSync(join(build, 'user-mode.js'), now - 1, now - 1);
    utimesSync(join(installed, 'src/cli/user-mode.ts'), now, now);
    expect(entry('wemu-i386')).toBe('user-mode.ts');
  } finally {
    rmSync(build, { recursive: true });
    rmSync(join(installed, '.git'), { recursive: true, force: true });
  }
});

test('settings of the current directory have no effect', () => {
  const seen = launch('node_modules/.bin/wemu-i386', []);
  expect(seen.loaded).toBeUndefined();
  expect(seen.dot).toBeUndefined();
});

test('a Bun whose install script did not run is used where it lies; none at all is said', () => {
  const bun = join(top, 'node_modules/bun');
  rmSync(bun);
  const run = Bun.spawnSync(['node_modules/.bin/wemu-i386'], { cwd: top });
  expect(run.exitCode).toBe(127);
  expect(run.stderr.toString()).toContain('npm install');
  mkdirSync(join(top, 'node_modules/@oven/bun-linux-x64/bin'), { recursive: true });
  symlinkSync(process.execPath, join(top, 'node_modules/@oven/bun-linux-x64/bin/bun'));
  expect(launch('node_modules/.bin/wemu-i386', ['x']).args).toEqual(['i386', 'x']);
});
