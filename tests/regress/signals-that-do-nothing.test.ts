// A program that had once blocked a signal whose default is to do nothing (SIGCHLD, as shells and whatever starts programs do), and did
// not block it any more, was told EINTR by its waits when the signal came; the kernel throws it away. The same with signals that
// are ignored, with those that only the mask of sigsuspend or ppoll let through, and with calls that go on after a stop.
import { expect } from 'bun:test';
import { wemuCommand } from '../oracle/runner.ts';
import { CPrograms, NATIVE_I386 } from '../programs/c-programs.ts';
import { testWith } from '../setup/needs.ts';

const programs = new CPrograms(import.meta.dir);

testWith(NATIVE_I386, 'signals that do nothing interrupt no wait', () => {
  const program = programs.build('signals-that-do-nothing');
  const wemu = wemuCommand([]);
  if ('missing' in wemu) throw new Error(wemu.missing);
  const native = programs.run([program]);
  expect(native).toEndWith('status 0\n');
  expect(programs.run([...wemu.command, program])).toBe(native);
});
