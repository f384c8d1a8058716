// What the host CPU really does where the manual says undefined: a rule per instruction, measured and kept measured.
//
// Measured on an AMD EPYC 9005 (family 1Ah, Zen 5) and an EPYC 9004 (family 19h, Zen 4); every rule below holds for every
// input tried on both. In words:
//
//   AND OR XOR TEST     AF = 0
//   MUL IMUL            SF ZF AF PF unchanged
//   DIV IDIV            CF OF unchanged, SF ZF PF = 0, AF = 1; with #DE all unchanged
//   SHL SHR SAR         AF = 1 (count not 0); OF by the formula for count 1 at every count: SHL: SF ^ CF,
//                       SHR and SAR: the two top bits of the result differ; CF = 0 when the count exceeds the size
//                       (SAR: the sign), at count = size the last bit shifted out
//   ROL RCL, ROR RCR    OF by the formula for count 1 at every count not 0 (masked to 5 bits): ROL, RCL: top bit ^ CF,
//                       ROR, RCR: the two top bits differ; also when RCL, RCR go round to where they were
//   SHLD SHRD           AF = 1; OF as for SHL and SHR; 16-bit count 16: the source, OF = CF for SHLD; 16-bit count > 16:
//                       the source rotated by count - 16, CF = 0, SHLD OF = 0, SHRD OF = the two top bits differ,
//                       SF ZF PF of the result
//   BT BTS BTR BTC      OF SF AF PF unchanged
//   BSF BSR             CF OF SF AF = 0; PF = parity of the result's low byte, 1 for a zero source
//   LZCNT TZCNT         OF unchanged, SF AF PF = 0
//   DAA DAS             OF of adding or subtracting the adjustment (0, 6, 60h or 66h) to AL as bytes
//   AAA AAS             with t = AX + or - 106h when adjusting, else AX: OF SF ZF of that 16-bit operation, PF of t
//   AAM                 OF AF CF = 0
//   AAD                 OF AF CF of AL + AH * base as a byte addition
//   BSWAP r16           the low word becomes 0
//
// Other CPUs differ (Intel computes SF and PF of MUL from the result, for instance), so nothing but a CPU of these
// families is held to these rules, and nobody's emulator.

import { readFileSync } from 'node:fs';
import { AF, type CaseResult, CF, type InsnCase, OF, PF, SF, STATUS_FLAGS, ZF } from '../../../oracle/insn-case.ts';
import { type Bits, Corpus, SIZES, sized, WIDE, wide } from './corpus.ts';

/** One case of a rule: EAX is the destination, EDX the other operand, CL the count. */
interface Measured {
  bits: Bits;
  eax: number;
  edx: number;
  count: number;
  /** EFLAGS before. */
  before: number;
  /** EAX and EFLAGS after. */
  result: number;
  after: number;
}

/** A rule: the undefined flags and what they become. */
export interface UndefinedRule {
  name: string;
  sizes: readonly Bits[];
  code: (bits: Bits) => number[];
  /** The undefined bits of EFLAGS. */
  flags: number;
  /** EFLAGS bits expected among `flags`; undefined leaves the case out. */
  expected: (m: Measured) => number | undefined;
  /** Expected value of EAX where the result is undefined too. */
  result?: (m: Measured) => number;
}

const mask = (bits: Bits) => (bits === 32 ? 0xffffffff : (1 << bits) - 1);
const bit = (value: number, place: number) => (value >>> place) & 1;
const top = (m: Measured) => bit(m.result, m.bits - 1);
const topTwoDiffer = (m: Measured) => (top(m) ^ bit(m.result, m.bits - 2) ? OF : 0);
const topNotCarry = (m: Measured) => (top(m) ^ (m.after & CF) ? OF : 0);
const unchanged = (flags: number) => (m: Measured) => m.before & flags;
const constant = (flags: number) => () => flags;

function parity(value: number): number {
  let x = value & 0xff;
  x ^= x >> 4;
  x ^= x >> 2;
  x ^= x >> 1;
  return x & 1 ? 0 : PF;
}

/** OF of an addition or subtraction of `bits` bits. */
function overflow(bits: number, a: number, b: number, result: number, subtract: boolean): number {
  return bit(subtract ? (a ^ b) & (a ^ result) : ~(a ^ b) & (a ^ result), bits - 1) ? OF : 0;
}

const withoutZeroCount = (rule: (m: Measured) => number | undefined) => (m: Measured) =>
  (m.count & 31) === 0 ? undefined : rule(m);

const group = (opcode: number, reg: number) => (bits: Bits) => [...sized(bits, [opcode]), 0xc0 | (reg << 3)];
/** Group 3 on EDX. */
const byEdx = (reg: number) => (bits: Bits) => [...sized(bits, [0xf6]), 0xc2 | (reg << 3)];

/** CF of SHL and SHR for counts of at least the size. */
function shiftedOut(m: Measured, left: boolean): number {
  if (m.count > m.bits) return 0;
  return bit(m.eax, left ? m.bits - m.count : m.count - 1);
}

