// Property tests draw the same cases in each run, so that what lands is judged by its change; long runs draw others.
import { setDefaultTimeout } from 'bun:test';
import fc from 'fast-check';
import { TEST_LIMIT } from './limits.ts';

/**
 * The seed of every property. A normal run has a fixed one: a case that only one run in a thousand draws would otherwise refuse
 * a change that has nothing to do with it. `WEMU_FUZZ_SEED=N` chooses another; with WEMU_FUZZ_RUNS and no seed each run has a
 * seed of its own, which a failure prints.
 */
const { WEMU_FUZZ_SEED: seed, WEMU_FUZZ_RUNS: runs } = process.env;
if (seed !== undefined || runs === undefined) fc.configureGlobal({ seed: Number(seed ?? 1) });

// A long run is no hanging one, also without the runner, which sets this for all.
setDefaultTimeout(TEST_LIMIT);

/** How many cases a property tries: `usual` in a normal run, WEMU_FUZZ_RUNS in a long one. */
export const numRuns = (usual: number): number => Number(runs ?? usual);

export default fc;
