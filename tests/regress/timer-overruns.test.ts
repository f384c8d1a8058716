// A timer's signal that had been noted when the guest blocked it was delivered with the overrun it had then, 0: what expired
// while it was blocked came to the kernel's queue and was dropped as the same signal once more. Under load the test of the
// calls of timers met this one time in ten.
import { expect } from 'bun:test';
import { wemuCommand } from '../oracle/runner.ts';
import { CPrograms, NATIVE_I386 } from '../programs/c-programs.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';

const programs = new CPrograms(import.meta.dir);

testWith(
  NATIVE_I386,
  'a blocked timer signal counts how often its timer expired',
  () => {
    const program = programs.build('timer-overruns');
    const wemu = wemuCommand([]);
    if ('missing' in wemu) throw new Error(wemu.missing);
    const native = programs.run([program]);
    expect(native).toBe(`${'signal: 1, overrun of 20: 1, asked: 1\n'.repeat(2)}status 0\n`);
    for (let k = 0; k < 5; k++) expect(programs.run([...wemu.command, program])).toBe(native);
  },
  TEST_LIMIT,
);
