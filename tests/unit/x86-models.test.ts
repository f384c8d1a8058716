// CPU models: what they advertise executes, CPUID is consistent and QEMU's, and -cpu says what QEMU says.
import { describe, expect, test } from 'bun:test';
import { cpuidLeaf } from '../../targets/x86/cpuid.ts';
import { availableWords, FEATURE_WORDS, featureOfRow, featureTable } from '../../targets/x86/features.ts';
import type { X86Feature, X86Mnemonic } from '../../targets/x86/insns.ts';
import { GROUPS } from '../../targets/x86/insns-groups.ts';
import { ONE_BYTE } from '../../targets/x86/insns-one-byte.ts';
import type { RowSpec } from '../../targets/x86/insns-row.ts';
import { SIMD_0F, SIMD_0F3A, SIMD_0F38, THREE_D_NOW } from '../../targets/x86/insns-simd.ts';
import { TWO_BYTE, ZERO_F_38 } from '../../targets/x86/insns-two-byte.ts';
import { X87 } from '../../targets/x86/insns-x87.ts';
import { selectModel } from '../../targets/x86/model-option.ts';
import { modelAt, X86_MODELS } from '../../targets/x86/models.ts';
import { handlerOf } from '../../targets/x86/translate/handlers.ts';
import { unimplemented } from '../../targets/x86/translate/system.ts';
import { MEMORY_MAP, regsFrom } from '../oracle/insn-case.ts';
import { isDeath, qemuCommand, runOracle, wemuCommand } from '../oracle/runner.ts';
import { caseOf, runCases } from '../regress/wemu-case.ts';
import { testWith } from '../setup/needs.ts';

const ROWS: readonly RowSpec[] = [
  ...ONE_BYTE,
  ...TWO_BYTE,
  ...ZERO_F_38,
  ...SIMD_0F,
  ...SIMD_0F38,
  ...SIMD_0F3A,
  ...THREE_D_NOW,
  ...Object.values(GROUPS).flat(),
  ...Object.values(X87).flat(),
];

/** The feature of a row: the one attribute that is not in lower case; '3dnow' is an attribute. */
function featureOf([, , , attributes = '']: RowSpec): X86Feature {
  const found = attributes.split(' ').find((word) => /^[0-9A-Z]/.test(word) && word !== '3dnow');
  return (found ?? '') as X86Feature;
}

describe('what is advertised executes', () => {
  test('every row of an available feature has a handler', () => {
    const without = ROWS.filter((spec) => {
      const feature = featureOf(spec);
      if (feature === '' || /^@|^INVALID$/.test(spec[1]) || !featureOfRow(feature)?.available) return false;
      const handler = handlerOf(spec[1] as X86Mnemonic);
      return handler === undefined || handler === unimplemented;
    });
    expect(without.map(([key, name]) => `${key.toString(16)} ${name}`)).toEqual([]);
  });

  test('every feature a row names has a bit, or is none a model can have', () => {
    const names = new Set(ROWS.map(featureOf).filter((name) => name !== ''));
    const without = [...names].filter((name) => featureOfRow(name) === null);
    expect(without).toEqual(['PMC']);
  });

  test('no model has a bit beyond the available ones', () => {
    for (const { name } of X86_MODELS) {
      const { words } = modelAt(selectModel(name).index);
      availableWords().forEach((mask, word) => {
        expect((words[word]! & ~mask) >>> 0).toBe(0);
      });
    }
  });

  test('bits of features do not overlap', () => {
    const seen = new Map<number, string>();
    for (const { name, word, bit } of featureTable().values()) {
      const place = word * 32 + bit;
      expect(seen.get(place) ?? name).toBe(name);
      seen.set(place, name);
    }
  });
});

/** Leaves that say what a model is; caches and addresses are ours. */
const LEAVES = [0, 1, 0x80000000, 0x80000001, 0x80000002, 0x80000003, 0x80000004];
/** `max` and `pentiumpro` are ours alone, `base` is the same but for the level. */
const COMPARED = X86_MODELS.map(({ name }) => name).filter((name) => !['max', 'pentiumpro'].includes(name));
/** QEMU gives leaf 1 EBX the line size of CLFLUSH whether there is one or not. */
const EBX = 1;

/** Bits of a leaf's register that are features which do not execute here. */
function unavailable(leaf: number, register: number): number {
  const word = FEATURE_WORDS.findIndex((place) => place.leaf === leaf && place.register === register);
  return word < 0 ? 0 : ~availableWords()[word]!;
}

testWith(['qemu-user'], 'CPUID of the models is as under qemu-i386, but for what does not execute here', () => {
  for (const name of COMPARED) {
    const qemu = qemuCommand(['-cpu', name]);
    if ('missing' in qemu) throw new Error(qemu.missing);
    const cases = LEAVES.map((leaf) =>
      caseOf([0x0f, 0xa2], { regs: regsFrom({ eax: leaf, esp: MEMORY_MAP.STACK }), faults: false }),
    );
    const outcomes = runOracle(cases, qemu.command);
    const model = modelAt(selectModel(name).index);
    LEAVES.forEach((leaf, n) => {
      const outcome = outcomes[n];
      if (!outcome || isDeath(outcome)) throw new Error(`${name}: ${outcome?.died}`);
      const theirs = [0, 3, 1, 2].map((reg) => outcome.regs[reg]!);
      const ours = cpuidLeaf(model, leaf);
      const read = leaf >= 0x80000000 && leaf > model.xlevel ? model.level : leaf;
      if (read > 1 && read < 0x80000000) return;
      // AMD's repetition of leaf 1 has the same exceptions.
      const repeated = read === 0x80000001 ? unavailable(1, 3) & 0x0183f3ff : 0;
      const masked = (values: readonly number[]) =>
        values.map((value, register) => {
          if (read === 1 && register === EBX) return 0;
          return (value & ~unavailable(read, register) & ~(register === 3 ? repeated : 0)) >>> 0;
        });
      expect([name, leaf, ...masked(ours)]).toEqual([name, leaf, ...masked(theirs)]);
    });
  }
});

