// i386 integer instructions: the host CPU runs every corpus, and wemu and qemu-i386 must agree with it.

import { beforeAll, describe, expect, test } from 'bun:test';
import { modelHas, X86_MODELS } from '../../targets/x86/models.ts';
import { fuzzSequences } from '../fuzz/x86-sequences.ts';
import { type CompareOptions, compareOutcomes, type Difference, formatDifferences } from '../oracle/compare.ts';
import { type CaseResult, type InsnCase, RF, STATUS_FLAGS } from '../oracle/insn-case.ts';
import {
  isDeath,
  NATIVE,
  nativeUnavailable,
  type Outcome,
  qemuCommand,
  runForSignal,
  runOracle,
  wemuCommand,
} from '../oracle/runner.ts';
import { type Need, testWith } from '../setup/needs.ts';
import { INTEGER_CORPORA } from './x86/integer/index.ts';
import { EXTENSIONS, optionalCases } from './x86/integer/optional.ts';
import { hostFollowsRules, ruleCases, ruleViolations, UNDEFINED_RULES } from './x86/integer/undefined-flags.ts';

/** An option set wemu runs the corpora with. */
interface Variant {
  name: string;
  options: string[];
  /** Of so many cases it runs one; different variants run different ones. */
  share: number;
  fuzz: number;
}

const ENGINES = [
  { name: 'interpreter', options: ['-engine', 'interp'], off: [] },
  { name: 'all compiled', options: [], off: ['cold'] },
  { name: 'default', options: [], off: [] },
];
const OPTIMIZER_OFF = ['fold', 'dead-code', 'spans'];

/** Engines x optimiser on and off x chaining on and off; the first, as users run it, runs every case. */
const WEMU_VARIANTS: Variant[] = [{ name: 'default', options: [], share: 1, fuzz: 1000 }];
for (const engine of ENGINES) {
  for (const [name, more] of [
    ['', []],
    [', not optimised', OPTIMIZER_OFF],
    [', not chained', ['chain']],
    [', neither', [...OPTIMIZER_OFF, 'chain']],
  ] as const) {
    const off = [...engine.off, ...more];
    const options = [...engine.options, ...(off.length > 0 ? ['-disable', off.join(',')] : [])];
    WEMU_VARIANTS.push({ name: `${engine.name}${name}`, options, share: 5, fuzz: 250 });
  }
}
// The default engine with everything on is the first row already.
WEMU_VARIANTS.splice(
  WEMU_VARIANTS.findLastIndex(({ name }) => name === 'default'),
  1,
);

/**
 * Where qemu-i386 7.2 is known to differ from the CPU, by case name. Not a wish list for wemu: it is compared with the
 * CPU. The list keeps the comparison with qemu useful as a check of the oracle itself.
 */
const QEMU_DIFFERS: { cases: RegExp; why: string }[] = [
  { cases: /^test\d+ rm,imm \/1:/, why: 'F6/F7 /1 is #UD there, TEST in every processor' },
  { cases: /^ret: imm 0xfffc/, why: 'the byte count of RET is sign-extended there' },
  { cases: /^null [def]s |^cs (store|add)/, why: 'segment limits, types and null selectors are not checked there' },
  { cases: /^rcl m,cl: (read-only|across out)/, why: 'CF is written there before the store faults' },
  { cases: /^pusha(16)?: room/, why: 'writes from the lowest address up there, so another address faults' },
  { cases: /^enter 8,0: room/, why: 'the final stack pointer is not probed there' },
  { cases: /^c[67] \/[14]:/, why: 'ModRM.reg of C6 and C7 is not checked there' },
  { cases: /^lock /, why: 'LOCK is ignored there on some instructions that do not allow it' },
  { cases: /^ac /, why: 'no alignment checks there' },
];

/** The same for rows in fuzzed sequences: CMPXCHG8B leaves flags of before the last instructions. */
const QEMU_WITHOUT = ['TEST/1', 'CMPXCHG8B/1'];

/** Fixed, so that a failure is the same failure next time; a long run with other seeds is a command of its own. */
const FUZZ = { seed: 20240, cases: 1000 };

