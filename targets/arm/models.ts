// The CPU models of the ARM guest: what each can do, and what Linux says of it.

/** Feature names of encoding rows. */
export const FEATURES = [
  // Architecture versions and their parts.
  ...['v4t', 'v5', 'v5te', 'v5j', 'v6', 'v6k', 'v6t2', 'v7', 'v7mp', 'v8'],
  // Divisions in A32 and in Thumb, 64-bit accesses that are atomic, CRC32, speculation barrier, swap.
  ...['adiv', 'tdiv', 'lpae', 'crc', 'sb'],
  // Floating point and Advanced SIMD.
  ...['vfp2', 'vfp3', 'd32', 'half', 'vfp4', 'vfp8', 'neon', 'neon8', 'aes', 'pmull', 'sha1', 'sha2'],
  // ARMv8.1 to v8.3: rounding doubling multiplication, dot products, complex numbers, JavaScript's integers.
  ...['rdm', 'dotprod', 'fcma', 'jscvt'],
  // Of ARMv8.2 to v8.6: half-precision arithmetic and its widening multiplication, BFloat16, matrices of bytes.
  ...['fp16', 'fhm', 'bf16', 'i8mm'],
] as const;
export type Feature = (typeof FEATURES)[number];

export interface ArmModel {
  readonly name: string;
  readonly text: string;
  readonly features: readonly Feature[];
  /** MIDR, from which /proc/cpuinfo and uname come. */
  readonly midr: number;
  /** FPSID, where programs may read it. */
  readonly fpsid?: number;
  /** Architecture version as the kernel names it: `v7l`, without the byte order `v7`. */
  readonly platform: string;
}

const V4T: readonly Feature[] = ['v4t'];
const V5TE: readonly Feature[] = [...V4T, 'v5', 'v5te'];
const V5TEJ: readonly Feature[] = [...V5TE, 'v5j'];
const V6: readonly Feature[] = [...V5TEJ, 'v6'];
const V6K: readonly Feature[] = [...V6, 'v6k'];
const V7: readonly Feature[] = [...V6K, 'v6t2', 'v7'];
const V7MP: readonly Feature[] = [...V7, 'v7mp'];
const V7VE: readonly Feature[] = [...V7MP, 'adiv', 'tdiv', 'lpae'];
const V8: readonly Feature[] = [...V7VE, 'v8', 'crc'];
const VFP3: readonly Feature[] = ['vfp2', 'vfp3', 'd32'];
const VFP4: readonly Feature[] = [...VFP3, 'half', 'vfp4'];
const NEON: readonly Feature[] = ['neon'];
const CRYPTO: readonly Feature[] = ['aes', 'pmull', 'sha1', 'sha2'];

const EVERYTHING: readonly Feature[] = [
  ...V8,
  ...VFP4,
  'vfp8',
  'neon',
  'neon8',
  ...CRYPTO,
  'sb',
  'rdm',
  'dotprod',
  'fcma',
  'jscvt',
  'fp16',
  'fhm',
  'bf16',
  'i8mm',
];

// biome-ignore format: a table, one row per model
export const ARM_MODELS: readonly ArmModel[] = [
  { name: 'max', text: 'everything this emulator has', features: EVERYTHING, midr: 0x411fd080, platform: 'v8' },
  { name: 'any', text: 'the same', features: EVERYTHING, midr: 0x411fd080, platform: 'v8' },
  { name: 'arm926', text: 'ARM926EJ-S, ARMv5TEJ', features: [...V5TEJ, 'vfp2'], midr: 0x41069265, fpsid: 0x41011090, platform: 'v5' },
  { name: 'arm946', text: 'ARM946E-S, ARMv5TE', features: V5TE, midr: 0x41059461, platform: 'v5' },
  { name: 'arm1026', text: 'ARM1026EJ-S, ARMv5TEJ', features: [...V5TEJ, 'vfp2'], midr: 0x4106a262, fpsid: 0x410110a0, platform: 'v5' },
  { name: 'arm1136', text: 'ARM1136J-S, ARMv6K', features: [...V6K, 'vfp2'], midr: 0x4117b363, fpsid: 0x410120b4, platform: 'v6' },
  { name: 'arm1136-r2', text: 'ARM1136J-S r0p2, ARMv6', features: [...V6, 'vfp2'], midr: 0x4107b362, fpsid: 0x410120b4, platform: 'v6' },
  { name: 'arm1176', text: 'ARM1176JZF-S, ARMv6K', features: [...V6K, 'vfp2'], midr: 0x410fb767, fpsid: 0x410120b5, platform: 'v6' },
  { name: 'arm11mpcore', text: 'ARM11 MPCore, ARMv6K', features: [...V6K, 'vfp2'], midr: 0x410fb022, fpsid: 0x410120b4, platform: 'v6' },
  { name: 'sa1100', text: 'StrongARM SA-1100, ARMv4', features: [], midr: 0x4401a11b, platform: 'v4' },
  { name: 'sa1110', text: 'StrongARM SA-1110, ARMv4', features: [], midr: 0x6901b119, platform: 'v4' },
  { name: 'ti925t', text: 'TI925T, ARMv4T', features: V4T, midr: 0x54029252, platform: 'v4' },
  { name: 'cortex-a7', text: 'Cortex-A7, ARMv7 with virtualization', features: [...V7VE, ...VFP4, ...NEON], midr: 0x410fc075, platform: 'v7' },
  { name: 'cortex-a8', text: 'Cortex-A8, ARMv7', features: [...V7, ...VFP3, ...NEON], midr: 0x410fc080, platform: 'v7' },
  { name: 'cortex-a9', text: 'Cortex-A9, ARMv7 with multiprocessing', features: [...V7MP, ...VFP3, 'half', ...NEON], midr: 0x410fc090, platform: 'v7' },
  { name: 'cortex-a15', text: 'Cortex-A15, ARMv7 with virtualization', features: [...V7VE, ...VFP4, ...NEON], midr: 0x412fc0f1, platform: 'v7' },
  { name: 'cortex-r5', text: 'Cortex-R5, ARMv7-R', features: [...V7MP, 'adiv', 'tdiv'], midr: 0x411fc153, platform: 'v7' },
  { name: 'cortex-r5f', text: 'Cortex-R5F, ARMv7-R with VFPv3-D16', features: [...V7MP, 'adiv', 'tdiv', 'vfp2', 'vfp3'], midr: 0x411fc153, platform: 'v7' },
];

