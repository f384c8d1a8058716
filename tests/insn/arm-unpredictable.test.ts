/**
 * What the rules of targets/arm/unpredictable.ts say that happens where the manual leaves it open does happen, for each row that
 * names them: an instruction with such operands is compared with a twin that is predictable and must have the same effect.
 */

import { expect, test } from 'bun:test';
import { DECODERS, decodeArm, decodeThumb, Insn, InsnSet } from '../../targets/arm/insns.ts';
import { coreRegisters, isRefused, RULES, ruleOf, unpredictableRules } from '../../targets/arm/unpredictable.ts';
import type { Encoding } from '../../targets/decode/pattern.ts';
import { randomMemory } from '../fuzz/arm-cases.ts';
import { runOnWemu } from '../fuzz/arm-compare.ts';
import { type ArmCase, type ArmResult, BUFFER } from '../fuzz/arm-program.ts';
import { thumbForm } from '../fuzz/arm-vector-cases.ts';
import { Random } from '../oracle/random.ts';
import { TEST_LIMIT } from '../setup/limits.ts';

/** T32_VFP: floating point in Thumb's form. */
type Set = keyof typeof DECODERS | 'T32_VFP';
type Field = ReturnType<typeof coreRegisters>[number];

/** Cases of a rule in a row. */
const PER_RULE = 3;

/** An instruction that a rule concerns. */
interface Drawn {
  readonly set: Set;
  readonly row: Encoding;
  readonly word: number;
  readonly insn: Insn;
  /** A register it does not use, which the twin has in place of another. */
  readonly free: number;
  readonly random: Random;
}

/** A predictable instruction, and how its effect is the other's. */
interface Twin {
  readonly set: Set;
  readonly word: number;
  /** The register that `free` begins like. */
  readonly like?: number;
  /** Whose outcome `free` is then. */
  readonly becomes?: number;
  /** Doublewords likewise, by number: [begins like, the twin's own]. */
  readonly vectors?: readonly (readonly [of: number, own: number])[];
}

function withField(row: Encoding, word: number, field: string, value: number): number {
  let made = word;
  for (const piece of row.pieces) {
    if (piece.field !== field) continue;
    made = (made & ~(piece.mask << piece.from)) | (((value >>> piece.to) & piece.mask) << piece.from);
  }
  return made >>> 0;
}

const isLoad = ({ row }: Drawn): boolean => /^LD/.test(row.name);

/** One field names the free register instead: the shared register ends as that (`moved`) or as its other use has it. */
function moving(field: Field, outcome: (drawn: Drawn) => 'moved' | 'kept') {
  return (drawn: Drawn): Twin => {
    const { set, row, word, insn, free } = drawn;
    const like = insn[field];
    const twin = { set, word: withField(row, word, field, free), like };
    return outcome(drawn) === 'moved' ? { ...twin, becomes: like } : twin;
  };
}

/** Another register in place of the SP. */
function insteadOfSp({ set, row, word, insn, free }: Drawn): Twin {
  const fields = coreRegisters(row).filter((field) => insn[field] === 13);
  return { set, word: fields.reduce((sum, field) => withField(row, sum, field, free), word), like: 13, becomes: 13 };
}

const changed =
  (field: string, value: (insn: Insn) => number) =>
  ({ set, row, word, insn }: Drawn): Twin => ({ set, word: withField(row, word, field, value(insn)) });

const nothing = ({ set }: Drawn): Twin =>
  set === 'T32' ? { set, word: 0xf3af8000 } : set === 'T16' ? { set, word: 0x46c0 } : { set, word: 0xe320f000 };

/** LDM or STM of A32, which has fewer rules. */
function asA32({ insn, row }: Drawn): Twin {
  const { P, U, W, n, l } = insn;
  const load = row.name === 'LDM' ? 1 : 0;
  return { set: 'A32', word: (0xe8000000 | (P << 24) | (U << 23) | (W << 21) | (load << 20) | (n << 16) | l) >>> 0 };
}

/** Two vector registers for one: what the second ends as counts. */
function otherVector({ set, row, word, insn }: Drawn): Twin {
  const m = (insn.m | (insn.M << 4)) ^ 8;
  const own = (n: number): [number, number] => [(insn.m | (insn.M << 4)) + n, m + n];
  return {
    set,
    word: withField(row, withField(row, word, 'm', m & 15), 'M', m >>> 4),
    vectors: insn.q ? [own(0), own(1)] : [own(0)],
  };
}

type LawName = {
  [Name in keyof typeof RULES]: (typeof RULES)[Name]['does'] extends null ? never : Name;
}[keyof typeof RULES];

