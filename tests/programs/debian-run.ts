// Runs programs of Debian trees on the host CPU or under QEMU, and under wemu, each in a directory with the same files.
import {
  chmodSync,
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { BINFMT_MISC, formatsOf, registration } from '../../src/cli/binfmt.ts';
import { nativeUnavailable, wemuCommand } from '../oracle/runner.ts';
import { guestTreePath } from '../setup/guests.ts';
import { PROGRAM_LIMIT, WORK_NAME } from '../setup/limits.ts';
import type { Need } from '../setup/needs.ts';
import { oraclePath } from '../setup/oracles.ts';
import { inNamespaceChroot } from './namespace-chroot.ts';

/** The tree; its `tmp` holds the work directories, so that they have a path inside and outside a chroot. */
export const TREE = guestTreePath('i386');

/** A Debian tree and the guest whose programs are in it. */
export interface GuestPrograms {
  readonly tree: string;
  /** As in the names of commands: `i386`. */
  readonly guest: string;
}

export const I386: GuestPrograms = { tree: TREE, guest: 'i386' };

/** A program run: path inside the tree, arguments, standard input. */
export interface ProgramCase {
  readonly program: string;
  readonly args?: readonly string[];
  readonly stdin?: string | Uint8Array;
  readonly env?: Record<string, string>;
  /** When it is ended, in milliseconds: PROGRAM_LIMIT unless told. */
  readonly milliseconds?: number;
}

/** What a run gave. Text is latin1, so that bytes compare exactly. */
export interface CaseRun {
  stdout: string;
  stderr: string;
  /** Exit status, or the signal's name. */
  end: string;
}

/** Nothing from the test's own environment reaches the programs. Natively too they see what keeps wemu from storing anything. */
const ENVIRONMENT = {
  ...{ PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', TZ: 'UTC0', HOME: '/' },
  WEMU_TRANSLATIONS: 'off',
};

/** The oracle of program runs: the host CPU where we may chroot, else qemu-i386. */
const isRoot = process.getuid?.() === 0;
export const NATIVE_NEED: Need = isRoot
  ? { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' }
  : 'qemu-user';

/** A chroot has none of the devices that programs expect; those of the host serve. */
export function addDevices(): void {
  if (!isRoot || !existsSync(TREE)) return;
  mkdirSync(join(TREE, 'dev'), { recursive: true });
  for (const [name, minor] of Object.entries({ null: 3, zero: 5, urandom: 9 })) {
    const path = join(TREE, 'dev', name);
    if (existsSync(path)) continue;
    Bun.spawnSync(['mknod', '-m', '666', path, 'c', '1', String(minor)]);
  }
}

/** Makes an empty directory in the tree's tmp; `npm test` removes what a test that is killed leaves there. */
export function makeWorkDirectory(tree: string = TREE): string {
  mkdirSync(join(tree, 'tmp'), { recursive: true });
  const directory = mkdtempSync(join(tree, 'tmp', `${process.env[WORK_NAME] ?? 'wemu-test'}-`));
  chmodSync(directory, 0o755);
  return directory;
}

export function removeWorkDirectory(directory: string): void {
  if (directory !== '') rmSync(directory, { recursive: true, force: true });
}

/** What to put in a directory: file contents, or a link's target in an object. */
export type Files = Record<string, string | Uint8Array | { readonly link: string }>;

/** Files, directories and links with fixed times and modes, the same at every call. */
export function fillDirectory(directory: string, files: Files): void {
  const directories = new Set<string>([directory]);
  for (const [name, content] of Object.entries(files)) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    for (let up = dirname(path); up.length > directory.length; up = dirname(up)) directories.add(up);
    if (typeof content === 'object' && 'link' in content) {
      symlinkSync(content.link, path);
      lutimesSync(path, FIXED_TIME, FIXED_TIME);
      continue;
    }
    writeFileSync(path, content);
    chmodSync(path, 0o644);
    utimesSync(path, FIXED_TIME, FIXED_TIME);
  }
  for (const path of [...directories].sort().reverse()) {
    chmodSync(path, 0o755);
    utimesSync(path, FIXED_TIME, FIXED_TIME);
  }
}

/** 13 February 2009. */
const FIXED_TIME = 1234567890;

/** One line per file below a directory: name, kind, mode, size, hash of the content. */
export function describeDirectory(directory: string): string[] {
  const lines: string[] = [];
  for (const name of (readdirSync(directory, { recursive: true }) as string[]).sort()) {
    const path = join(directory, name);
    const stat = lstatSync(path);
    const content = stat.isFile() ? Bun.hash(readFileSync(path)).toString(16) : '';
    lines.push(`${name} ${stat.mode.toString(8)} ${stat.isDirectory() ? '' : stat.size} ${content}`);
  }
  return lines;
}

/** Ends all processes of a session. */
function endSession(leader: number): void {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // After the command's name: state, parent, group, session.
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1').replace(/^.*\) /s, '');
      if (Number(stat.split(' ')[3]) === leader) process.kill(Number(name), 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
}

/** Runs a command in a directory and a session of its own. */
export async function runIn(
  argv: string[],
  directory: string,
  { stdin, env, milliseconds = PROGRAM_LIMIT }: Pick<ProgramCase, 'stdin' | 'env' | 'milliseconds'>,
): Promise<CaseRun> {
  const child = Bun.spawn(argv, {
    cwd: directory,
    env: { ...ENVIRONMENT, ...env },
    stdin: stdin === undefined ? 'ignore' : Buffer.from(stdin),
    stdout: 'pipe',
    stderr: 'pipe',
    detached: true,
  });
  // The children too: who waits for the end of their output would wait for ever.
  const late = setTimeout(() => endSession(child.pid), milliseconds);
  const [out, err] = await Promise.all([
    new Response(child.stdout).arrayBuffer(),
    new Response(child.stderr).arrayBuffer(),
    child.exited,
  ]);
  clearTimeout(late);
  return {
    stdout: Buffer.from(out).toString('latin1'),
    stderr: Buffer.from(err).toString('latin1'),
    end: String(child.signalCode ?? child.exitCode),
  };
}

/** Runs a case in a directory of the tree natively: in a chroot, or where that is not allowed under qemu-i386. */
export function runNative(one: ProgramCase, directory: string): Promise<CaseRun> {
  const args = [...(one.args ?? [])];
  if (!isRoot)
    return runIn(
      [oraclePath('qemu-user')!, '-L', TREE, '-0', one.program, join(TREE, one.program), ...args],
      directory,
      one,
    );
  // chroot(1) goes to the new root; a shell goes on to the directory.
  const script = 'cd "$0" && exec "$@"';
  const inside = `/tmp/${basename(directory)}`;
  return runIn(['chroot', TREE, '/bin/busybox', 'sh', '-c', script, inside, one.program, ...args], directory, one);
}

/** Runs a case in a directory under wemu with more options. */
export function runWemu(
  one: ProgramCase,
  directory: string,
  options: readonly string[] = [],
  { tree, guest }: GuestPrograms = I386,
): Promise<CaseRun> {
  const wemu = wemuCommand([], guest);
  if ('missing' in wemu) throw new Error(wemu.missing);
  const start = [...wemu.command, '-L', tree, '-0', one.program, ...options];
  return runIn([...start, join(tree, one.program), ...(one.args ?? [])], directory, one);
}

/** Runs a case under qemu-user. Programs it executes are the host's own: qemu looks for them outside of the tree. */
export function runQemu(one: ProgramCase, directory: string, { tree, guest }: GuestPrograms): Promise<CaseRun> {
  const start = [`qemu-${guest}`, '-L', tree, '-0', one.program, join(tree, one.program)];
  return runIn([...start, ...(one.args ?? [])], directory, one);
}

/** The C library of the host, for qemu in a chroot of packages of another architecture. */
const HOST_LIBRARIES: readonly (readonly [string, string])[] = [
  ['/lib64', '/lib64'],
  ['/usr/lib/x86_64-linux-gnu', '/lib/x86_64-linux-gnu'],
  ['/usr/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu'],
];

/** Runs a case in a directory of a tree in a chroot whose programs, also those it executes, the kernel gives to qemu-user. */
export async function runQemuChroot(
  one: ProgramCase,
  directory: string,
  { tree, guest }: GuestPrograms,
): Promise<CaseRun> {
  const work = mkdtempSync(join(tmpdir(), 'wemu-chroot-'));
  try {
    const inside = `/tmp/${basename(directory)}`;
    const lines = formatsOf(guest).map((format) =>
      registration(format, {
        interpreter: () => Bun.which(`qemu-${guest}`)!,
        credential: false,
        persistent: true,
        preserveArgv0: true,
        open: false,
      }),
    );
    const { argv, env } = inNamespaceChroot(
      {
        work,
        tree,
        register: lines.map((line) => `printf %s '${line}' >${BINFMT_MISC}/register`).join(' && '),
        binds: [...HOST_LIBRARIES, [directory, inside]],
        directory: inside,
        env: { ...ENVIRONMENT, ...one.env },
      },
      [one.program, ...(one.args ?? [])],
    );
    return await runIn(argv, directory, { ...one, env });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Pseudo-random bytes, the same at every call with the same seed: a linear congruential generator. */
export function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let x = seed >>> 0;
  for (let n = 0; n < length; n++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    bytes[n] = x >>> 24;
  }
  return bytes;
}

const WORDS = 'alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau'.split(
  ' ',
);

/** Lines of a few words and a number each. */
export function textLines(count: number, seed: number): string {
  const random = noise(count * 4, seed);
  const lines: string[] = [];
  for (let n = 0; n < count; n++) {
    const [a, b, c, d] = random.subarray(4 * n, 4 * n + 4) as unknown as [number, number, number, number];
    lines.push(`${WORDS[a % WORDS.length]} ${WORDS[b % WORDS.length]} ${c * 256 + d}`);
  }
  return `${lines.join('\n')}\n`;
}

/** So many million bytes that compress to about a half: random digits. */
export function megabytes(count: number): Uint8Array {
  const bytes = noise(count * 1_000_000, 8);
  for (let n = 0; n < bytes.length; n++) bytes[n] = 0x30 + (bytes[n]! & 15);
  return bytes;
}
