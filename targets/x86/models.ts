// CPU models: what each advertises through CPUID, and thereby which instructions exist for the guest.
import { availableWords, developmentWords, FEATURE_WORDS, FeatureWord, featureOfRow } from './features.ts';
import type { X86Feature } from './insns.ts';
import { X86_OFFSETS as O } from './state.ts';

export interface X86Model {
  readonly name: string;
  readonly text: string;
  /** Twelve characters, as CPUID leaf 0 spells them. */
  readonly vendor: string;
  /** CPUID leaf 1 EAX: stepping, model, family. */
  readonly signature: number;
  /** Highest basic leaf. */
  readonly level: number;
  /** Highest extended leaf, 0 for none. */
  readonly xlevel: number;
  /** Feature bits by FeatureWord. */
  readonly words: readonly number[];
  /** Text of CPUID leaves 80000002-80000004. */
  readonly brand: string;
}

const INTEL = 'GenuineIntel';
const AMD = 'AuthenticAMD';
/** Bit 31 of leaf 1 ECX: not a real processor. */
const HYPERVISOR = 1 << 31;

function row(
  name: string,
  vendor: string,
  signature: number,
  [level, xlevel]: readonly [number, number],
  [edx1, ecx1, edxExt = 0, ecxExt = 0]: readonly [number, number, number?, number?],
  text: string,
  brand = text,
): X86Model {
  const words = FEATURE_WORDS.map(() => 0);
  words[FeatureWord.Edx1] = edx1;
  words[FeatureWord.Ecx1] = ecx1 | HYPERVISOR;
  words[FeatureWord.EdxExt] = edxExt;
  words[FeatureWord.EcxExt] = ecxExt;
  return { name, text, vendor, signature, level, xlevel, words, brand };
}

const QEMU_BRAND = 'QEMU Virtual CPU version 2.5+';
const BRAND = 'wemu virtual CPU';

/**
 * The models QEMU also has, with the CPUID words it gives them in 32-bit user mode: signature, levels, and the registers
 * EDX and ECX of leaves 1 and 80000001. 64-bit mode and SYSCALL are left out, as no 32-bit program has them.
 */
// biome-ignore format: a table, one row per model
const ROWS: readonly X86Model[] = [
  row('pentiumpro', INTEL, 0x619, [2, 0], [0x0000b9bd, 0], 'Pentium Pro (P6, i686): CMOV', ''),
  row('486', INTEL, 0x480, [1, 0], [0x00000009, 0], '80486 with FPU', ''),
  row('pentium', INTEL, 0x543, [1, 0], [0x008003bd, 0], 'Pentium with MMX (P55C)', ''),
  row('pentium2', INTEL, 0x652, [2, 0], [0x0183fbfd, 0], 'Pentium II', ''),
  row('pentium3', INTEL, 0x673, [3, 0], [0x0383fbfd, 0], 'Pentium III: SSE', ''),
  row('athlon', AMD, 0x623, [2, 0x80000008], [0x0783fbfd, 0, 0xc1c3f3fd], 'Athlon: SSE2, 3DNow!', QEMU_BRAND),
  row('n270', INTEL, 0x106c2, [10, 0x80000008], [0x0fc9fbfd, 0x00400209, 0x00100000, 0x001], 'Intel(R) Atom(TM) CPU N270   @ 1.60GHz'),
  row('coreduo', INTEL, 0x6e8, [10, 0x80000008], [0x0fc9fbfd, 0x00000009, 0x00100000], 'Genuine Intel(R) CPU           T2600  @ 2.16GHz'),
  row('core2duo', INTEL, 0x6fb, [10, 0x80000008], [0x0fcbfbfd, 0x00002209, 0x00100000, 0x001], 'Intel(R) Core(TM)2 Duo CPU     T7700  @ 2.40GHz'),
  row('qemu32', INTEL, 0x663, [4, 0x80000004], [0x0781abfd, 0x00000001], QEMU_BRAND),
  row('kvm32', INTEL, 0xf61, [5, 0x80000008], [0x078bfbfd, 0x00000001], 'Common 32-bit KVM processor'),
  row('qemu64', AMD, 0x60fb1, [13, 0x8000000a], [0x078bfbfd, 0x00002001, 0x0193f3fd, 0x005], QEMU_BRAND),
  row('kvm64', INTEL, 0xf61, [13, 0x80000008], [0x078bfbfd, 0x00002001, 0x00100000], 'Common KVM processor'),
  row('phenom', AMD, 0x100f23, [5, 0x8000001a], [0x078bfbfd, 0x00802009, 0xcdd3f3fd, 0x065], 'AMD Phenom(tm) 9550 Quad-Core Processor'),
  row('Conroe', INTEL, 0x6f3, [10, 0x80000008], [0x078bfbfd, 0x00000201, 0x00100000, 0x001], 'Intel Celeron_4x0 (Conroe/Merom Class Core 2)'),
  row('Penryn', INTEL, 0x10673, [10, 0x80000008], [0x078bfbfd, 0x00082201, 0x00100000, 0x001], 'Intel Core 2 Duo P9xxx (Penryn Class Core 2)'),
  row('Nehalem', INTEL, 0x106a3, [11, 0x80000008], [0x078bfbfd, 0x00982201, 0x00100000, 0x001], 'Intel Core i7 9xx (Nehalem Class Core i7)'),
  row('Westmere', INTEL, 0x206c1, [11, 0x80000008], [0x078bfbfd, 0x02982203, 0x00100000, 0x001], 'Westmere E56xx/L56xx/X56xx (Nehalem-C)'),
  row('Opteron_G1', AMD, 0xf61, [5, 0x80000008], [0x078bfbfd, 0x00000001, 0x0193f3fd], 'AMD Opteron 240 (Gen 1 Class Opteron)'),
  row('Opteron_G2', AMD, 0xf61, [5, 0x8000000a], [0x078bfbfd, 0x00002001, 0x0193f3fd, 0x005], 'AMD Opteron 22xx (Gen 2 Class Opteron)'),
  row('Opteron_G3', AMD, 0x100f23, [5, 0x8000000a], [0x078bfbfd, 0x00802009, 0x0993f3fd, 0x065], 'AMD Opteron 23xx (Gen 3 Class Opteron)'),
];