/** What every rule that lets an instruction execute says, as a twin. */
const LAWS: Readonly<Record<Exclude<LawName, 'addpc' | 'listpc' | 'vstrpc'>, (drawn: Drawn) => Twin>> = {
  sp: insteadOfSp,
  spadd: insteadOfSp,
  tsp: moving('t', () => 'moved'),
  tspuser: moving('t', () => 'moved'),
  msp: moving('m', () => 'kept'),
  wbsame: moving('n', (drawn) => (isLoad(drawn) ? 'kept' : 'moved')),
  pairsame: moving('t', () => 'kept'),
  offloaded: moving('m', () => 'kept'),
  swpbase: moving('n', () => 'kept'),
  status: moving('d', () => 'moved'),
  same: moving('d', () => 'kept'),
  basestored: moving('n', () => 'moved'),
  baseloaded: changed('W', () => 0),
  postw: changed('W', () => 0),
  one: asA32,
  listsp: asA32,
  pclr: asA32,
  twice: changed('n', ({ m }) => m),
  mask: nothing,
  hintpc: nothing,
  cps: nothing,
  crccond: (drawn) => (drawn.word >>> 28 === 0 ? changed('c', () => 14)(drawn) : nothing(drawn)),
  cmplow: ({ set, insn }) => ({ set, word: 0x4280 | (insn.m << 3) | insn.n }),
  samevector: otherVector,
};

function decode(insn: Insn, set: Set, word: number): void {
  if (set === 'T16') decodeThumb(insn, word, false);
  else if (set === 'T32') decodeThumb(insn, word, true);
  else if (set === 'T32_VFP') {
    const [high, low] = thumbForm(word);
    decodeThumb(insn, ((high << 16) | low) >>> 0, true);
  } else decodeArm(insn, word);
}

/** Registers an instruction may use, bit by bit. */
function used(insn: Insn): number {
  let bits = insn.l | (1 << 13);
  for (const field of coreRegisters(insn.encoding!)) bits |= 1 << insn[field];
  return bits | (1 << (insn.t + 1));
}

const STORE_EXCLUSIVE = /^ST(?:R|L)EX(.?)/;
const MEMORY = /^(STR|LDR|STM|LDM|SWP|STL|LDA|PLD|PLI|TBB)/;
/** A doubleword in the middle of the buffer. */
const BASE = BUFFER + 0x80;

/** Whether a drawn instruction stays where it can be observed. */
function isTame({ row, insn }: Drawn): boolean {
  if (insn.n === 15 && /^(LDRD|TBB)/.test(row.name)) return false;
  if (!MEMORY.test(row.name)) return true;
  // What is stored of the PC depends on where the instruction stands.
  if (/^STM/.test(row.name) && insn.l & 0x8000) return false;
  if (/_reg$/.test(row.name) && (insn.m === insn.n || insn.y !== 0 || insn.h > 3)) return false;
  return insn.l !== 0 || insn.i << insn.z < 64;
}

/** A word of the row that just this rule concerns; null when chance gave none. */
function draw(set: Set, row: Encoding, rule: string, random: Random): Drawn | null {
  const insn = new Insn();
  for (let tries = 0; tries < 20_000; tries++) {
    let bits = random.u32();
    for (let at = 0; at < 32; at += 4) {
      if (random.below(6) === 0) bits = ((bits & ~(15 << at)) | (random.pick([0, 13, 15, 1]) << at)) >>> 0;
    }
    let word = ((bits & ~row.mask) | row.value) >>> 0;
    if (row.pattern.startsWith('cccc')) {
      const cond = rule === 'crccond' ? random.below(2) : 14;
      word = ((word & 0x0fffffff) | (cond << 28)) >>> 0;
    }
    if (set === 'T16') word &= 0xffff;
    if (rule === 'one') word = withField(row, word, 'l', 1 << random.below(16));
    if (rule === 'pclr') word = withField(row, word, 'l', random.below(0x2000) | 0xc000);
    // A literal byte or halfword: of the instruction itself, where both are alike.
    if (row.constants.some(([field, value]) => field === 'n' && value === 15))
      word = withField(row, withField(row, word, 'i', 4), 'U', 0);
    if (/^MRRC/.test(row.name)) word = withField(row, withField(row, word, 'o', 1), 'm', 14);
    if (/^MRC|^MCR/.test(row.name) && random.bool()) {
      for (const [field, value] of Object.entries({ o: 0, n: 13, m: 0, p: row.name === 'MCR' ? 2 : 3 }))
        word = withField(row, word, field, value);
    }
    decode(insn, set, word);
    if (insn.encoding !== row || isRefused(insn)) continue;
    const rules = unpredictableRules(insn).map((name) => name.split('-', 1)[0]);
    if (rules.length !== 1 || rules[0] !== rule) continue;
    const highest = set === 'T16' ? 8 : 13;
    // What `preparing` loads.
    const loaded = STORE_EXCLUSIVE.test(row.name) ? 0x1c00 : 0;
    const taken = used(insn);
    const free = Array.from({ length: highest }, (_, n) => n).filter((n) => !(((taken | loaded) >>> n) & 1));
    if (free.length === 0 || taken & loaded) continue;
    const drawn = { set, row, word, insn, free: random.pick(free), random };
    if (isTame(drawn)) return drawn;
  }
  return null;
}

