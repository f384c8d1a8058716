/**
 * A program that neither catches nor ignores signals has none taken by the emulator until it waits for something or has computed
 * for a while. SIGSEGV and SIGBUS sent before that were the engine's, which printed a report about itself (and died of them).
 */
import { expect } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { guestTreePath } from '../setup/guests.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';

const WEMU = resolve(import.meta.dir, '../../src/cli/bin/wemu-i386');
const TREE = guestTreePath('i386');

for (const signal of ['SIGSEGV', 'SIGBUS'] as const) {
  testWith(
    ['guest-i386'],
    `${signal} from outside kills without the engine’s report`,
    async () => {
      const child = Bun.spawn([WEMU, '-L', TREE, join(TREE, 'bin/sleep'), '1000'], { stderr: 'pipe' });
      // It is called so when it is loaded; then the dynamic linker has work to do.
      const isLoaded = () => readFileSync(`/proc/${child.pid}/comm`, 'latin1') === 'sleep\n';
      while (!isLoaded()) await new Promise((resolve) => setImmediate(resolve));
      child.kill(signal);
      await child.exited;
      expect(child.signalCode).toBe(signal);
      // What is said of the death of a guest that has waited or computed already.
      expect(await new Response(child.stderr).text()).toMatch(/^(wemu: uncaught target signal .*\n)?$/);
    },
    TEST_LIMIT,
  );
}
