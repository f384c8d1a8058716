// CPUID feature bits: QEMU's names for them, where CPUID reports them, and which of them execute here.
import type { X86Feature } from './insns.ts';

/** CPUID registers in the order CPUID leaves them: indices of a leaf's result. */
export const CPUID_REGISTERS = ['EAX', 'EBX', 'ECX', 'EDX'] as const;

/** A 32-bit word of feature bits: CPUID leaf (and subleaf 0 or 1) and register. Index: FeatureWord. */
export interface FeatureWordPlace {
  readonly leaf: number;
  readonly subleaf: number;
  /** Index of CPUID_REGISTERS. */
  readonly register: number;
}

export enum FeatureWord {
  Edx1,
  Ecx1,
  Ebx7,
  Ecx7,
  Edx7,
  Eax7_1,
  EdxExt,
  EcxExt,
  EbxExt8,
  EdxExt7,
  EaxD1,
  Eax6,
}

export const FEATURE_WORDS: readonly FeatureWordPlace[] = [
  { leaf: 1, subleaf: 0, register: 3 },
  { leaf: 1, subleaf: 0, register: 2 },
  { leaf: 7, subleaf: 0, register: 1 },
  { leaf: 7, subleaf: 0, register: 2 },
  { leaf: 7, subleaf: 0, register: 3 },
  { leaf: 7, subleaf: 1, register: 0 },
  { leaf: 0x80000001, subleaf: 0, register: 3 },
  { leaf: 0x80000001, subleaf: 0, register: 2 },
  { leaf: 0x80000008, subleaf: 0, register: 1 },
  { leaf: 0x80000007, subleaf: 0, register: 3 },
  { leaf: 0xd, subleaf: 1, register: 0 },
  { leaf: 6, subleaf: 0, register: 0 },
];

/**
 * Per word, the names of its bits from bit 0 up, as `-cpu` of QEMU spells them (`.`: no feature there). `|` separates
 * a name from others that mean the same.
 */
const NAMES: readonly string[] = [
  'fpu vme de pse tsc msr pae mce cx8 apic . sep mtrr pge mca cmov pat pse36 pn clflush . ds acpi mmx fxsr sse sse2 ss ht tm ia64 pbe',
  'pni|sse3 pclmulqdq|pclmuldq dtes64 monitor ds-cpl vmx smx est tm2 ssse3 cid . fma cx16 xtpr pdcm . pcid dca sse4.1|sse4-1 sse4.2|sse4-2 x2apic movbe popcnt tsc-deadline aes xsave . avx f16c rdrand hypervisor',
  'fsgsbase tsc-adjust sgx bmi1 hle avx2 . smep bmi2 erms invpcid rtm . . mpx . avx512f avx512dq rdseed adx smap avx512ifma pcommit clflushopt clwb intel-pt avx512pf avx512er avx512cd sha-ni avx512bw avx512vl',
  '. avx512vbmi umip pku . waitpkg avx512vbmi2 . gfni vaes vpclmulqdq avx512vnni avx512bitalg . avx512-vpopcntdq . la57 . . . . . rdpid . bus-lock-detect cldemote . movdiri movdir64b . sgxlc pks',
  '. . avx512-4vnniw avx512-4fmaps fsrm . . . avx512-vp2intersect . md-clear . . . serialize . tsx-ldtrk . . arch-lbr . . amx-bf16 avx512-fp16 amx-tile amx-int8 spec-ctrl stibp . arch-capabilities core-capability ssbd',
  '. . . . avx-vnni avx512-bf16',
  '. . . . . . . . . . . syscall . . . . . . . . nx|xd . mmxext . . fxsr-opt|ffxsr pdpe1gb rdtscp . lm|i64 3dnowext 3dnow',
  'lahf-lm cmp-legacy svm extapic cr8legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop skinit wdt . lwp fma4 tce . nodeid-msr . tbm topoext perfctr-core perfctr-nb',
  'clzero . xsaveerptr . . . . . . wbnoinvd . . ibpb . ibrs amd-stibp . . . . . . . . amd-ssbd virt-ssbd amd-no-ssb',
  '. . . . . . . . invtsc',
  'xsaveopt xsavec xgetbv1 xsaves xfd',
  '. . arat',
];