/** LDREX of the size and address of a store-exclusive, into R10 to R12. */
function preparing({ row, insn }: Drawn, n: number): number[] {
  const size = STORE_EXCLUSIVE.exec(row.name);
  if (!size) return [];
  const t32 = insn.set === InsnSet.T32;
  if (size[1] === 'D') return t32 ? [0xe8d0 | n, 0xcb7f] : [(0xe1b00f9f | (n << 16) | (10 << 12)) >>> 0];
  const kind = ['B', 'H', ''].indexOf(size[1]!);
  if (!t32) return [(0xe1900f9f | ([2, 3, 0][kind]! << 21) | (n << 16) | (11 << 12)) >>> 0];
  return kind === 2 ? [0xe850 | n, 0xbf00 | (row.name === 'STREX' ? insn.i : 0)] : [0xe8d0 | n, 0xbf4f + 16 * kind];
}

function caseOf(drawn: Drawn, set: Set, word: number, regs: number[], vectors: number[], flags: number): ArmCase {
  const insn = new Insn();
  decode(insn, set, word);
  const thumb = set === 'T16' || set.startsWith('T32');
  const own =
    set === 'T32_VFP' ? thumbForm(word) : set === 'T16' ? [word] : thumb ? [word >>> 16, word & 0xffff] : [word];
  return { code: [...preparing(drawn, insn.n), ...own], thumb, regs, flags, vectors };
}

/** Both instructions in states that correspond. */
function pairOf(drawn: Drawn, twin: Twin): [ArmCase, ArmCase] {
  const { row, insn, free, random } = drawn;
  const regs = Array.from({ length: 15 }, () => random.u32());
  if (MEMORY.test(row.name)) {
    if (/_reg$|^TBB/.test(row.name)) regs[insn.m] = 4 * random.below(4);
    regs[insn.n] = row.name === 'TBB' ? BUFFER : BASE;
  }
  // Jumps lead to where nothing is; the byte order stays.
  if (row.name === 'BXJ') regs[insn.m] = 0x60000000 + 4 * random.below(0x100000);
  if (row.name === 'MSR_reg') regs[insn.m]! &= ~0x200;
  const vectors = Array.from({ length: 64 }, () => random.u32());
  // EQ is met, NE is not.
  const flags = (random.u32() & 0xf80f0000) | (row.unpredictable.includes('crccond') ? 0x40000000 : 0);
  const twins = [...regs];
  if (twin.like !== undefined) twins[free] = regs[twin.like]!;
  const others = [...vectors];
  for (const [of, own] of twin.vectors ?? []) for (const k of [0, 1]) others[2 * own + k] = vectors[2 * of + k]!;
  return [
    caseOf(drawn, drawn.set, drawn.word, regs, vectors, flags >>> 0),
    caseOf(drawn, twin.set, twin.word, twins, others, flags >>> 0),
  ];
}

/** How a result is not the twin's. */
function differences(drawn: Drawn, twin: Twin, one: ArmResult, other: ArmResult): string[] {
  const found: string[] = [];
  const both = (name: string, ours: unknown, theirs: unknown): void => {
    if (ours !== theirs) found.push(`${name}: ${ours}, the twin's ${theirs}`);
  };
  const clock = drawn.row.name === 'MRRC' && twin.becomes === 13;
  for (let n = 0; n < 15; n++) {
    if (n === drawn.free || (clock && (n === drawn.insn.t || n === drawn.insn.u))) continue;
    both(`r${n}`, one.regs[n], other.regs[n === twin.becomes ? drawn.free : n]);
  }
  both('cpsr', one.regs[15], other.regs[15]);
  for (const key of ['signal', 'code', 'fpscr'] as const) both(key, one[key], other[key]);
  if (one.signal === 11) both('address', one.faultAddress, other.faultAddress);
  for (let n = 0; n < 32; n++) {
    const own = twin.vectors?.find(([of]) => of === n)?.[1] ?? n;
    if (twin.vectors?.some(([, moved]) => moved === n)) continue;
    for (const k of [0, 1]) both(`d${n}.${k}`, one.vectors[2 * n + k], other.vectors[2 * own + k]);
  }
  one.memory.forEach((value, n) => {
    both(`memory[${n}]`, value, other.memory[n]);
  });
  // Sizes of vectors and numbers of system registers are reasons of their own to be undefined.
  if (one.signal === 4 && !/^(V|MCR|MRC)/.test(drawn.row.name)) found.push('undefined');
  return found;
}