/** Extensions the default CPU model of wemu has; it raises #UD for the others, or runs an older instruction. */
const WEMU_FEATURES: ReadonlySet<string> = new Set(
  EXTENSIONS.map(({ feature }) => feature).filter((feature) => modelHas(X86_MODELS[0]!, feature)),
);
const wemuLacks = new Set(optionalCases().map(({ name }) => name));
for (const { name } of optionalCases(WEMU_FEATURES)) wemuLacks.delete(name);

/**
 * qemu-user leaves the trap number, error code, CR2 and RF out of signal frames, and reserves the address range of the
 * program, so that an access between its segments is SEGV_ACCERR instead of SEGV_MAPERR; TRAP_TRACE is TRAP_BRKPT.
 */
const QEMU_COMPARE: CompareOptions = { ignoreFlags: RF, ignoreSignal: ['details', 'si_code'] };

const unavailable = nativeUnavailable();
const native: Need = { met: unavailable === undefined, reason: unavailable ?? '' };

const corpora = new Map<string, { cases: InsnCase[]; native: (Outcome | undefined)[] }>();

beforeAll(() => {
  if (unavailable !== undefined) return;
  for (const [name, build] of Object.entries(INTEGER_CORPORA)) {
    const cases = build();
    corpora.set(name, { cases, native: runOracle(cases, NATIVE) });
  }
});

/**
 * What wemu does differently in its share of a corpus. The CPU runs the same share: code addresses, which some cases leave
 * in registers and memory, depend on what is in the program.
 */
function wemuDifferences(name: string, { share }: Variant, offset: number, command: string[]): Difference[] {
  const cases = corpora.get(name)!.cases.filter((insn, i) => i % share === offset % share && !wemuLacks.has(insn.name));
  return compareOutcomes(cases, runOracle(cases, NATIVE), runOracle(cases, command));
}

function differences(name: string, command: string[], options?: CompareOptions): Difference[] {
  const corpus = corpora.get(name)!;
  return compareOutcomes(corpus.cases, corpus.native, runOracle(corpus.cases, command), options);
}

describe('host CPU', () => {
  testWith([native], 'every case runs, and only cases marked so raise signals', () => {
    let count = 0;
    const wrong: string[] = [];
    for (const [name, corpus] of corpora) {
      count += corpus.cases.length;
      corpus.cases.forEach((insn, i) => {
        const outcome = corpus.native[i];
        if (!outcome || isDeath(outcome)) wrong.push(`${name}/${insn.name}: ${outcome?.died ?? 'did not run'}`);
        else if (outcome.signal && !insn.faults) wrong.push(`${name}/${insn.name}: signal ${outcome.signal.signo}`);
      });
    }
    expect(wrong).toEqual([]);
    expect(count).toBeGreaterThan(10_000);
  });

  testWith([native], 'the results do not depend on the run', () => {
    for (const { cases, native: first } of corpora.values()) {
      expect(
        formatDifferences(compareOutcomes(cases, first, runOracle(cases, NATIVE), { compareUndefined: true })),
      ).toBe('');
    }
  });

  testWith([native], 'a divide error leaves registers and flags alone', () => {
    const { cases, native: results } = corpora.get('multiply-divide')!;
    let count = 0;
    cases.forEach((insn, i) => {
      const result = results[i] as CaseResult;
      if (!result.signal) return;
      count++;
      expect(Array.from(result.regs)).toEqual(Array.from(insn.regs));
      expect(result.eflags & STATUS_FLAGS).toBe(insn.eflags & STATUS_FLAGS);
    });
    expect(count).toBeGreaterThan(100);
  });

  const family: Need = { met: hostFollowsRules(), reason: 'the rules were measured on AMD families 19h and 1Ah' };
  for (const rule of UNDEFINED_RULES) {
    testWith([native, family], `undefined flags of ${rule.name}`, () => {
      const cases = ruleCases(rule);
      expect(ruleViolations(rule, cases, runOracle(cases, NATIVE) as CaseResult[])).toEqual([]);
    });
  }
});

