/** What this processor does where the manual says UNPREDICTABLE: the rules that rows name behind `?`. docs/arm.md lists them. */

import type { Encoding } from '../decode/pattern.ts';
import { type Insn, InsnSet } from './insns.ts';

/** One rule. */
export interface UnpredictableRule {
  /** Whether it concerns an instruction of a row that names it. */
  readonly when: (insn: Insn, except: string) => boolean;
  /** The condition in words. */
  readonly text: string;
  /** What happens; null: the instruction is UNDEFINED, for which the translator sees by itself. */
  readonly does: string | null;
}

const CORE_FIELDS = ['d', 'n', 'm', 's', 't', 'a', 'u'] as const;
type CoreField = (typeof CORE_FIELDS)[number];

const fieldsOf = new Map<Encoding, readonly CoreField[]>();

/** Fields of a row that are core registers. */
export function coreRegisters(encoding: Encoding): readonly CoreField[] {
  let fields = fieldsOf.get(encoding);
  if (fields) return fields;
  const present = new Set([...encoding.pieces.map(({ field }) => field), ...encoding.copies.map(([field]) => field)]);
  // In vector rows d, n and m are vector registers, but for bases and offsets of structures.
  const vector = encoding.name.startsWith('V');
  const memory = /^V(LD|ST)/.test(encoding.name);
  fields = CORE_FIELDS.filter(
    (field) => present.has(field) && (!vector || field === 't' || field === 'u' || (memory && field === 'n')),
  );
  fieldsOf.set(encoding, fields);
  return fields;
}

/** Whether a register operand, but for those in `except`, is register `number`. */
function uses(insn: Insn, number: number, except: string): boolean {
  for (const field of coreRegisters(insn.encoding!)) {
    if (insn[field] === number && !except.includes(field)) return true;
  }
  return false;
}

/** The second register of a pair. */
const second = (insn: Insn): number => (insn.set === InsnSet.T32 ? insn.u : insn.t + 1);
const isDual = (insn: Insn): boolean =>
  insn.encoding!.name.startsWith('LDRD') || insn.encoding!.name.startsWith('STRD');
/** Whether an access writes its base register: P=0 is post-indexed. */
const writesBase = (insn: Insn): boolean => insn.P === 0 || insn.W === 1;
/** LDRT and relatives: post-indexed with W in A32, a form of its own in T32. */
const isUnprivileged = (insn: Insn): boolean =>
  insn.set === InsnSet.T32 ? insn.P === 1 && insn.U === 1 && insn.W === 0 : insn.P === 0 && insn.W === 1;
/** Registers of LDM and STM. */
const list = (insn: Insn): number => insn.l | (insn.M << 14) | (insn.K << 15);
const fieldWidth = (insn: Insn): number => insn.w + 1 - insn.h;
const firstD = (insn: Insn): number => (insn.D << 4) | insn.d;

/** The last D register of VLDn and VSTn: n elements, in one or more registers each, next to each other or every other one. */
function lastOfStructure(insn: Insn): number {
  const [, digit, form] = /^V(?:LD|ST)(.)_(.*)/.exec(insn.encoding!.name)!;
  const elements = Number(digit);
  let spacing = insn.y + 1;
  if (form === 'lane') spacing = insn.s === 0 ? 1 : 1 + ((insn.i >>> insn.s) & 1);
  if (elements === 1) return firstD(insn) + (form === 'multiple' ? insn.r - 1 : form === 'all' ? insn.y : 0);
  if (form === 'multiple' && insn.r === 2) return firstD(insn) + 3;
  return firstD(insn) + (elements - 1) * spacing;
}

/** Whether the parts of CPS do not go together: imod, the flags A, I and F, M and the mode. */
function isOddChange(insn: Insn): boolean {
  const { word, set } = insn;
  if (set === InsnSet.T16) return (word & 7) === 0;
  const [imod, flags, changes] =
    set === InsnSet.A32
      ? [(word >>> 18) & 3, (word >>> 6) & 7, (word >>> 17) & 1]
      : [(word >>> 9) & 3, (word >>> 5) & 7, (word >>> 8) & 1];
  if (imod === 1 || (imod === 0 && changes === 0)) return true;
  return ((word & 31) !== 0 && changes === 0) || imod >= 2 !== (flags !== 0);
}