const MMX = 1 << 23;

/**
 * Everything that executes. While there is no MMX its signature is a Pentium Pro's: GMP picks its functions by family and
 * model number, whatever the feature bits say.
 */
function maxModel(): X86Model {
  const words = availableWords();
  return {
    name: 'max',
    text: 'Everything that is implemented',
    vendor: INTEL,
    signature: words[FeatureWord.Edx1]! & MMX ? 0x663 : 0x619,
    level: 0xd,
    xlevel: 0x80000008,
    words,
    brand: BRAND,
  };
}

/** What executes so far of extensions that are not complete: for tests, and so not in the list. */
export function developmentModel(): X86Model {
  return { ...maxModel(), name: 'development', text: 'For tests', words: developmentWords() };
}

const BASE: X86Model = {
  name: 'base',
  text: 'No features enabled',
  vendor: '\0'.repeat(12),
  signature: 0,
  level: 0,
  xlevel: 0,
  words: FEATURE_WORDS.map(() => 0),
  brand: '',
};

/** All models that have names, the default first. Their features are still to be cut down to those that execute. */
export const X86_MODELS: readonly X86Model[] = [maxModel(), ...ROWS, BASE];

/**
 * Models in use, by the index that CPU state holds and translations are keyed by: each `-cpu` option a process was given.
 * It only ever grows. A worker that shares a CPU's state selects the same models in the same order.
 */
const selected: X86Model[] = [];
const indexOfKey = new Map<string, number>();

/** The index of a model, all of whose features execute; the same for models that are the same in everything. */
export function modelIndex(model: X86Model): number {
  const key = JSON.stringify([model.vendor, model.signature, model.level, model.xlevel, model.words, model.brand]);
  let index = indexOfKey.get(key);
  if (index === undefined) {
    index = selected.push(model) - 1;
    indexOfKey.set(key, index);
  }
  return index;
}

/** The model with an index. */
export function modelAt(index: number): X86Model {
  const model = selected[index];
  if (!model) throw new Error(`CPU model ${index} was not selected in this process`);
  return model;
}

/** The model of a CPU. */
export function modelOf(view: DataView, env: number): X86Model {
  return modelAt(view.getUint32(env + O.model, true));
}

/** Whether a model executes the instructions of a row's feature. */
export function modelHas(model: X86Model, feature: X86Feature): boolean {
  if (feature === '') return true;
  const place = featureOfRow(feature);
  return place !== null && ((model.words[place.word]! >>> place.bit) & 1) !== 0;
}
