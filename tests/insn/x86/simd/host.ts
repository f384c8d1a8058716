// Which vector extensions the host CPU has, by the names of the decoder's rows.

import { readFileSync } from 'node:fs';

/** Names in /proc/cpuinfo of the features whose rows name them otherwise. */
const KERNEL_NAMES: Record<string, string> = {
  SSE3: 'pni',
  'SSE4.1': 'sse4_1',
  'SSE4.2': 'sse4_2',
  SHA: 'sha_ni',
  FXSR: 'fxsr',
  LZCNT: 'abm',
};

const FEATURES = [
  ...['FXSR', 'MMX', 'SSE', 'SSE2', 'SSE3', 'SSSE3', 'SSE4.1', 'SSE4.2', 'SSE4A', 'AES', 'PCLMULQDQ', 'SHA', 'GFNI'],
  ...['XSAVE', 'XSAVEOPT', '3DNOW', '3DNOWEXT'],
];

/** The features of the host CPU among those of vector rows. */
export function hostFeatures(): Set<string> {
  const flags = new Set(/^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'latin1'))?.[1]?.split(' '));
  return new Set(FEATURES.filter((name) => flags.has(KERNEL_NAMES[name] ?? name.toLowerCase())));
}

/** Whether the host CPU is of the maker whose approximations (RCPPS and its like) are reproduced. */
export function hostIsAmd(): boolean {
  return /^vendor_id\s*: AuthenticAMD$/m.test(readFileSync('/proc/cpuinfo', 'latin1'));
}