function decimalAdjust(subtract: boolean) {
  return (m: Measured) => {
    const from = m.eax & 0xff;
    const to = m.result & 0xff;
    const adjustment = (subtract ? from - to : to - from) & 0xff;
    return overflow(8, from, adjustment, to, subtract);
  };
}

function asciiAdjust(subtract: boolean) {
  return (m: Measured) => {
    const from = m.eax & 0xffff;
    const by = m.after & AF ? 0x106 : 0;
    const t = (subtract ? from - by : from + by) & 0xffff;
    return overflow(16, from, by, t, subtract) | (t & 0x8000 ? SF : 0) | (t === 0 ? ZF : 0) | parity(t);
  };
}

function doubleShiftRule(name: 'shld' | 'shrd'): UndefinedRule {
  const left = name === 'shld';
  const source = (m: Measured) => m.edx & 0xffff;
  const rotated = (m: Measured) => {
    const by = left ? m.count - 16 : 32 - m.count;
    return ((source(m) << by) | (source(m) >>> (16 - by))) & 0xffff;
  };
  const beyond = (m: Measured) => m.bits === 16 && m.count >= 16;
  return {
    name,
    sizes: WIDE,
    code: (bits) => wide(bits, [0x0f, left ? 0xa5 : 0xad, 0xd0]),
    flags: STATUS_FLAGS,
    expected: withoutZeroCount((m) => {
      // The defined flags are taken from the result itself; CF of the defined counts is not this rule's business.
      let carry = m.after & CF;
      if (m.bits === 16 && m.count > 16) carry = 0;
      const zero = (m.result & mask(m.bits)) >>> 0 === 0 ? ZF : 0;
      let over = left ? topNotCarry(m) : topTwoDiffer(m);
      if (beyond(m) && left) over = carry ? OF : 0;
      return AF | carry | zero | (top(m) ? SF : 0) | parity(m.result) | over;
    }),
    result: (m) => (beyond(m) ? (m.eax & 0xffff0000) | (m.count === 16 ? source(m) : rotated(m)) : m.result),
  };
}

export const UNDEFINED_RULES: UndefinedRule[] = [
  { name: 'and', sizes: SIZES, code: (bits) => [...sized(bits, [0x20]), 0xd0], flags: AF, expected: constant(0) },
  { name: 'or', sizes: SIZES, code: (bits) => [...sized(bits, [0x08]), 0xd0], flags: AF, expected: constant(0) },
  { name: 'xor', sizes: SIZES, code: (bits) => [...sized(bits, [0x30]), 0xd0], flags: AF, expected: constant(0) },
  { name: 'test', sizes: SIZES, code: (bits) => [...sized(bits, [0x84]), 0xd0], flags: AF, expected: constant(0) },
  ...(['mul', 'imul'] as const).map((name, i) => ({
    name,
    sizes: SIZES,
    code: byEdx(4 + i),
    flags: SF | ZF | AF | PF,
    expected: unchanged(SF | ZF | AF | PF),
  })),
  {
    name: 'imul r,rm',
    sizes: WIDE,
    code: (bits: Bits) => wide(bits, [0x0f, 0xaf, 0xc2]),
    flags: SF | ZF | AF | PF,
    expected: unchanged(SF | ZF | AF | PF),
  },
  // The divisor is ECX with its top bit and the dividend's upper half zero, so that the quotient fits.
  ...(['div', 'idiv'] as const).map((name, i) => ({
    name,
    sizes: [32] as const,
    code: () => [0x31, 0xd2, 0x83, 0xc9, 0x01, 0xd1, 0xe8, 0xf7, 0xf1 | (i << 3)],
    flags: STATUS_FLAGS,
    // xor edx,edx; or ecx,1; shr eax,1 go before: CF is EAX's low bit, OF its top bit.
    expected: (m: Measured) => AF | (bit(m.eax, 0) ? CF : 0) | (bit(m.eax, 31) ? OF : 0),
  })),
  ...(['rol', 'ror', 'rcl', 'rcr'] as const).map((name, i) => ({
    name,
    sizes: SIZES,
    code: group(0xd2, i),
    flags: OF,
    expected: withoutZeroCount(i & 1 ? topTwoDiffer : topNotCarry),
  })),
  ...[4, 6].map((reg) => ({
    name: reg === 4 ? 'shl' : 'sal',
    sizes: SIZES,
    code: group(0xd2, reg),
    flags: AF | OF | CF,
    expected: withoutZeroCount((m) => {
      const carry = shiftedOut(m, true);
      return AF | carry | (top(m) ^ carry ? OF : 0);
    }),
  })),
  {
    name: 'shr',
    sizes: SIZES,
    code: group(0xd2, 5),
    flags: AF | OF | CF,
    expected: withoutZeroCount((m) => AF | shiftedOut(m, false) | topTwoDiffer(m)),
  },
  {
    name: 'sar',
    sizes: SIZES,
    code: group(0xd2, 7),
    flags: AF | OF,
    expected: withoutZeroCount((m) => AF | topTwoDiffer(m)),
  },
  doubleShiftRule('shld'),
  doubleShiftRule('shrd'),
  ...(['bt', 'bts', 'btr', 'btc'] as const).map((name, i) => ({
    name,
    sizes: WIDE,
    code: (bits: Bits) => wide(bits, [0x0f, 0xa3 | (i << 3), 0xd0]),
    flags: OF | SF | AF | PF,
    expected: unchanged(OF | SF | AF | PF),
  })),
  ...(['bsf', 'bsr'] as const).map((name, i) => ({
    name,
    sizes: WIDE,
    code: (bits: Bits) => wide(bits, [0x0f, 0xbc | i, 0xc2]),
    flags: CF | OF | SF | AF | PF,
    expected: (m: Measured) => ((m.edx & mask(m.bits)) === 0 ? PF : parity(m.result)),
  })),
  ...(['tzcnt', 'lzcnt'] as const).map((name, i) => ({
    name,
    sizes: WIDE,
    code: (bits: Bits) => wide(bits, [0xf3, 0x0f, 0xbc | i, 0xc2]),
    flags: OF | SF | AF | PF,
    expected: unchanged(OF),
  })),
  ...[0x27, 0x2f].map((opcode, i) => ({
    name: i ? 'das' : 'daa',
    sizes: [8] as const,
    code: () => [opcode],
    flags: OF,
    expected: decimalAdjust(i === 1),
  })),
  ...[0x37, 0x3f].map((opcode, i) => ({
    name: i ? 'aas' : 'aaa',
    sizes: [8] as const,
    code: () => [opcode],
    flags: OF | SF | ZF | PF,
    expected: asciiAdjust(i === 1),
  })),
  { name: 'aam', sizes: [8], code: () => [0xd4, 10], flags: OF | AF | CF, expected: constant(0) },
  {
    name: 'aad',
    sizes: [8],
    code: () => [0xd5, 10],
    flags: OF | AF | CF,
    expected: (m) => {
      const al = m.eax & 0xff;
      const tens = (((m.eax >>> 8) & 0xff) * 10) & 0xff;
      const sum = (al + tens) & 0xff;
      const half = (al & 15) + (tens & 15) > 15 ? AF : 0;
      return overflow(8, al, tens, sum, false) | half | (al + tens > 0xff ? CF : 0);
    },
  },
  {
    name: 'bswap r16',
    sizes: [16],
    code: () => [0x66, 0x0f, 0xc8],
    flags: 0,
    expected: constant(0),
    result: (m) => m.eax & 0xffff0000,
  },
];