/** A rule's name may be followed by `-` and fields it does not look at. */
export const RULES = {
  pc: {
    text: 'a register operand is the PC',
    does: null,
    when: (insn, except) => uses(insn, 15, except),
  },
  sp: {
    text: 'a register operand in T32 is the SP',
    does: 'the SP like any register, as ARMv8 has it',
    when: (insn, except) => uses(insn, 13, except),
  },
  spadd: {
    text: 'the result or the second operand of an addition in T32 is the SP, and the first operand is not',
    does: 'the SP like any register, as ARMv8 has it',
    when: (insn) => insn.n !== 13 && uses(insn, 13, ''),
  },
  exc: {
    text: 'the result is the PC and the flags are set: a return from an exception, in user mode',
    does: null,
    when: (insn) => insn.d === 15 && insn.S === 1,
  },
  tpc: { text: 'the transferred register is the PC', does: null, when: (insn) => insn.t === 15 },
  tpcuser: {
    text: 'the PC is loaded as if by an unprivileged access',
    does: null,
    when: (insn) => insn.t === 15 && isUnprivileged(insn),
  },
  tspuser: {
    text: 'the SP in T32 is transferred as if by an unprivileged access',
    does: 'the SP like any register',
    when: (insn) => insn.t === 13 && isUnprivileged(insn),
  },
  tsp: {
    text: 'the transferred register in T32 is the SP',
    does: 'the SP like any register',
    when: (insn) => insn.set === InsnSet.T32 && insn.t === 13,
  },
  mpc: { text: 'the offset is the PC', does: null, when: (insn) => insn.m === 15 },
  msp: { text: 'the offset is the SP', does: 'the SP like any register', when: (insn) => insn.m === 13 },
  npc: { text: 'the base is the PC', does: null, when: (insn) => insn.n === 15 },
  hintpc: {
    text: 'the base of PLDW in A32 is the PC',
    does: 'nothing',
    when: (insn) => insn.n === 15,
  },
  wbpc: {
    text: 'the base is the PC and is written back',
    does: null,
    when: (insn) => insn.n === 15 && writesBase(insn),
  },
  wbsame: {
    text: 'the base is written back and is a transferred register too',
    does: 'a load leaves what was loaded, a store stores the base as it was',
    when: (insn) => writesBase(insn) && (insn.n === insn.t || (isDual(insn) && insn.n === second(insn))),
  },
  odd: {
    text: 'the first register of a pair in A32 is odd',
    does: null,
    when: (insn) => (insn.t & 1) === 1,
  },
  pairpc: { text: 'the second register of a pair is the PC', does: null, when: (insn) => second(insn) === 15 },
  pairsame: {
    text: 'both registers of a loaded pair are the same',
    does: 'it gets the second word',
    when: (insn) => insn.t === insn.u,
  },
  postw: {
    text: 'a post-indexed access of a pair with W',
    does: 'as without W',
    when: (insn) => insn.P === 0 && insn.W === 1,
  },
  offloaded: {
    text: 'the offset of a loaded pair is one of them',
    does: 'the address is of the offset as it was',
    when: (insn) => insn.m === insn.t || insn.m === second(insn),
  },
  empty: { text: 'the list of registers is empty', does: null, when: (insn) => list(insn) === 0 },
  one: {
    text: 'the list of registers in T32 has only one',
    does: 'a transfer of one register',
    when: (insn) => list(insn) !== 0 && (list(insn) & (list(insn) - 1)) === 0,
  },
  listsp: {
    text: 'the list of registers in T32 has the SP',
    does: 'the SP like any register',
    when: (insn) => (insn.l & 0x2000) !== 0,
  },
  listpc: {
    text: 'the list of stored registers in T32 has the PC',
    does: 'the PC is stored as it reads',
    when: (insn) => (insn.l & 0x8000) !== 0,
  },
  pclr: {
    text: 'the list of loaded registers in T32 has LR and PC',
    does: 'both are loaded',
    when: (insn) => (insn.l & 0xc000) === 0xc000,
  },
  baseloaded: {
    text: 'the base is written back and loaded',
    does: 'it keeps what was loaded',
    when: (insn) => insn.W === 1 && (list(insn) & (1 << insn.n)) !== 0,
  },
  basestored: {
    text: 'the base is written back and stored, and is not the lowest register of the list (in T32: stored)',
    does: 'it is stored as it was',
    when: (insn) =>
      insn.W === 1 &&
      (list(insn) & (1 << insn.n)) !== 0 &&
      (insn.set === InsnSet.T32 || (list(insn) & ((1 << insn.n) - 1)) !== 0),
  },
  swpbase: {
    text: 'the base of SWP is one of the two registers',
    does: 'memory gets the register as it was, then the register is loaded',
    when: (insn) => insn.n === insn.m || insn.n === insn.t,
  },
  status: {
    text: 'the status register of a store-exclusive is its base or a stored register',
    does: 'the status is written behind the store',
    when: (insn) =>
      insn.d === insn.n || insn.d === insn.t || (insn.encoding!.name.endsWith('D') && insn.d === second(insn)),
  },
  same: {
    text: 'both registers of a 64-bit result are the same',
    does: 'it gets the upper word',
    when: (insn) => insn.d === insn.u,
  },
  width: { text: 'the bit field ends below its beginning', does: null, when: (insn) => fieldWidth(insn) < 1 },
  beyond: {
    text: 'the bit field goes beyond bit 31',
    does: null,
    when: (insn) => insn.h + insn.w > 31,
  },
  twice: {
    text: 'the two fields of T32 for the same operand differ',
    does: 'the second one counts',
    when: (insn) => insn.n !== insn.m,
  },
  mask: { text: 'MSR writes no field', does: 'nothing', when: (insn) => insn.k === 0 },
  cps: {
    text: 'CPS changes nothing, or names what it does not change',
    does: 'nothing, as CPS does for users',
    when: isOddChange,
  },
  crc64: { text: 'CRC32 of 64 bits', does: null, when: (insn) => insn.z === 3 },
  crccond: {
    text: 'CRC32 or half-precision arithmetic under a condition',
    does: 'as under the condition',
    when: (insn) => insn.set === InsnSet.A32 && insn.word >>> 28 < 14,
  },
  it: {
    text: 'IT with condition 1111, or with AL and an else',
    does: null,
    when: (insn) => insn.k === 15 || (insn.k === 14 && (insn.i & (insn.i - 1)) !== 0),
  },
  cmplow: {
    text: "CMP's form for high registers with two low ones",
    does: 'they are compared',
    when: (insn) => insn.n < 8 && insn.m < 8,
  },
  addpc: {
    text: 'ADD of the PC to the PC in 16 bits',
    does: 'a jump to the sum',
    when: (insn) => insn.d === 15 && insn.m === 15,
  },
  flagspc: {
    text: 'a floating-point system register other than FPSCR goes to the PC',
    does: null,
    when: (insn) => insn.t === 15 && insn.n !== 1,
  },
  lasts: {
    text: 'the first of two single registers is S31',
    does: null,
    when: (insn) => insn.m === 15 && insn.M === 1,
  },
  vcount: {
    text: 'a list of vector registers is empty, has more than 16 doublewords or ends beyond the last register',
    does: null,
    when: (insn) => {
      const double = insn.encoding!.name.endsWith('_d');
      const count = double ? insn.i >> 1 : insn.i;
      const first = double ? firstD(insn) : (insn.d << 1) | insn.D;
      return count === 0 || (double && count > 16) || first + count > 32;
    },
  },
  vbasepc: {
    text: 'the base of a list of vector registers is the PC, written back or in T32',
    does: null,
    when: (insn) => insn.n === 15 && (insn.W === 1 || insn.set === InsnSet.T32),
  },
  vstrpc: {
    text: 'the base of VSTR in T32 is the PC',
    does: 'the address is relative to the PC, as in A32',
    when: (insn) => insn.n === 15 && insn.set === InsnSet.T32,
  },
  fraction: {
    text: 'a fixed-point number has more bits behind the point than it has bits',
    does: null,
    when: (insn) => (insn.i << 1) + insn.j > (insn.q ? 32 : 16),
  },
  structbeyond: {
    text: 'the last register of structures is beyond D31',
    does: null,
    when: (insn) => lastOfStructure(insn) > 31,
  },
  tablebeyond: {
    text: 'the table of VTBL or VTBX ends beyond D31',
    does: null,
    when: (insn) => ((insn.N << 4) | insn.n) + insn.k > 31,
  },
  samevector: {
    text: 'VTRN, VZIP or VUZP of a register with itself',
    does: 'both results are written one after the other, the second operand last',
    when: (insn) => insn.d === insn.m && insn.D === insn.M,
  },
} as const satisfies Record<string, UnpredictableRule>;

