// Property tests draw the same cases in each run, so that what lands is judged by its change; long runs draw others.
import fc from 'fast-check';

/**
 * The seed of every property. A normal run has a fixed one: a case that only one run in a thousand draws would otherwise refuse
 * a change that has nothing to do with it. `WEMU_FUZZ_SEED=N` chooses another; with WEMU_FUZZ_RUNS and no seed each run has a
 * seed of its own, which a failure prints.
 */
const { WEMU_FUZZ_SEED: seed, WEMU_FUZZ_RUNS: runs } = process.env;
if (seed !== undefined || runs === undefined) fc.configureGlobal({ seed: Number(seed ?? 1) });

/** How many cases a property tries: `usual` in a normal run, WEMU_FUZZ_RUNS in a long one. */
export const numRuns = (usual: number): number => Number(runs ?? usual);

export default fc;
