// CPU models: what each advertises through CPUID, and thereby which instructions exist for the guest.
import type { X86Feature } from './insns.ts';

/** Features a model may have that no row names (they concern the system or are implied by others). */
type PlainFeature = 'FPU' | 'PSE' | 'MCE' | 'PGE' | 'DE';

export type ModelFeature = Exclude<X86Feature, ''> | PlainFeature;

export interface X86Model {
  readonly name: string;
  readonly text: string;
  /** CPUID leaf 1 EAX: stepping, model, family. */
  readonly signature: number;
  readonly features: readonly ModelFeature[];
}

const I486 = ['FPU'] as const;
const PENTIUM = [...I486, 'TSC', 'MSR', 'CX8'] as const;
const PENTIUM_PRO = [...PENTIUM, 'CMOV'] as const;
const ALL = [
  ...PENTIUM_PRO,
  'CLFSH',
  'CLFLUSHOPT',
  'CLWB',
  'MOVBE',
  'POPCNT',
  'LZCNT',
  'PREFETCHW',
  'ADX',
  'RDTSCP',
  'RDPID',
  'RDRAND',
  'RDSEED',
] as const;

/**
 * All models, the default first. Every feature named executes. `max` has the signature of a Pentium Pro while there is no
 * MMX: GMP picks its functions by family and model number, whatever the feature bits say.
 */
export const X86_MODELS: readonly X86Model[] = [
  { name: 'max', text: 'Everything that is implemented', signature: 0x619, features: ALL as readonly ModelFeature[] },
  { name: 'pentiumpro', text: 'Pentium Pro (P6, i686): CMOV', signature: 0x619, features: PENTIUM_PRO },
  { name: 'pentium', text: 'Pentium (P5, i586): TSC, CMPXCHG8B', signature: 0x543, features: PENTIUM },
  { name: '486', text: '80486 with FPU', signature: 0x480, features: I486 },
];

/** CPUID bits: leaf, register (0 EAX 1 EBX 2 ECX 3 EDX), bit (Intel SDM vol. 2, CPUID). */
const BITS: Partial<Record<ModelFeature, readonly [leaf: number, register: number, bit: number]>> = {
  FPU: [1, 3, 0],
  TSC: [1, 3, 4],
  MSR: [1, 3, 5],
  CX8: [1, 3, 8],
  CMOV: [1, 3, 15],
  CLFSH: [1, 3, 19],
  MOVBE: [1, 2, 22],
  POPCNT: [1, 2, 23],
  RDRAND: [1, 2, 30],
  RDSEED: [7, 1, 18],
  ADX: [7, 1, 19],
  CLFLUSHOPT: [7, 1, 23],
  CLWB: [7, 1, 24],
  RDPID: [7, 2, 22],
  LZCNT: [0x80000001, 2, 5],
  PREFETCHW: [0x80000001, 2, 8],
  RDTSCP: [0x80000001, 3, 27],
};

const VENDOR = ['Genu', 'ineI', 'ntel'];
const BRAND = 'wemu virtual CPU';

function word(text: string, at: number): number {
  let value = 0;
  for (let n = 0; n < 4; n++) value |= (at + n < text.length ? text.charCodeAt(at + n) : 0) << (8 * n);
  return value;
}

/** Leaf 4, caches, by subleaf: type (1 data, 2 code, 3 both) and level, ways - 1, sets - 1; lines of 64 bytes. */
const CACHES: readonly (readonly [type: number, ways: number, sets: number])[] = [
  [1 | (1 << 5), 7, 63],
  [2 | (1 << 5), 7, 63],
  [3 | (2 << 5), 15, 2047],
];
/** The level initialises itself; lines of 64 bytes. */
const SELF_INITIALIZING = 1 << 8;
const CACHE_LINE = 63;

/** The highest basic leaf: models without features in leaf 7 are of the time before it. */
function highestLeaf(model: X86Model): number {
  return model.features.some((feature) => BITS[feature]?.[0] === 7) ? 7 : 1;
}

/**
 * EAX, EBX, ECX, EDX of a CPUID leaf, u32; leaves that do not exist give those of the highest basic leaf, as Intel's do.
 */
export function cpuidLeaf(model: X86Model, leaf: number, subleaf = 0): [number, number, number, number] {
  const highest = highestLeaf(model);
  const exists = leaf < 0x80000000 ? leaf <= highest : leaf <= 0x80000004;
  if (!exists) leaf = highest;
  const regs: [number, number, number, number] = [0, 0, 0, 0];
  for (const feature of model.features) {
    const place = BITS[feature];
    if (place && place[0] === leaf && (leaf !== 7 || subleaf === 0)) regs[place[1]] |= 1 << place[2];
  }
  switch (leaf) {
    case 0:
      return [highest, word(VENDOR[0]!, 0), word(VENDOR[2]!, 0), word(VENDOR[1]!, 0)];
    case 1:
      regs[0] = model.signature;
      // CLFLUSH line size in 8-byte units; one logical processor.
      if (model.features.includes('CLFSH')) regs[1] = (8 << 8) | (1 << 16);
      break;
    case 2:
      // One round of descriptors; 0xff: caches are in leaf 4.
      return [0x00ff0001, 0, 0, 0];
    case 4: {
      const cache = CACHES[subleaf];
      if (cache) return [cache[0] | SELF_INITIALIZING, (cache[1] << 22) | CACHE_LINE, cache[2], 0];
      break;
    }
    case 0x80000000:
      return [0x80000004 | 0, 0, 0, 0];
    case 0x80000002:
      return [word(BRAND, 0), word(BRAND, 4), word(BRAND, 8), word(BRAND, 12)];
  }
  return regs;
}
