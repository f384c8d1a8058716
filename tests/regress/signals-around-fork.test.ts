// A signal to a process group was lost for a child that its leader was making: the emulator blocks all signals while it stops its
// threads to be forked, what came in that time waited for the leader alone, and the child began without. Two of three groups of
// three children met this. On a terminal a Ctrl-C so left what a shell was just starting alive.
import { expect } from 'bun:test';
import { wemuCommand } from '../oracle/runner.ts';
import { CPrograms, NATIVE_I386 } from '../programs/c-programs.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';

const programs = new CPrograms(import.meta.dir);

testWith(
  NATIVE_I386,
  'a signal to a group reaches a child, or its parent before the fork',
  () => {
    const program = programs.build('signals-around-fork');
    const wemu = wemuCommand([]);
    if ('missing' in wemu) throw new Error(wemu.missing);
    const native = programs.run([program, '60']);
    expect(native).toBe('0 lost or doubled\nstatus 0\n');
    expect(programs.run([...wemu.command, program, '60'])).toBe(native);
  },
  TEST_LIMIT,
);