describe('qemu-i386', () => {
  for (const name of Object.keys(INTEGER_CORPORA)) {
    testWith([native, 'qemu-user'], name, () => {
      const found = qemuCommand();
      if ('missing' in found) throw new Error(found.missing);
      const unknown = differences(name, found.command, QEMU_COMPARE).filter(
        ({ insn }) => !QEMU_DIFFERS.some(({ cases }) => cases.test(insn.name)),
      );
      expect(formatDifferences(unknown)).toBe('');
    });
  }
  testWith([native, 'qemu-user'], 'random sequences', () => {
    const found = qemuCommand();
    if ('missing' in found) throw new Error(found.missing);
    expect(fuzzSequences({ ...FUZZ, command: found.command, without: QEMU_WITHOUT })).toBeUndefined();
  });
});

/** Rules wemu does not follow, because it would cost generated code something; see targets/x86/flags.ts. */
const OTHER_UNDEFINED = ['mul', 'imul', 'imul r,rm', 'div', 'idiv', 'lzcnt', 'tzcnt', 'shld'];

/** Signals as a parent process sees them: one case in a process of its own, without handlers. */
const FATAL = ['ud2:', 'int3:', 'div: by zero', 'hlt: ecx 0', 'mov r,m: beyond', 'ac mov r,m: +1', 'into:', 'tf: nop'];

describe('wemu', () => {
  for (const [index, variant] of WEMU_VARIANTS.entries()) {
    const wemu = wemuCommand(variant.options);
    const need: Need = { met: 'command' in wemu, reason: 'missing' in wemu ? wemu.missing : '' };
    const command = 'command' in wemu ? wemu.command : [];
    for (const name of Object.keys(INTEGER_CORPORA)) {
      testWith([native, need], `${name} (${variant.name})`, () => {
        expect(formatDifferences(wemuDifferences(name, variant, index, command))).toBe('');
      });
    }
    testWith([native, need], `random sequences (${variant.name})`, () => {
      expect(fuzzSequences({ seed: FUZZ.seed + index, cases: variant.fuzz, command })).toBeUndefined();
    });
    if (variant.share > 1) continue;
    for (const rule of UNDEFINED_RULES) {
      if (OTHER_UNDEFINED.includes(rule.name)) continue;
      testWith([native, need], `undefined flags of ${rule.name}`, () => {
        const cases = ruleCases(rule);
        expect(ruleViolations(rule, cases, runOracle(cases, command) as CaseResult[])).toEqual([]);
      });
    }
    testWith([native, need], `fatal signals (${variant.name})`, () => {
      const { cases } = corpora.get('fault')!;
      const ends = (run: string[]) =>
        FATAL.map((name) => {
          const insn = cases.find((candidate) => candidate.name === name);
          return `${name} ${insn ? runForSignal(insn, run) : 'is no case'}`;
        });
      expect(ends(command)).toEqual(ends(NATIVE));
    });
  }
});

testWith(
  [native],
  'without signal handlers faulting cases are left out, and a case that kills the program is named',
  () => {
    const { cases, native: results } = corpora.get('segment')!;
    const without = runOracle(cases, NATIVE, { signals: false });
    expect(without.map((outcome) => outcome === undefined)).toEqual(cases.map(({ faults }) => faults === true));
    expect(compareOutcomes(cases, results, without, { compareUndefined: true })).toEqual([]);

    const [good] = cases;
    const bad: InsnCase = { ...good!, name: 'ud2', code: Uint8Array.of(0x0f, 0x0b) };
    const outcomes = runOracle([good!, bad, good!], NATIVE, { signals: false });
    expect(outcomes.map((outcome) => outcome && isDeath(outcome) && outcome.died)).toEqual([
      false,
      'killed by SIGILL',
      false,
    ]);
  },
);

test('the differences of the oracle are found: a wrong result is reported', () => {
  const cases = INTEGER_CORPORA['alu']!().slice(0, 2);
  const good: CaseResult[] = cases.map((insn) => ({
    regs: insn.regs.slice(),
    eflags: insn.eflags,
    segments: [0, 0, 0, 0],
    memory: insn.memory.map(({ bytes }) => bytes.slice()),
  }));
  const bad = good.map((result) => ({ ...result, regs: result.regs.slice() }));
  bad[1]!.regs[3]! ^= 1;
  const found = compareOutcomes(cases, good, bad);
  expect(found.map(({ index, parts }) => [index, parts])).toEqual([[1, ['ebx']]]);
});
