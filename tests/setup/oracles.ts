/** The independent programs tests compare with, one row each, and the Debian packages they come in. */

import { installHostPackages } from './debian.ts';

interface OracleRow {
  /** Program on the search path that shows the oracle is installed. */
  readonly program: string;
  /** Debian packages to install for it. */
  readonly packages: readonly string[];
  /** What tests ask it. */
  readonly asks: string;
}

export const ORACLES = {
  'qemu-user': { program: 'qemu-i386', packages: ['qemu-user'], asks: 'output and exit codes of user mode' },
  'gcc-i386': {
    program: 'i686-linux-gnu-gcc',
    packages: ['gcc-i686-linux-gnu', 'libc6-dev-i386-cross'],
    asks: 'test programs for i386, which the host CPU then runs',
  },
  'gcc-armhf': {
    program: 'arm-linux-gnueabihf-gcc',
    packages: ['gcc-arm-linux-gnueabihf', 'libc6-dev-armhf-cross'],
    asks: 'test programs for ARM with hardware floating point',
  },
  'gcc-armel': {
    program: 'arm-linux-gnueabi-gcc',
    packages: ['gcc-arm-linux-gnueabi', 'libc6-dev-armel-cross'],
    asks: 'test programs for ARM without floating point, and for big-endian ARM',
  },
  objdump: { program: 'objdump', packages: ['binutils'], asks: 'disassembly' },
  strace: { program: 'strace', packages: ['strace'], asks: 'which system calls qemu-img makes' },
  openssl: { program: 'openssl', packages: ['openssl'], asks: 'certificates for servers of tests' },
  'qemu-img': { program: 'qemu-img', packages: ['qemu-utils'], asks: 'disk images' },
} as const satisfies Record<string, OracleRow>;

export type Oracle = keyof typeof ORACLES;

/** Path of an oracle's program; undefined when it is not installed. */
export function oraclePath(name: Oracle): string | undefined {
  return Bun.which(ORACLES[name].program) ?? undefined;
}

/** Installs the oracles that are missing. Throws SetupError when that is not possible here. */
export function ensureOracles(say: (line: string) => void): void {
  const missing = (Object.keys(ORACLES) as Oracle[]).filter((name) => !oraclePath(name));
  if (missing.length === 0) return;
  const packages = missing.flatMap((name) => ORACLES[name].packages);
  say(`installing ${packages.join(' ')}`);
  installHostPackages(packages);
}
