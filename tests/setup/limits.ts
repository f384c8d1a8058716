/**
 * What the runner and tests agree on: when a program or a test is taken for one that hangs, and names of what is left then. The
 * limits measure nothing: they are a hundred times what the longest takes on a quiet machine, because tests also run where
 * others take most of the processor.
 */

/** Milliseconds for one program that a test runs. */
export const PROGRAM_LIMIT = 300_000;

/** Milliseconds for one test; `npm test` gives as much to those that do not say so. */
export const TEST_LIMIT = 900_000;

/** Milliseconds for a file of tests. */
export const FILE_LIMIT = 4 * TEST_LIMIT;

/** Environment variable through which the runner tells tests how names of directories in guest trees begin. */
export const WORK_NAME = 'WEMU_TEST_NAME';
