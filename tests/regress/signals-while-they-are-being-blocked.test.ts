// In a process with a signalfd, a signal that came in the moment in which the guest blocked it was kept in the emulator, where
// signalfd does not look: reading it waited for ever.
import { CPrograms, NATIVE_I386 } from '../programs/c-programs.ts';
import { testWith } from '../setup/needs.ts';

const programs = new CPrograms(import.meta.dir);

testWith(NATIVE_I386, 'a signal that comes while it is being blocked is found by signalfd', () =>
  programs.expectSame('signals-while-they-are-being-blocked'),
);
