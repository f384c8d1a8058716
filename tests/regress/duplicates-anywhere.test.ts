/**
 * dup2 to a number that the emulator had taken for a descriptor of its own failed with EBADF. Now the emulator's goes away: also
 * those of the engine's event loop, whose numbers stand in the engine's memory.
 */

import { CPrograms, NATIVE_I386 } from '../programs/c-programs.ts';
import { testWith } from '../setup/needs.ts';

const programs = new CPrograms(import.meta.dir);

testWith(NATIVE_I386, 'every number can be given to a duplicate', () => programs.expectSame('duplicates-anywhere'));
