/**
 * sendfile, splice and copy_file_range wrote beyond 2 GB into files that a 32-bit program had opened without O_LARGEFILE, and
 * sendfile with a position of 32 bits read beyond: as for all other writing the host, which knows only large files, does not stop
 * it.
 */

import { CPrograms, NATIVE_I386 } from '../programs/c-programs.ts';
import { testWith } from '../setup/needs.ts';

const programs = new CPrograms(import.meta.dir);

testWith(NATIVE_I386, 'data moved inside the kernel stops at 2 GB', () =>
  programs.expectSame('moving-data-beyond-two-gigabytes'),
);
