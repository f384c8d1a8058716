/** Builds every guest's compiled helpers by running the `build-*.ts` scripts found in targets/<guest>/helpers. */

import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dir, '../..');

/** Paths (relative to the repository) of all helper build scripts, sorted; a guest without compiled helpers has none. */
export function helperBuildScripts(): string[] {
  const glob = new Bun.Glob('targets/*/helpers/build-*.ts');
  return [...glob.scanSync({ cwd: root })].sort();
}

if (import.meta.main) {
  const haveTargets = readdirSync(root).includes('targets');
  for (const script of haveTargets ? helperBuildScripts() : []) {
    const run = Bun.spawnSync([process.execPath, join(root, script)], {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    if (run.exitCode !== 0) {
      console.error(`build-helpers: ${script} failed with exit code ${run.exitCode}`);
      process.exit(1);
    }
  }
}
