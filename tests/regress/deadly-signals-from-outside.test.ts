// SIGSEGV, SIGBUS and SIGPWR that another process sent to a guest which had never said a word about signals ended in the hands
// of the engine: the first two with its report of a crash of its own.
// So they did later where the guest's first wait was a read from a pipe.
import { expect } from 'bun:test';
import { readFileSync } from 'node:fs';
import { wemuCommand } from '../oracle/runner.ts';
import { CPrograms, NATIVE_I386 } from '../programs/c-programs.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';

const programs = new CPrograms(import.meta.dir);

/** Whether the process has a handler for signal 33, as emulators have that expect signals. */
function catchesPark(pid: number): boolean {
  const caught = /^SigCgt:\t([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]!;
  return ((BigInt(`0x${caught}`) >> 32n) & 1n) === 1n;
}

async function endedBy(signal: NodeJS.Signals, command: readonly string[], emulated: boolean): Promise<string> {
  const child = Bun.spawn([...command], { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  expect(String(Buffer.from(value!))).toBe('ready\n');
  // It may have said so before it sleeps, which is when wemu sees that the program goes on for a while.
  while (emulated && !catchesPark(child.pid)) await Bun.sleep(5);
  child.kill(signal);
  await child.exited;
  return `${child.signalCode}\n${await new Response(child.stderr).text()}`;
}

testWith(
  NATIVE_I386,
  'deadly signals from outside end a guest that knows nothing of signals, and wemu says which',
  async () => {
    const program = programs.build('deadly-signals-from-outside');
    const wemu = wemuCommand([]);
    if ('missing' in wemu) throw new Error(wemu.missing);
    for (const doing of [[], ['computing'], ['reading']]) {
      for (const signal of ['SIGSEGV', 'SIGBUS', 'SIGPWR'] as const) {
        const native = await endedBy(signal, [program, ...doing], false);
        expect(native).toBe(`${signal}\n`);
        const ours = await endedBy(signal, [...wemu.command, program, ...doing], true);
        expect(ours.replace(/^wemu: uncaught target signal \d+ \(.*\) - pc 0x[0-9a-f]{8}\n/m, '')).toBe(native);
        expect(ours.includes('uncaught target signal')).toBe(signal !== 'SIGPWR');
      }
    }
  },
  TEST_LIMIT,
);
