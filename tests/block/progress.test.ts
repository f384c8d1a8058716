// What `-p`, --progress=json and SIGUSR1 print during a long command, here and by qemu-img.
import { expect, test } from 'bun:test';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TEST_LIMIT } from '../setup/limits.ts';
import { hasQemu, inScratch, QEMU_NOTE } from './helpers.ts';

const WEMU = [process.execPath, join(import.meta.dir, '../../src/cli/img.ts')];
const SIZE = 3 << 20;

/** A source that takes a second and a half to read, whatever the machine. */
const SLOW = ['--object', 'throttle-group,id=g,x-bps-read=2097152', '--image-opts'];
const source = (path: string): string =>
  `driver=raw,file.driver=throttle,file.throttle-group=g,file.file.driver=file,file.file.filename=${path}`;

interface Told {
  code: number;
  out: string;
  err: string;
}

/** Runs a command that makes `target`, and sends it SIGUSR1 again and again once that is there. */
async function signalled(command: string[], target: string): Promise<Told> {
  const p = Bun.spawn(command, { stdout: 'pipe', stderr: 'pipe' });
  const out = new Response(p.stdout).text();
  const err = new Response(p.stderr).text();
  let ended = false;
  void p.exited.then(() => (ended = true));
  while (!ended) {
    // (Before that it may be a process that has not become the command yet.)
    if (existsSync(target)) p.kill('SIGUSR1');
    await Bun.sleep(60);
  }
  expect(p.signalCode).toBeNull();
  return { code: await p.exited, out: await out, err: await err };
}

/** Converts a slow source under signals, and sees to it that the copy is whole. */
function convert(program: string[], options: string[]): Promise<Told> {
  return inScratch(async (dir) => {
    const [from, to] = [join(dir, 'from'), join(dir, 'to')];
    writeFileSync(from, Buffer.alloc(SIZE, 'progress'));
    const told = await signalled([...program, 'convert', ...options, ...SLOW, source(from), '-O', 'raw', to], to);
    expect(readFileSync(to).equals(readFileSync(from))).toBe(true);
    expect(told.code).toBe(0);
    return told;
  });
}

const LINE = / {4}\((\d+\.\d\d)\/100%\)/;
const LINES = new RegExp(`^(${LINE.source}\n)+$`);
const SERIES = new RegExp(`^( {4}\\(0\\.00/100%\\)\r)(${LINE.source}\r)+\n$`);

/** The numbers of lines of progress. */
const numbers = (text: string): number[] => [...text.matchAll(new RegExp(LINE, 'g'))].map((m) => Number(m[1]));

const PROGRAMS: [string, string[], boolean][] = [
  ['wemu-img', WEMU, true],
  [`qemu-img${QEMU_NOTE}`, ['qemu-img'], hasQemu],
];
for (const [name, program, there] of PROGRAMS) {
  test.concurrent.skipIf(!there)(
    `without -p, SIGUSR1 prints a line to standard error: ${name}`,
    async () => {
      for (const quiet of [[], ['-p', '-q']]) {
        let { out, err } = await convert(program, quiet);
        // On a machine that is very busy no signal may have been sent in time.
        for (let tries = 50; err === '' && tries > 0; tries--) ({ out, err } = await convert(program, quiet));
        expect(out).toBe('');
        expect(err).toMatch(LINES);
        expect(numbers(err)).toEqual(numbers(err).toSorted((a, b) => a - b));
      }
    },
    TEST_LIMIT,
  );

  test.concurrent.skipIf(!there)(
    `with -p, standard output goes from 0 to 100, and SIGUSR1 does nothing: ${name}`,
    async () => {
      const { out, err } = await convert(program, ['-p']);
      expect(out).toMatch(SERIES);
      expect(numbers(out)[0]).toBe(0);
      expect(numbers(out).at(-1)).toBe(100);
      expect(err).toBe('');
    },
    TEST_LIMIT,
  );

  test.concurrent.skipIf(!there)(
    `a command that does not tell how far it is does not mind SIGUSR1: ${name}`,
    () =>
      inScratch(async (dir) => {
        const [from, to] = [join(dir, 'from'), join(dir, 'to')];
        writeFileSync(from, Buffer.alloc(SIZE, 'dd'));
        const command = [...program, 'dd', ...SLOW.slice(0, 2), '--image-opts', '-O', 'raw', 'bs=64k'];
        const told = await signalled([...command, `if=${source(from)}`, `of=${to}`], to);
        expect(told).toEqual({ code: 0, out: '', err: '' });
        expect(readFileSync(to).equals(readFileSync(from))).toBe(true);
      }),
    TEST_LIMIT,
  );
}

test.concurrent(
  'with --progress=json, SIGUSR1 gives one more object',
  async () => {
    const { out, err } = await convert(WEMU, ['--progress=json']);
    expect(out).toBe('');
    const told = err
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { progress: number });
    expect(told[0]).toEqual({ progress: 0 });
    expect(told.at(-1)).toEqual({ progress: 1 });
  },
  TEST_LIMIT,
);
