/** Removing what tests leave behind. */

import { existsSync, rmSync } from 'node:fs';

/** Removes a directory with all that is in it, also where a test has taken away its own rights to look into parts of it. */
export function removeTree(directory: string): void {
  if (process.getuid?.() !== 0 && existsSync(directory)) Bun.spawnSync(['chmod', '-R', 'u+rwX', directory]);
  rmSync(directory, { recursive: true, force: true });
}