const CASES_PER_SIZE = 120;

/** The cases of a rule, always the same ones. */
export function ruleCases(rule: UndefinedRule): InsnCase[] {
  const corpus = new Corpus(rule.name, rule.name.length * 7919 + rule.flags);
  const { random } = corpus;
  for (const bits of rule.sizes) {
    for (let i = 0; i < CASES_PER_SIZE; i++) {
      const eax = i % 3 ? random.u32() : random.value(32);
      const edx = i % 5 ? random.u32() : random.value(bits);
      const ecx = (random.u32() & 0x7fffff00) | (i & 31);
      corpus.add(`${rule.name}${bits}:`, rule.code(bits), { regs: { eax, edx, ecx }, flagMask: rule.flags });
    }
  }
  return corpus.cases;
}

/** The cases in which the host does not follow the rule, in words; empty when it does. */
export function ruleViolations(rule: UndefinedRule, cases: InsnCase[], results: CaseResult[]): string[] {
  const violations: string[] = [];
  cases.forEach((insn, i) => {
    const after = results[i]!;
    const m: Measured = {
      bits: rule.sizes[Math.floor(i / CASES_PER_SIZE)]!,
      eax: insn.regs[0]!,
      edx: insn.regs[2]!,
      count: insn.regs[1]! & 31,
      before: insn.eflags,
      result: after.regs[0]!,
      after: after.eflags,
    };
    const expected = rule.expected(m);
    const wrongFlags = expected !== undefined && (after.eflags & rule.flags) !== (expected & rule.flags);
    const wrongResult = rule.result !== undefined && rule.result(m) >>> 0 !== m.result;
    if (!wrongFlags && !wrongResult) return;
    const hex = (value: number) => (value >>> 0).toString(16);
    violations.push(
      `${insn.name} eax=${hex(m.eax)} edx=${hex(m.edx)} count=${m.count} flags=${hex(m.before)}` +
        ` gives ${hex(m.result)} flags=${hex(m.after)}, rule: flags ${hex(expected ?? 0)} of ${hex(rule.flags)}`,
    );
  });
  return violations;
}

/** Whether the host is of a family the rules were measured on. */
export function hostFollowsRules(): boolean {
  const info = readFileSync('/proc/cpuinfo', 'utf8');
  return /vendor_id\s*: AuthenticAMD/.test(info) && /cpu family\s*: (25|26)\b/.test(info);
}
