/**
 * /proc/self/mem was the emulator's: nothing was found at a guest's address. Reading and writing are those of a debugger, which
 * changes also what the program cannot write, code that has run included.
 */

import { CPrograms, NATIVE_I386 } from '../programs/c-programs.ts';
import { testWith } from '../setup/needs.ts';

const programs = new CPrograms(import.meta.dir);

testWith(NATIVE_I386, 'own memory by descriptor', () => programs.expectSame('own-memory-by-descriptor'));
