// Settings of the JavaScript engine that our launchers put into the environment, and what the environment is without them.

/**
 * As src/cli/bin/launch.sh sets them. The leading zero, which nobody else would write, tells them from a user's own
 * settings of the same name, which launch.sh leaves alone and the guest is to see.
 *
 * One compiler thread instead of two: with two, modules of generated code wait for the compilation of our own functions
 * (0.7 ms each instead of 0.1). Bytes of heap before the first garbage collection: 8 MB are full while a program starts.
 * Count at which the optimising compiler takes a function of generated code, and what a turn of a loop adds to it (a call adds
 * up to 15): blocks on their own gain little by it and become regions at about the same number of runs, which are worth it.
 * Count at which the last compiler takes a function of ours: earlier, it costs more than it gains; much later, signals and
 * system calls cost a fifth more.
 * Bytes of garbage after which it is collected: the engine, which counts the guest's 4 GiB as heap in use, would wait for 12 GB.
 */
export const ENGINE_SETTINGS: readonly string[] = [
  'BUN_JSC_maxNumberOfWorklistThreads=01',
  'BUN_JSC_largeHeapSize=033554432',
  'BUN_JSC_thresholdForOMGOptimizeAfterWarmUp=0480000',
  'BUN_JSC_omgTierUpCounterIncrementForLoop=04',
  'BUN_JSC_thresholdForFTLOptimizeAfterWarmUp=0500000',
  'BUN_JSC_gcMaxHeapSize=0268435456',
];

/** An environment (NAME=VALUE) as the caller of the launcher gave it. */
export function withoutEngineSettings(environment: readonly string[]): string[] {
  return environment.filter((item) => !ENGINE_SETTINGS.includes(item));
}