function sets(): (readonly [Set, readonly Encoding[]])[] {
  const named = Object.entries(DECODERS).map(([name, decoder]) => [name as Set, decoder.rows()] as const);
  return [...named, ['T32_VFP', DECODERS.VFP.rows()]];
}

/** Rules whose cases stand below one by one; and those of one instruction set that VFP's rows name for both. */
const ONE_BY_ONE: readonly string[] = ['addpc', 'listpc', 'vstrpc'];
const ONLY_T32: readonly string[] = ['tsp', 'vstrpc'];
const ONLY_A32: readonly string[] = ['crccond'];

for (const options of [
  ['-disable', 'cold'],
  ['-engine', 'interp'],
]) {
  for (const [set, rows] of sets()) {
    test(
      `${set}: what is said to happen happens, ${options.join(' ')}`,
      () => {
        const random = new Random(set.length);
        const drawn: [Drawn, Twin][] = [];
        const missing: string[] = [];
        for (const row of rows) {
          for (const named of row.unpredictable) {
            const rule = named.split('-', 1)[0]!;
            if (ruleOf(named).rule.does === null || ONE_BY_ONE.includes(rule) || row.name === 'ADR') continue;
            if (set.startsWith('VFP') && ONLY_T32.includes(rule)) continue;
            if (set === 'T32_VFP' && ONLY_A32.includes(rule)) continue;
            for (let n = 0; n < PER_RULE; n++) {
              const one = draw(set, row, rule, random);
              if (one) drawn.push([one, LAWS[rule as keyof typeof LAWS](one)]);
              else if (n === 0) missing.push(`${row.name} ${row.pattern} ${rule}`);
            }
          }
        }
        expect(missing).toEqual([]);
        if (drawn.length === 0) return;
        const cases = drawn.flatMap(([one, twin]) => pairOf(one, twin));
        const memory = [...Array<number>(8).fill(0), ...randomMemory(random).slice(8)];
        const results = runOnWemu(cases, memory, { options });
        expect(results.length).toBe(cases.length);
        const wrong = drawn.flatMap(([one, twin], n) => {
          const found = differences(one, twin, results[2 * n]!, results[2 * n + 1]!);
          const text = `${one.row.name} ${one.word.toString(16)}, twin ${twin.word.toString(16)}, ${unpredictableRules(one.insn)}`;
          return found.length > 0 ? [`${text}: ${found.slice(0, 3).join('; ')}`] : [];
        });
        expect(wrong.slice(0, 10)).toEqual([]);
      },
      TEST_LIMIT,
    );
  }
}

test('rules whose instructions have no twin', () => {
  const regs = [0, BASE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  const one = (...code: number[]): ArmCase => ({ code, thumb: true, regs, flags: 0 });
  const add = one(0x44ff); // add pc, pc
  const stm = one(0x467a, 0xe881, 0x8004); // mov r2, pc; stm.w r1, {r2, pc}
  const vstr = one(0x467a, 0x46c0, 0xed8f, 0x0a02); // mov r2, pc; mov r8, r8; vstr s0, [pc, #8]
  const adr = one(0x467a, 0x46c0, 0xf20f, 0x0d12); // mov r2, pc; mov r8, r8; adr.w sp, pc+#18
  const memory = randomMemory(new Random(3));
  const results = runOnWemu([add, stm, vstr, adr], memory) as [ArmResult, ArmResult, ArmResult, ArmResult];
  const [jump, list, literal, address] = results;
  // The PC of an instruction at an even address A is A + 4; the case begins where the fault says of the others.
  expect(jump.signal).toBe(11);
  expect(jump.faultPc).toBe(jump.faultAddress);
  const start = jump.faultAddress / 2 - 4;
  expect(start % 2).toBe(0);
  expect(list.signal).toBe(0);
  expect(list.memory[(BASE - BUFFER) / 4]).toBe(list.regs[2]!);
  expect(list.memory[(BASE - BUFFER) / 4 + 1]).toBe(list.regs[2]! + 2);
  // Code cannot be written.
  expect(literal.signal).toBe(11);
  expect(literal.faultAddress).toBe(((literal.regs[2]! + 4) & ~3) + 8);
  expect(address.regs[13]).toBe(((address.regs[2]! + 4) & ~3) + 18);
});

test('each rule has a law or a case', () => {
  const executing = Object.entries(RULES).flatMap(([name, { does }]) => (does === null ? [] : [name]));
  expect([...Object.keys(LAWS), ...ONE_BY_ONE].sort()).toEqual(executing.sort());
});
