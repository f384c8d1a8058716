/** Guest programs for tests: trees of Debian packages of foreign architectures, fetched once into a cache directory. */

import { existsSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { missingPackages, unpackForeignPackages } from './debian.ts';

/** The packages every guest tree holds: small static programs first, then shells, tools and language runtimes. */
const BASE_PACKAGES = [
  ...['busybox-static', 'bash-static', 'bash', 'dash', 'coreutils', 'findutils', 'diffutils', 'grep', 'sed', 'gawk'],
  ...['gzip', 'bzip2', 'xz-utils', 'zstd', 'tar', 'bc', 'file', 'make', 'libc-bin', 'openssl', 'sqlite3', 'lua5.4'],
  ...['perl', 'perl-base', 'python3-minimal', 'libpython3.11-stdlib'],
  // A server, and what configures packages inside a chroot.
  ...['lighttpd', 'nginx-light', 'apt', 'dpkg', 'debconf', 'adduser', 'passwd', 'init-system-helpers', 'hostname'],
] as const;

/** Programs that calculate, compress and decode: what shows a wrong bit in floating point. */
const NUMERIC_PACKAGES = [
  'libpython3.11-testsuite',
  'gnuplot-nox',
  'units',
  'flac',
  'vorbis-tools',
  'mpg123',
  'sox',
] as const;

/** What makes many processes: a compiler with its passes, version control, and an editor for the terminal. */
const DEVELOPMENT_PACKAGES = ['gcc', 'cpp', 'binutils', 'libc6-dev', 'git', 'vim-tiny'] as const;

/** What people see on a terminal: descriptions of terminals, a pager, process lists. */
const TERMINAL_PACKAGES = ['ncurses-base', 'less', 'procps'] as const;

/** What looks at processes and changes what they are confined to: pstree, killall, fuser, lsof, unshare, prlimit, script. */
const PROCESS_PACKAGES = ['psmisc', 'lsof', 'util-linux', 'bsdutils'] as const;

/** One row per guest tree: Debian's name of the architecture and what is unpacked. */
export const GUEST_TREES = {
  i386: {
    packages: [
      ...[...BASE_PACKAGES, ...NUMERIC_PACKAGES, ...DEVELOPMENT_PACKAGES],
      ...[...TERMINAL_PACKAGES, ...PROCESS_PACKAGES],
    ],
  },
  armhf: { packages: [...BASE_PACKAGES, ...NUMERIC_PACKAGES, ...DEVELOPMENT_PACKAGES] },
  armel: { packages: BASE_PACKAGES },
} as const satisfies Record<string, { packages: readonly string[] }>;

export type GuestTree = keyof typeof GUEST_TREES;

/** The cache directory: $WEMU_GUESTS, or wemu/guests below the user's cache directory. */
export function guestsDir(): string {
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  return process.env['WEMU_GUESTS'] || join(cache, 'wemu/guests');
}

/** Where a guest tree stands (or would stand): the directory to pass to -L. */
export function guestTreePath(arch: GuestTree): string {
  return join(guestsDir(), 'root', arch);
}

/** Whether a guest tree is there with all its packages. */
export function haveGuestTree(arch: GuestTree): boolean {
  const root = guestTreePath(arch);
  return existsSync(root) && missingPackages(root, GUEST_TREES[arch].packages).length === 0;
}

/** Makes sure a guest tree is there; a few hundred megabytes and about a minute the first time. Throws SetupError. */
export function ensureGuestTree(arch: GuestTree, say: (line: string) => void): void {
  if (haveGuestTree(arch)) return;
  const root = guestTreePath(arch);
  const aptDir = join(guestsDir(), 'apt', arch);
  const packages = GUEST_TREES[arch].packages;
  say(`fetching ${packages.length} Debian packages and what they need for ${arch} guests into ${guestsDir()}`);
  if (existsSync(root)) {
    unpackForeignPackages(arch, packages, root, aptDir);
  } else {
    // Renamed into place when complete, so that an interrupted run leaves nothing that looks finished.
    const partial = `${root}.partial`;
    rmSync(partial, { recursive: true, force: true });
    unpackForeignPackages(arch, packages, partial, aptDir);
    renameSync(partial, root);
  }
  rmSync(join(aptDir, 'cache/archives'), { recursive: true, force: true });
}
