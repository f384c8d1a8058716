// What CPUID answers: the leaves of a CPU model.
import { FEATURE_WORDS, FeatureWord } from './features.ts';
import type { X86Model } from './models.ts';

type Leaf = [eax: number, ebx: number, ecx: number, edx: number];

function word(text: string, at: number): number {
  let value = 0;
  for (let n = 0; n < 4; n++) value |= (at + n < text.length ? text.charCodeAt(at + n) & 0xff : 0) << (8 * n);
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

/** Bits of leaf 1, and the bit of leaf 1 ECX that says XSAVE is enabled. */
const CLFLUSH = 1 << 19;
const SSE = 1 << 25;
const XSAVE = 1 << 26;
const OSXSAVE = 1 << 27;
/** EDX bits of leaf 1 that AMD's leaf 80000001 repeats. */
const AMD_REPEATS = 0x0183f3ff;

/** State components of XSAVE: XCR0, and the bytes of an area with them. */
const XCR0_X87 = 1;
const XCR0_SSE = 2;
const XSAVE_BYTES = 576;

/** XCR0 of a model with XSAVE: the state components there are. */
export function xcr0(model: X86Model): number {
  return XCR0_X87 | (model.words[FeatureWord.Edx1]! & SSE ? XCR0_SSE : 0);
}

/** Bytes of addresses: physical 32 + 4 with PSE36, linear 32. */
const ADDRESS_BITS = 36;

const HYPERVISOR_LEAF = 0x40000000;
const HYPERVISOR = 'wemuwemuwemu';

/**
 * EAX, EBX, ECX, EDX of a CPUID leaf. Leaves that do not exist give those of the highest basic leaf, as Intel's do, or
 * zeros, as AMD's do.
 */
export function cpuidLeaf(model: X86Model, leaf: number, subleaf = 0): Leaf {
  leaf >>>= 0;
  const { words, level, xlevel, vendor } = model;
  const hypervisor = words[FeatureWord.Ecx1]! >>> 31 !== 0;
  if (leaf >= HYPERVISOR_LEAF && leaf <= HYPERVISOR_LEAF + 0xff && hypervisor) {
    if (leaf !== HYPERVISOR_LEAF) return [0, 0, 0, 0];
    return [HYPERVISOR_LEAF, word(HYPERVISOR, 0), word(HYPERVISOR, 4), word(HYPERVISOR, 8)];
  }
  if (leaf < 0x80000000 ? leaf > level : leaf > xlevel >>> 0) {
    if (vendor === 'AuthenticAMD') return [0, 0, 0, 0];
    leaf = level;
  }
  const regs: Leaf = [0, 0, 0, 0];
  FEATURE_WORDS.forEach((place, index) => {
    if (place.leaf === leaf && place.subleaf === subleaf) regs[place.register] = words[index]!;
    // Leaves without subleaves do not look at ECX.
    else if (place.leaf === leaf && leaf !== 7 && leaf !== 0xd) regs[place.register] = words[index]!;
  });
  switch (leaf) {
    case 0:
      return [level, word(vendor, 0), word(vendor, 8), word(vendor, 4)];
    case 1:
      regs[0] = model.signature;
      // CLFLUSH line size in 8-byte units; one logical processor.
      regs[1] = words[FeatureWord.Edx1]! & CLFLUSH ? (8 << 8) | (1 << 16) : 0;
      if (words[FeatureWord.Ecx1]! & XSAVE) regs[2] |= OSXSAVE;
      break;
    case 2:
      // One round of descriptors; 0xff: caches are in leaf 4.
      return vendor === 'AuthenticAMD' ? [0, 0, 0, 0] : [level >= 4 ? 0x00ff0001 : 0x00000001, 0, 0, 0];
    case 4: {
      const cache = vendor === 'AuthenticAMD' ? undefined : CACHES[subleaf];
      if (cache) return [cache[0] | SELF_INITIALIZING, (cache[1] << 22) | CACHE_LINE, cache[2], 0];
      break;
    }
    case 0xd: {
      if (!(words[FeatureWord.Ecx1]! & XSAVE)) return [0, 0, 0, 0];
      if (subleaf === 0) return [xcr0(model), XSAVE_BYTES, XSAVE_BYTES, 0];
      // EBX of subleaf 1: the compacted area.
      if (subleaf === 1) regs[1] = regs[0] & 0b1010 ? XSAVE_BYTES : 0;
      break;
    }
    case 0x80000000:
      return [xlevel | 0, word(vendor, 0), word(vendor, 8), word(vendor, 4)];
    case 0x80000001:
      regs[0] = model.signature;
      if (vendor === 'AuthenticAMD') regs[3] |= words[FeatureWord.Edx1]! & AMD_REPEATS;
      break;
    case 0x80000002:
    case 0x80000003:
    case 0x80000004: {
      const at = (leaf - 0x80000002) * 16;
      return [word(model.brand, at), word(model.brand, at + 4), word(model.brand, at + 8), word(model.brand, at + 12)];
    }
    case 0x80000008:
      regs[0] = ADDRESS_BITS;
      break;
  }
  return regs;
}
