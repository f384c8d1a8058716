// Commands on the host CPU in a chroot of the i386 tree with /proc and /dev of the host, as wemu's guests see them.

import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { nativeUnavailable } from '../oracle/runner.ts';
import type { Need } from '../setup/needs.ts';
import { TREE } from './debian-run.ts';

export const CHROOT_NEEDS: readonly Need[] = [
  { met: process.getuid?.() === 0, reason: 'only root may change the root directory' },
  { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' },
];

/** The mounts are those of a namespace and end with the command, which replaces every shell on the way. */
const ENTER = `
mount --rbind /proc "$0/proc" && mount --rbind /dev "$0/dev" || exit 125
exec chroot "$0" /bin/busybox sh -c 'cd "$0" && exec "$@"' "$@"
`;

/** The command line that runs `argv` (a path inside the tree, arguments) in a work directory of the tree. */
export function nativeChroot(directory: string, argv: readonly string[]): string[] {
  mkdirSync(join(TREE, 'proc'), { recursive: true });
  mkdirSync(join(TREE, 'dev'), { recursive: true });
  return ['unshare', '--mount', 'sh', '-c', ENTER, TREE, `/tmp/${basename(directory)}`, ...argv];
}