/** Models that others know, and what they have that is not here: naming them must not look like a misspelling. */
const REFUSED_MODELS: readonly (readonly [names: RegExp, lacking: string])[] = [
  [/^pxa27/, 'iWMMXt'],
  [/^pxa2[56]/, 'the multiply-accumulate coprocessor of XScale'],
  [/^cortex-m/, 'the M profile'],
];

/** Why there is no model of that name. */
export function noModel(name: string): string {
  const refused = REFUSED_MODELS.find(([names]) => names.test(name));
  if (refused) return `CPU model '${name}' needs ${refused[1]}, which is not implemented`;
  return `unable to find CPU model '${name}'; -cpu help lists them`;
}

/** AT_HWCAP bits (asm/hwcap.h): those every model has, and by feature. */
const HWCAP_SWP = 1 << 0;
const HWCAP_HALF = 1 << 1;
const HWCAP_THUMB = 1 << 2;
const HWCAP_FAST_MULT = 1 << 4;
const HWCAP_BY_FEATURE: readonly (readonly [Feature, number])[] = [
  ['vfp2', 1 << 6],
  ['v5te', 1 << 7],
  ['neon', 1 << 12],
  ['vfp3', 1 << 13],
  ['v6k', 1 << 15],
  ['vfp4', 1 << 16],
  ['adiv', 1 << 17],
  ['tdiv', 1 << 18],
  ['d32', 1 << 19],
  ['lpae', 1 << 20],
  ['fp16', (1 << 22) | (1 << 23)],
  ['dotprod', 1 << 24],
  ['fhm', 1 << 25],
  ['bf16', 1 << 26],
  ['i8mm', 1 << 27],
];
const HWCAP_VFPV3D16 = 1 << 14;

/** AT_HWCAP2 bits. */
const HWCAP2_BY_FEATURE: readonly (readonly [Feature, number])[] = [
  ['aes', 1 << 0],
  ['pmull', 1 << 1],
  ['sha1', 1 << 2],
  ['sha2', 1 << 3],
  ['crc', 1 << 4],
  ['sb', 1 << 5],
];

function bits(features: readonly Feature[], table: readonly (readonly [Feature, number])[]): number {
  return table.reduce((sum, [feature, bit]) => (features.includes(feature) ? sum | bit : sum), 0);
}

/** AT_HWCAP of a model. */
export function hwcap({ features }: ArmModel): number {
  let caps =
    HWCAP_SWP |
    HWCAP_HALF |
    (features.includes('v4t') ? HWCAP_THUMB : 0) |
    HWCAP_FAST_MULT |
    bits(features, HWCAP_BY_FEATURE);
  if (features.includes('vfp3') && !features.includes('d32')) caps |= HWCAP_VFPV3D16;
  return caps >>> 0;
}

/** AT_HWCAP2 of a model. */
export function hwcap2({ features }: ArmModel): number {
  return bits(features, HWCAP2_BY_FEATURE);
}

/** Names of the bits as /proc/cpuinfo lists them: AT_HWCAP from bit 0, then AT_HWCAP2. */
const HWCAP_NAMES = (
  'swp half thumb 26bit fastmult fpa vfp edsp java iwmmxt crunch thumbee neon vfpv3 vfpv3d16 tls vfpv4 idiva idivt vfpd32 ' +
  'lpae evtstrm fphp asimdhp asimddp asimdfhm asimdbf16 i8mm'
).split(' ');
const HWCAP2_NAMES = 'aes pmull sha1 sha2 crc32 sb ssbs'.split(' ');

export function hwcapNames(model: ArmModel): string[] {
  const set = (names: readonly string[], caps: number): string[] => names.filter((_, n) => caps & (1 << n));
  return [...set(HWCAP_NAMES, hwcap(model)), ...set(HWCAP2_NAMES, hwcap2(model))];
}