/** Wrong arguments, where both end with the same words and status. */
const WRONG = [
  'nosuch',
  '',
  'qemu32,+nosuch',
  'qemu32,-nosuch',
  'qemu32,nosuch=on',
  'qemu32,nosuch',
  'qemu32,+',
  'qemu32,sse2=maybe',
  'qemu32,SSE2=off',
  'qemu32,check=maybe',
  'qemu32,vendor=foo',
  'qemu32,family=300',
  'qemu32,family=-1',
  'qemu32,family=x',
  'qemu32,model=256',
  'qemu32,stepping=16',
  'qemu32,level=zz',
  'qemu32,level=5000000000',
];

testWith(['qemu-user'], 'wrong arguments of -cpu end with the words and the status of qemu-i386', () => {
  const wemu = wemuCommand();
  const qemu = qemuCommand();
  if ('missing' in wemu || 'missing' in qemu) throw new Error('no command');
  for (const option of WRONG) {
    const run = (command: string[]) => {
      const { stderr, exitCode } = Bun.spawnSync([...command, '-cpu', option, 'tests/programs/hello/hello']);
      return [option, exitCode, stderr.toString().replace(/^(qemu|wemu)-i386: /, '')];
    };
    expect(run(wemu.command)).toEqual(run(qemu.command));
  }
});

describe('properties', () => {
  const leaf1 = (option: string) => cpuidLeaf(modelAt(selectModel(option).index), 1);
  test('features come and go in the order of QEMU: =, then +, then -', () => {
    const CMOV = 1 << 15;
    expect(leaf1('pentiumpro')[3] & CMOV).toBe(CMOV);
    expect(leaf1('pentiumpro,-cmov')[3] & CMOV).toBe(0);
    expect(leaf1('pentiumpro,cmov=off')[3] & CMOV).toBe(0);
    expect(leaf1('pentiumpro,cmov=off,+cmov')[3] & CMOV).toBe(CMOV);
    expect(leaf1('pentiumpro,-cmov,+cmov')[3] & CMOV).toBe(0);
    expect(leaf1('486,cmov')[3] & CMOV).toBe(CMOV);
  });
  test('family, model, stepping, vendor, brand, levels', () => {
    expect(leaf1('pentium,family=15,model=100,stepping=3')[0]).toBe(0x60f43);
    expect(leaf1('pentium,family=25')[0]).toBe(0xa00f43);
    const model = modelAt(selectModel('kvm32,vendor=AuthenticAMD,model-id=Hello there,level=3').index);
    expect(cpuidLeaf(model, 0)).toEqual([3, 0x68747541, 0x444d4163, 0x69746e65]);
    expect(cpuidLeaf(model, 0x80000002)[0]).toBe(0x6c6c6548);
    expect(selectModel('486,+adx').index).not.toBe(selectModel('486').index);
    expect(cpuidLeaf(modelAt(selectModel('486,+adx').index), 0)[0]).toBe(7);
  });
  test('what does not execute is warned about, or refused with enforce', () => {
    expect(selectModel('486,+avx512f').warnings).toEqual([
      "wemu doesn't support requested feature: CPUID.07H:EBX.avx512f [bit 16]",
    ]);
    expect(selectModel('486,+avx512f,check=off').warnings).toEqual([]);
    expect(() => selectModel('486,+avx512f,enforce')).toThrow("wemu doesn't support requested features (avx512f)");
    expect(selectModel('486,+cmov,cmov=off').warnings[0]).toContain('Ambiguous CPU model string');
  });
});

describe('a model without a feature raises #UD', () => {
  const SIGILL = 4;
  for (const [name, code, option] of [
    ['cmove', [0x0f, 0x44, 0xc1], '486'],
    ['popcnt', [0xf3, 0x0f, 0xb8, 0xc1], 'max,-popcnt'],
    ['movbe', [0x0f, 0x38, 0xf0, 0x00], 'max,movbe=off'],
    ['cmpxchg8b', [0x0f, 0xc7, 0x0e], '486'],
  ] as const) {
    test(`${name} with -cpu ${option}`, () => {
      const insn = caseOf([...code], {
        regs: regsFrom({ eax: MEMORY_MAP.DATA, esi: MEMORY_MAP.DATA, esp: MEMORY_MAP.STACK }),
      });
      expect(runCases([insn], ['-cpu', option])[0]!.signal?.signo).toBe(SIGILL);
      expect(runCases([insn])[0]!.signal).toBeUndefined();
    });
  }
  test('LZCNT is BSR then', () => {
    const insn = caseOf([0xf3, 0x0f, 0xbd, 0xc1], { regs: regsFrom({ ecx: 1, esp: MEMORY_MAP.STACK }) });
    expect(runCases([insn], ['-cpu', 'max,-abm'])[0]!.regs[0]).toBe(0);
    expect(runCases([insn])[0]!.regs[0]).toBe(31);
  });
});
