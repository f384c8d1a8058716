// A child of a fork that was sent SIGTRAP, SIGILL, SIGFPE or SIGSYS before it was ready for signals never got further: the handler
// did not know its thread yet and sent the signal to the process again, which took it before anything else, for ever. These are
// signals that the host must not block, but while a process is forked it can.
import { CPrograms, NATIVE_I386 } from '../programs/c-programs.ts';
import { testWith } from '../setup/needs.ts';

const programs = new CPrograms(import.meta.dir);

testWith(NATIVE_I386, 'children get the signals that come at once', () =>
  programs.expectSame('signals-to-new-children'),
);
