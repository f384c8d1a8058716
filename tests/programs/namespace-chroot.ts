/**
 * Runs commands in a chroot of Debian packages inside a user namespace, whose list of program formats (binfmt_misc) is its own:
 * nothing else notices what is registered there.
 */

import { mkdirSync } from 'node:fs';
import type { Need } from '../setup/needs.ts';

/** What runs inside, as its root: TREE are the packages, BINDS lines of two paths, PREPARE is executed in the new root. */
const ENTER = `
set -e
root=$1/root; directory=$2; register=$3; variables=("\${@:5:$4}"); shift $((4 + $4))
mkdir -p "$root"; mount -t tmpfs none "$root"; mkdir "$root/up" "$root/work" "$root/all"
mount -t overlay overlay -o "lowerdir=$TREE,upperdir=$root/up,workdir=$root/work,userxattr" "$root/all"
root=$root/all
mkdir -p "$root/proc" "$root/dev" "$root/tmp"
(cd "$root" && eval "$PREPARE")
mount --rbind /proc "$root/proc"; mount --rbind /dev "$root/dev"
while read -r from to; do
  [ -n "$from" ] || continue
  mkdir -p "$root$to"; mount --bind "$from" "$root$to"
done <<END
$BINDS
END
if [ -n "$register" ]; then
  mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
  eval "$register" >&2
fi
cd "$root"
exec env -i "\${variables[@]}" chroot "$root" /bin/busybox sh -c 'cd "$0" && exec "$@"' "$directory" "$@"
`;

/** The shell that maps all user numbers into a new namespace, which needs two processes, and runs ENTER there. */
const OUTSIDE = `
go=$1/go; rm -f "$go"; mkfifo "$go"
unshare --user --mount --propagation private bash -c 'read -r line <"$0" && exec bash -c "$ENTER" enter "$@"' "$go" "$@" <&0 &
inside=$!
while [ "$(readlink /proc/$inside/ns/user)" = "$(readlink /proc/self/ns/user)" ]; do sleep 0.01; done
echo '0 0 65536' >/proc/$inside/uid_map && echo '0 0 65536' >/proc/$inside/gid_map && echo >"$go"
wait $inside
`;

export interface NamespaceChroot {
  /** A directory for the new root and what it needs; not in the tree. */
  readonly work: string;
  /** Packages, which stay as they are. */
  readonly tree: string;
  /** Shell commands executed in the root before, as PREPARE. */
  readonly prepare?: string;
  /** Shell command that registers program formats; its output goes to standard error. */
  readonly register?: string;
  /** Directories of the host and where they are to be seen. */
  readonly binds?: readonly (readonly [from: string, to: string])[];
  /** Where the command runs, and its environment. */
  readonly directory?: string;
  readonly env?: Record<string, string>;
}

/** The command line that runs `argv` so, and the environment for it. */
export function inNamespaceChroot(
  chroot: NamespaceChroot,
  argv: readonly string[],
): { argv: string[]; env: Record<string, string> } {
  mkdirSync(chroot.work, { recursive: true });
  const variables = Object.entries(chroot.env ?? {}).map(([name, value]) => `${name}=${value}`);
  const { work, directory = '/', register = '', tree, prepare = '', binds = [] } = chroot;
  return {
    argv: ['bash', '-c', OUTSIDE, 'outside', work, directory, register, `${variables.length}`, ...variables, ...argv],
    env: {
      PATH: process.env['PATH']!,
      ENTER,
      TREE: tree,
      PREPARE: prepare,
      BINDS: binds.map(([from, to]) => `${from} ${to}`).join('\n'),
    },
  };
}

/** What a namespace with a list of its own needs. */
export const NAMESPACE_NEEDS: readonly Need[] = [
  { met: process.getuid?.() === 0, reason: 'only root can map users into a namespace' },
  { met: ownLists(), reason: 'binfmt_misc is not kept per namespace by this kernel (Linux 6.7)' },
];

/** Whether a user namespace has a list of its own: then registering there touches nobody else. */
function ownLists(): boolean {
  const mount = 'mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && ls /proc/sys/fs/binfmt_misc';
  const run = Bun.spawnSync(['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', mount], {
    stderr: 'ignore',
  });
  return run.success && run.stdout.toString().trim().split(/\s+/).sort().join(' ') === 'register status';
}
