// Of the nanoseconds beside a 64-bit time a 32-bit program's C library sets the lower half; what lay in the upper one was
// taken for nanoseconds too, and `timeout` of Debian's armel said "timer_settime: Invalid argument". The kernel looks at the
// lower half only (kernel/time/time.c, get_timespec64).
import { expect } from 'bun:test';
import { wemuCommand } from '../oracle/runner.ts';
import { CPrograms, NATIVE_I386 } from '../programs/c-programs.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';

const programs = new CPrograms(import.meta.dir);

testWith(
  [...NATIVE_I386, 'gcc-armel'],
  'only the lower half of nanoseconds counts',
  () => {
    const native = programs.run([programs.build('garbage-above-nanoseconds')]);
    expect(native).toContain('timer_settime: 0');
    for (const [guest, compiler] of [
      ['i386', 'gcc-i386'],
      ['arm', 'gcc-armel'],
    ] as const) {
      const wemu = wemuCommand([], guest);
      if ('missing' in wemu) throw new Error(wemu.missing);
      const program = programs.build('garbage-above-nanoseconds', compiler);
      expect(programs.run([...wemu.command, program])).toBe(native);
    }
  },
  TEST_LIMIT,
);
