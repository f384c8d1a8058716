// A thread of the engine that took a timer's signal sent it to the process again; where the timer had expired once more in
// between, the kernel kept that later signal alone, and up to all expirations of a starved process were not counted. Queued
// signals changed their order in the same way. From the first call on for which this matters the engine's threads take none.
import { expect } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { wemuCommand } from '../oracle/runner.ts';
import { CPrograms, NATIVE_I386 } from '../programs/c-programs.ts';
import { testWith } from '../setup/needs.ts';

const programs = new CPrograms(import.meta.dir);

/** SIGUSR1 and SIGRTMIN + 1 of the C library, as bits of a mask. */
const GUEST_SIGNALS = (1n << 9n) | (1n << 34n);

/** The masks of a process's threads other than the first. */
function masksOfEngineThreads(pid: number): bigint[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((tid) => {
    if (tid === String(pid)) return [];
    try {
      const status = readFileSync(`/proc/${pid}/task/${tid}/status`, 'latin1');
      return [BigInt(`0x${/^SigBlk:\s*(\S+)/m.exec(status)![1]}`)];
    } catch (error) {
      // Idle threads may end at any time.
      if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
      throw error;
    }
  });
}

for (const what of ['timer', 'handler', 'wait', 'descriptor']) {
  testWith(NATIVE_I386, `signals are the guest's thread's: ${what}`, async () => {
    const program = programs.build('engine-threads-and-signals');
    const wemu = wemuCommand([]);
    if ('missing' in wemu) throw new Error(wemu.missing);
    const guest = Bun.spawn([...wemu.command, program, what], { stdin: 'pipe', stdout: 'pipe' });
    try {
      const reader = guest.stdout.getReader();
      expect(new TextDecoder().decode((await reader.read()).value)).toBe('done\n');
      const masks = masksOfEngineThreads(guest.pid);
      expect(masks.length).toBeGreaterThan(0);
      expect(masks.filter((mask) => (mask & GUEST_SIGNALS) !== GUEST_SIGNALS)).toEqual([]);
    } finally {
      await guest.stdin.end();
    }
    expect(await guest.exited).toBe(0);
  });
}
