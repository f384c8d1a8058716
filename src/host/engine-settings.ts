// Settings of the JavaScript engine that our launchers put into the environment, and what the environment is without them.

/**
 * As src/cli/bin/launch.sh sets them. The leading zero, which nobody else would write, tells them from a user's own
 * settings of the same name, which launch.sh leaves alone and the guest is to see.
 *
 * One compiler thread instead of two: with two, modules of generated code wait for the compilation of our own functions
 * (0.7 ms each instead of 0.1). Bytes of heap before the first garbage collection: 8 MB are full while a program starts.
 */
export const ENGINE_SETTINGS: readonly string[] = [
  'BUN_JSC_maxNumberOfWorklistThreads=01',
  'BUN_JSC_largeHeapSize=033554432',
];

/** An environment (NAME=VALUE) as the caller of the launcher gave it. */
export function withoutEngineSettings(environment: readonly string[]): string[] {
  return environment.filter((item) => !ENGINE_SETTINGS.includes(item));
}