/** A rule as a row names it. */
interface NamedRule {
  readonly rule: UnpredictableRule;
  readonly except: string;
}

const namedRules = new Map<string, NamedRule>();

/** The rule a row names as `name` or `name-fields`. Throws where there is none. */
export function ruleOf(name: string): NamedRule {
  let named = namedRules.get(name);
  if (named) return named;
  const [key, except = ''] = name.split('-') as [keyof typeof RULES, string?];
  const rule = RULES[key] as UnpredictableRule | undefined;
  if (!rule) throw new Error(`no rule '${name}' of what is UNPREDICTABLE`);
  named = { rule, except };
  namedRules.set(name, named);
  return named;
}

/** Names of the rules that concern a decoded instruction. */
export function unpredictableRules(insn: Insn): string[] {
  return insn.encoding!.unpredictable.filter((name) => {
    const { rule, except } = ruleOf(name);
    return rule.when(insn, except);
  });
}

/** The rules of a row that make an instruction UNDEFINED; looked up at every translation. */
const refusals = new Map<Encoding, readonly NamedRule[]>();

/** Whether a decoded instruction is UNDEFINED here because of a rule of its row. */
export function isRefused(insn: Insn): boolean {
  const encoding = insn.encoding!;
  if (encoding.unpredictable.length === 0) return false;
  let rules = refusals.get(encoding);
  if (!rules) {
    rules = encoding.unpredictable.map(ruleOf).filter(({ rule }) => rule.does === null);
    refusals.set(encoding, rules);
  }
  for (const { rule, except } of rules) if (rule.when(insn, except)) return true;
  return false;
}