/** QEMU's name of the feature a row names, where it is not the row's in lower case. '' for none: it cannot be had. */
const ROW_FEATURES: Partial<Record<X86Feature, string>> = {
  PREFETCHW: '3dnowprefetch',
  SSE3: 'pni',
  LZCNT: 'abm',
  CLFSH: 'clflush',
  SHA: 'sha-ni',
  PMC: '',
};

/**
 * Features whose instructions all execute; models have no others. Extend it when the last row of a feature gets its
 * handler (a test holds every row of these to have one).
 */
const EXECUTE = `
  fpu tsc msr cx8 cmov sep clflush clflushopt clwb movbe popcnt abm 3dnowprefetch adx rdtscp rdpid rdrand rdseed mmx fxsr
  3dnow 3dnowext mmxext sse sse2 pni ssse3 sse4.1 sse4.2 sse4a aes pclmulqdq sha-ni gfni xsave xsaveopt`;

/** Features of which not all rows execute yet (none at present): only the model `development` has them, for tests. */
const UNDER_CONSTRUCTION = '';

/**
 * Features without instructions for a process: they concern the system, hints and speed. What QEMU's models have of
 * these is kept, because programs print them and none can notice.
 */
const SYSTEM = `
  vme de pse pae mce apic mtrr pge mca pat pse36 acpi ss hypervisor monitor cx16 x2apic lahf-lm cmp-legacy nx pdpe1gb
  extapic cr8legacy svm smep smap erms fsrm invpcid arat invtsc osvw`;

/** A feature bit. */
export interface Feature {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly word: FeatureWord;
  readonly bit: number;
  /** Whether a model can have it. */
  readonly available: boolean;
}

const words = (text: string) => text.split(/\s+/).filter((word) => word !== '');

let table: Map<string, Feature> | undefined;

/** All features by name and alias; made when first asked for, because most starts need none by name. */
export function featureTable(): ReadonlyMap<string, Feature> {
  if (table) return table;
  table = new Map();
  const available = new Set([...words(EXECUTE), ...words(SYSTEM)]);
  NAMES.forEach((line, word) => {
    words(line).forEach((entry, bit) => {
      if (entry === '.') return;
      const [name, ...aliases] = entry.split('|') as [string, ...string[]];
      const feature = { name, aliases, word, bit, available: available.has(name) };
      for (const each of [name, ...aliases]) table!.set(each, feature);
    });
  });
  return table;
}

/** The feature a name of `-cpu` means; `_` stands for `-`. */
export function findFeature(name: string): Feature | undefined {
  return featureTable().get(name.replaceAll('_', '-'));
}

/** Where CPUID reports a feature, as QEMU's messages say it: `CPUID.07H:EBX.adx [bit 19]`. */
export function describePlace({ name, word, bit }: Feature): string {
  const { leaf, register } = FEATURE_WORDS[word]!;
  const number = leaf.toString(16).toUpperCase().padStart(2, '0');
  return `CPUID.${number}H:${CPUID_REGISTERS[register]}.${name} [bit ${bit}]`;
}

let availableMasks: number[] | undefined;

/** Per feature word, the bits a model can have. */
export function availableWords(): readonly number[] {
  if (availableMasks) return availableMasks;
  const masks: number[] = FEATURE_WORDS.map(() => 0);
  for (const { available, word, bit } of featureTable().values()) if (available) masks[word]! |= 1 << bit;
  availableMasks = masks;
  return masks;
}

/** The same for the model `development`. */
export function developmentWords(): readonly number[] {
  const masks = [...availableWords()];
  for (const name of words(UNDER_CONSTRUCTION)) {
    const { word, bit } = findFeature(name)!;
    masks[word]! |= 1 << bit;
  }
  return masks;
}

const placeOfRow = new Map<X86Feature, Feature | null>();

/** The feature bit of a row's feature; null for a feature no model can have. */
export function featureOfRow(feature: X86Feature): Feature | null {
  let found = placeOfRow.get(feature);
  if (found === undefined) {
    found = findFeature(ROW_FEATURES[feature] ?? feature.toLowerCase()) ?? null;
    placeOfRow.set(feature, found);
  }
  return found;
}
