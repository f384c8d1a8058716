// The text of /proc/cpuinfo for an x86 guest: what CPUID of its model says, in the words of arch/x86/kernel/cpu/proc.c.

import { cpuidLeaf } from '../../targets/x86/cpuid.ts';
import { FEATURE_WORDS, featureTable } from '../../targets/x86/features.ts';
import { modelOf, type X86Model } from '../../targets/x86/models.ts';

/** Names of features that the kernel spells otherwise than QEMU with `_` for `-` and `.`. */
const KERNEL_NAMES: Readonly<Record<string, string>> = {
  'tsc-deadline': 'tsc_deadline_timer',
  cr8legacy: 'cr8_legacy',
  ds: 'dts',
  invtsc: 'constant_tsc nonstop_tsc',
  avx512vnni: 'avx512_vnni',
};

/** Leaves of 16 bytes that hold the processor's name. */
const BRAND_LEAVES = [0x80000002, 0x80000003, 0x80000004];

/** Registers of CPUID leaves as the text they spell, up to a zero. */
function text(words: readonly number[]): string {
  const bytes = Buffer.alloc(4 * words.length);
  words.forEach((word, n) => {
    bytes.writeInt32LE(word | 0, 4 * n);
  });
  return bytes.toString('latin1').replace(/\0.*$/s, '').trim();
}

function flags(model: X86Model): string {
  const names: string[] = [];
  for (const { name, word, bit } of featureTable().values()) {
    const { leaf } = FEATURE_WORDS[word]!;
    const exists = leaf < 0x80000000 ? leaf <= model.level : leaf <= model.xlevel >>> 0;
    if (!exists || ((model.words[word]! >>> bit) & 1) === 0) continue;
    const kernelName = KERNEL_NAMES[name] ?? name.replace(/[-.]/g, '_');
    if (!names.includes(kernelName)) names.push(kernelName);
  }
  return names.join(' ');
}

/** The file for the CPU model in the state at `env`: as many processors as the host lets us use. */
export function i386CpuInfo(view: DataView, env: number): string {
  const model = modelOf(view, env);
  const [level, ebx, ecx, edx] = cpuidLeaf(model, 0);
  const [signature, sizes] = cpuidLeaf(model, 1);
  const family = (signature >>> 8) & 15;
  const brand = cpuidLeaf(model, 0x80000000)[0] >>> 0 >= BRAND_LEAVES[2]! ? BRAND_LEAVES : [];
  const clflush = ((sizes >>> 8) & 255) * 8;
  const lines = (processor: number): string[] => [
    `processor\t: ${processor}`,
    `vendor_id\t: ${text([ebx, edx, ecx])}`,
    `cpu family\t: ${family === 15 ? family + ((signature >>> 20) & 255) : family}`,
    `model\t\t: ${((signature >>> 4) & 15) + (family >= 6 ? ((signature >>> 16) & 15) << 4 : 0)}`,
    `model name\t: ${text(brand.flatMap((leaf) => cpuidLeaf(model, leaf))) || 'unknown'}`,
    (signature & 15) === 0 ? 'stepping\t: unknown' : `stepping\t: ${signature & 15}`,
    'fpu\t\t: yes',
    'fpu_exception\t: yes',
    `cpuid level\t: ${level}`,
    'wp\t\t: yes',
    `flags\t\t: ${flags(model)}`,
    'bogomips\t: 2000.00',
    ...(clflush ? [`clflush size\t: ${clflush}`, `cache_alignment\t: ${clflush}`] : []),
    'address sizes\t: 32 bits physical, 32 bits virtual',
    'power management:',
    '',
    '',
  ];
  return Array.from({ length: process.getBuiltinModule('node:os').availableParallelism() }, (_, n) =>
    lines(n).join('\n'),
  ).join('');
}
