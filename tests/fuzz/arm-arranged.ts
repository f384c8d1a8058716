/** Random ARM cases of several instructions arranged to work together: exclusive accesses, jumps to landing pads, byte order, system registers. */

import type { Random } from '../oracle/random.ts';
import { type ArmCase, BUFFER, BUFFER_WORDS, type ByteOrder, startOf } from './arm-program.ts';

const AL = 14;

function pickExcept(random: Random, count: number, except: readonly number[]): number {
  for (;;) {
    const n = random.below(count);
    if (!except.includes(n)) return n;
  }
}

function randomRegs(random: Random): number[] {
  return Array.from({ length: 15 }, () => (random.below(3) === 0 ? random.below(64) : random.u32()));
}

/** A condition: mostly always. */
function condition(random: Random): number {
  return random.below(3) === 0 ? random.below(14) : AL;
}

/** Words of T32 as halfwords in order. */
function halves(word: number): number[] {
  return [word >>> 16, word & 0xffff];
}

/** IT with one instruction behind it, or nothing. */
function it(cond: number): number[] {
  return cond === AL ? [] : [0xbf08 | (cond << 4)];
}

// ---- exclusive accesses

/** Bits 22-21 of A32, bits 7-4 of T32, by size: byte, halfword, word, doubleword. */
const EXCLUSIVE = [
  { bytes: 1, a32: 2, t32: 4 },
  { bytes: 2, a32: 3, t32: 5 },
  { bytes: 4, a32: 0, t32: 6 },
  { bytes: 8, a32: 1, t32: 7 },
] as const;

/** Loads and stores in pairs or alone, with CLREX, other addresses and second attempts. */
export function exclusiveCase(random: Random): ArmCase {
  const thumb = random.bool();
  const { bytes, a32, t32 } = random.pick(EXCLUSIVE);
  const double = bytes === 8;
  const last = thumb ? 13 : 14;
  const n = random.below(13);
  // A pair in A32 is an even register and the next one, below LR.
  const free = (...except: number[]): number => {
    for (;;) {
      const t = random.below(last);
      const second = double && !thumb ? t + 1 : t;
      if (double && !thumb && (t & 1 || second > 13)) continue;
      if (!except.includes(t) && !except.includes(second)) return t;
    }
  };
  const next = (t: number, ...except: number[]): number => (thumb ? pickExcept(random, 13, [t, ...except]) : t + 1);
  const t = free(n);
  const u = double ? next(t, n) : t;
  const value = free(n);
  const value2 = double ? next(value, n) : value;
  const d = pickExcept(random, thumb ? 13 : 15, [n, value, value2]);
  // Another base, for a store elsewhere.
  const other = pickExcept(random, 13, [n, t, u, d, value, value2]);
  const ordered = random.below(4) === 0;
  const load = (): number[] => {
    if (!thumb) return [(0xe1900e9f | (a32 << 21) | (ordered ? 0 : 0x100) | (n << 16) | (t << 12)) >>> 0];
    if (bytes === 4 && !ordered) return halves((0xe8500f00 | (n << 16) | (t << 12)) >>> 0);
    return halves(
      (0xe8d0000f | (n << 16) | (t << 12) | ((double ? u : 15) << 8) | ((t32 | (ordered ? 8 : 0)) << 4)) >>> 0,
    );
  };
  const store = (base: number): number[] => {
    if (!thumb) return [(0xe1800e90 | (a32 << 21) | (ordered ? 0 : 0x100) | (base << 16) | (d << 12) | value) >>> 0];
    if (bytes === 4 && !ordered) return halves((0xe8400000 | (base << 16) | (value << 12) | (d << 8)) >>> 0);
    const second = double ? value2 : 15;
    return halves(
      (0xe8c00000 | (base << 16) | (value << 12) | (second << 8) | ((t32 | (ordered ? 8 : 0)) << 4) | d) >>> 0,
    );
  };
  const conditional = (words: number[], cond: number): number[] =>
    thumb ? [...it(cond), ...words] : words.map((word) => ((word & 0x0fffffff) | (cond << 28)) >>> 0);
  const code: number[] = [];
  if (random.below(5) > 0) code.push(...conditional(load(), condition(random)));
  if (random.below(6) === 0) code.push(...(thumb ? halves(0xf3bf8f2f) : [0xf57ff01f]));
  code.push(...conditional(store(random.below(8) === 0 ? other : n), condition(random)));
  if (random.below(4) === 0) code.push(...store(n));
  const regs = randomRegs(random);
  const address = BUFFER + 8 * (4 + random.below(BUFFER_WORDS / 2 - 8));
  const inside = bytes < 8 ? bytes * random.below(8 / bytes) : 0;
  regs[n] = random.below(12) === 0 ? address + random.below(8) : address + inside;
  if (random.below(16) === 0) regs[n] = (0x60000000 + 8 * random.below(0x1000000)) >>> 0;
  regs[other] = address + 16;
  return startOf(random, thumb, code, regs);
}

// ---- jumps

const PADS = 4;

/** The k-th landing pad adds a bit to a register: which bits are there in the end tells where the jump led. */
const armPad = (register: number, k: number): number => 0xe2800000 | (register << 16) | (register << 12) | (1 << k);
const thumbPad = (register: number, k: number): number => 0x3000 | (register << 8) | (1 << k);

/** An A32 jump to one of some pads: A32's follow the jump, Thumb's come behind them. */
function armJump(random: Random, order: ByteOrder): ArmCase {
  const regs = randomRegs(random);
  const counter = random.below(8);
  regs[counter] = 0;
  const cond = condition(random);
  const k = random.below(PADS + 1);
  const always = (word: number): number => (word | 0xe0000000) >>> 0;
  const form = random.below(8);
  if (form < 2) {
    // B, BL.
    const word = ((cond << 28) | (form ? 0x0b000000 : 0x0a000000) | ((k - 1) & 0xffffff)) >>> 0;
    return startOf(random, false, [word, ...Array.from({ length: PADS }, (_, n) => armPad(counter, n))], regs);
  }
  if (form === 2) {
    // A loop: backward jumps are where signals are looked for.
    const left = pickExcept(random, 13, [counter]);
    regs[left] = random.range(1, 60);
    const body = [armPad(counter, random.below(3)), always(0x02500001 | (left << 16) | (left << 12)), 0x1afffffc];
    return startOf(random, false, body, regs);
  }
  const toThumb = random.bool();
  const x = pickExcept(random, 13, [counter]);
  const base = pickExcept(random, 13, [counter, x]);
  regs[base] = BUFFER + 4 * random.range(16, 40);
  const at = (prelude: number): number => prelude + 1;
  const jumps: readonly (() => number[])[] = [
    () => [always(0x012fff10 | x)], // bx
    () => [always(0x012fff30 | x)], // blx
    () => [always(0x012fff20 | x)], // bxj
    () => [always(0x01a0f000 | x)], // mov pc, x
    () => [always(0x0280f000 | (x << 16))], // add pc, x, #0
    () => [always(0x0180f000 | (x << 16) | x)], // orr pc, x, x
    () => [0xe5800000 | (base << 16) | (x << 12), 0x0590f000 | (base << 16)], // str x, [base]; ldr pc, [base]
    () => [0xe5800000 | (base << 16) | (x << 12), 0x0490f004 | (base << 16)], // ldr pc, [base], #4
    () => [0xe5800004 | (base << 16) | (x << 12), 0x05b0f004 | (base << 16)], // ldr pc, [base, #4]!
    () => [0xe5800004 | (base << 16) | (x << 12), 0x08b08000 | (1 << counter) | (base << 16)], // ldm base!, {counter, pc}
    () => [0xe5000004 | (base << 16) | (x << 12), 0x09308000 | (base << 16)], // ldmdb base!, {pc}
  ];
  const jump = random.pick(jumps)();
  jump[jump.length - 1] = ((jump.at(-1)! & 0x0fffffff) | (cond << 28)) >>> 0;
  const pads = Array.from({ length: PADS }, (_, n) => armPad(counter, n));
  const thumb = Array.from({ length: PADS }, (_, n) => thumbPad(counter, n));
  const inOrder = order === 'be32' ? ([first, second]: number[]) => [second!, first!] : (pair: number[]) => pair;
  const thumbWords = [
    [thumb[0]!, thumb[1]!],
    [thumb[2]!, thumb[3]!],
    [0x4778, 0x46c0],
  ].map((pair) => {
    const [low, high] = inOrder(pair) as [number, number];
    return low | (high << 16);
  });
  if (form === 3) {
    // BLX to the Thumb pads.
    const target = 4 * (1 + PADS + 1) + 2 * k - 8;
    const word = (0xfa000000 | ((target & 2) << 23) | ((target >> 2) & 0xffffff)) >>> 0;
    return startOf(random, false, [word, ...pads, 0xea000002, ...thumbWords.map((half) => half >>> 0)], regs);
  }
  // add x, pc, #distance from the first word.
  const first = at(jump.length);
  const distance = (toThumb ? 4 * (first + PADS + 1) + 2 * k + 1 : 4 * (first + k)) - 8;
  const code = [0xe28f0000 | (x << 12) | distance, ...jump, ...pads, 0xea000002, ...thumbWords];
  return startOf(
    random,
    false,
    code.map((word) => word >>> 0),
    regs,
  );
}

/** A Thumb jump; A32's pads stand behind Thumb's, and leave over what `buildProgram` puts at the end. */
function thumbJump(random: Random, order: ByteOrder): ArmCase {
  const regs = randomRegs(random);
  const counter = random.below(8);
  regs[counter] = 0;
  const cond = condition(random);
  const k = random.below(PADS + 1);
  const pads = Array.from({ length: PADS }, (_, n) => thumbPad(counter, n));
  const form = random.below(12);
  const low = pickExcept(random, 8, [counter]);
  // Halfwords from behind the jump to the k-th pad.
  if (form === 0) return startOf(random, true, [0xd000 | (random.below(14) << 8) | ((k - 1) & 0xff), ...pads], regs);
  if (form === 1) return startOf(random, true, [...it(cond), 0xe000 | ((k - 1) & 0x7ff), ...pads], regs);
  if (form === 2) {
    if (random.bool()) regs[low] = 0;
    if (k === 0) return startOf(random, true, [0xb100 | (random.below(2) << 11) | low, 0xbf00, ...pads], regs);
    return startOf(random, true, [0xb100 | (random.below(2) << 11) | ((k - 1) << 3) | low, ...pads], regs);
  }
  const wide = (distance: number, kind: number): number[] => {
    const i = (distance >> 1) & 0x7fffff;
    const s = distance < 0 ? 1 : 0;
    const j = ((i >> 21) ^ s ^ 1) & 1;
    const j2 = ((i >> 22) ^ s ^ 1) & 1;
    return [0xf000 | (s << 10) | ((i >> 11) & 0x3ff), kind | (j2 << 13) | (j << 11) | (i & 0x7ff)];
  };
  if (form === 3) return startOf(random, true, [...it(cond), ...wide(2 * k, 0x9000), ...pads], regs);
  if (form === 4) return startOf(random, true, [...it(cond), ...wide(2 * k, 0xd000), ...pads], regs);
  if (form === 5) {
    // B with a condition of its own, 32 bits.
    const c = random.below(14);
    return startOf(random, true, [0xf000 | (c << 6), 0x8000 | k, ...pads], regs);
  }
  if (form === 6) {
    // TBB, TBH with the table behind them.
    // The table is data: in code with data of another order (BE8) only bytes are as here, in BE32 only halfwords.
    const half = order === 'be32' || (random.bool() && order === 'little');
    const index = pickExcept(random, 13, [counter]);
    regs[index] = k;
    const entries = PADS + 1;
    const table = half ? Array.from({ length: entries }, (_, n) => entries + n) : [0x0403, 0x0605, 0x0007];
    const code = [0xe8df, 0xf000 | (half ? 0x10 : 0) | index, ...table, ...pads];
    return startOf(random, true, code, regs);
  }
  if (form === 7) {
    // A loop.
    regs[low] = random.range(1, 60);
    return startOf(random, true, [thumbPad(counter, random.below(3)), 0x3801 | (low << 8), 0xd1fc], regs);
  }
  const toArm = random.below(3) === 0;
  const x = pickExcept(random, 13, [counter]);
  const base = pickExcept(random, 8, [counter, x]);
  regs[base] = BUFFER + 4 * random.range(16, 40);
  regs[13] = BUFFER + 4 * random.range(16, 40);
  const wideStore = (at: number): number[] => [0xf8c0 | at, x << 12];
  const jumps: readonly (() => number[])[] = [
    () => [...it(cond), 0x4700 | (x << 3)], // bx
    () => [...it(cond), 0x4780 | (x << 3)], // blx
    () => [...it(cond), 0xf3c0 | x, 0x8f00], // bxj
    () => [...wideStore(base), ...it(cond), 0xf8d0 | base, 0xf000], // str.w x, [base]; ldr.w pc, [base]
    () => [...wideStore(base), ...it(cond), 0xf850 | base, 0xfb04], // ldr.w pc, [base], #4
    () => [...wideStore(13), ...it(cond), 0xbd00], // pop {pc}
    () => [0xf8cd, (x << 12) | 4, ...it(cond), 0xbd00 | (1 << counter)], // pop {counter, pc}
    () => [0xf8c0 | base, (x << 12) | 4, ...it(cond), 0xe8b0 | base, 0x8000 | (1 << counter)], // ldm.w base!, {counter, pc}
  ];
  const stays: readonly (() => number[])[] = [
    () => [...it(cond), 0x4687 | (x << 3)], // mov pc, x
  ];
  const jump = random.pick(toArm ? jumps : [...jumps, ...stays])();
  const start2 = 2 + jump.length;
  const align = (start2 + PADS + 1) % 2 ? [0xbf00] : [];
  const armAt = start2 + PADS + 1 + align.length;
  const arm = [...Array.from({ length: PADS }, (_, n) => armPad(counter, n)), 0xea000000];
  const armHalves = arm.flatMap((word) =>
    order === 'be32' ? [word >>> 16, word & 0xffff] : [word & 0xffff, word >>> 16],
  );
  // From Thumb's pads over A32's to the end.
  const over = 0xe000 | (align.length + armHalves.length - 1);
  if (form === 8) {
    // BLX: without the address in front.
    const lead = (2 + PADS + 1) % 2 ? [0xbf00] : [];
    const target = 2 * (2 + PADS + 1 + lead.length) + 4 * k - 4;
    return startOf(
      random,
      true,
      [...wide(target, 0xc000), ...pads, 0xe000 | (lead.length + armHalves.length - 1), ...lead, ...armHalves],
      regs,
    );
  }
  const distance = (toArm ? 2 * armAt + 4 * k : 2 * (start2 + k) + 1) - 4;
  return startOf(
    random,
    true,
    [0xf20f, (x << 8) | distance, ...jump, ...pads, over, ...align, ...armHalves], // add.w x, pc, #distance
    regs,
  );
}

/** A jump of any kind to one of some landing pads, in either instruction set. */
export function jumpCase(random: Random, order: ByteOrder): ArmCase {
  return random.bool() ? armJump(random, order) : thumbJump(random, order);
}

// ---- system registers

/**
 * CRn, opc1, CRm, opc2 of registers that users may see or write, and of some that they may not. CNTFRQ and MIDR are not among
 * them: qemu-arm 7.2 denies the one to users and shows them the other (docs/arm.md).
 */
const SYSTEM = [
  [13, 0, 0, 2],
  [13, 0, 0, 3],
  [7, 0, 10, 4],
  [7, 0, 10, 5],
  [7, 0, 5, 4],
  [13, 0, 0, 1],
  [13, 0, 0, 4],
  [0, 0, 0, 1],
  [1, 0, 0, 0],
  [2, 0, 0, 0],
  [7, 0, 14, 1],
  [14, 0, 3, 0],
] as const;

/** MSR of any fields, MRS, and the byte order as it was. */
function statusCase(random: Random, thumb: boolean, big: boolean): ArmCase {
  const m = random.below(13);
  const d = random.below(13);
  const mask = random.range(1, 15);
  const end = big ? 1 : 0;
  if (thumb) {
    const code = [0xf380 | m, 0x8000 | (mask << 8), 0xf3ef, 0x8000 | (d << 8), 0xb650 | (end << 3)];
    return startOf(random, true, code, randomRegs(random));
  }
  const code = [(0xe120f000 | (mask << 16) | m) >>> 0, (0xe10f0000 | (d << 12)) >>> 0, (0xf1010000 | (end << 9)) >>> 0];
  return startOf(random, false, code, randomRegs(random));
}

/** MRC and MCR; what was written is read again. */
export function systemCase(random: Random, order: ByteOrder): ArmCase {
  const thumb = random.bool();
  // With SETEND at its end, which in BE32 qemu-arm takes for a change.
  if (random.below(4) === 0 && order !== 'be32') return statusCase(random, thumb, order === 'be8');
  const write = random.bool();
  const [n, o, m, p] = random.pick(SYSTEM);
  const registers = thumb ? 13 : 15;
  const t = !write && random.below(8) === 0 ? 15 : random.below(registers);
  const word = (toCore: number, register: number): number =>
    (0xee000f10 | (o << 21) | (toCore << 20) | (n << 16) | (register << 12) | (p << 5) | m) >>> 0;
  const words = [word(write ? 0 : 1, t)];
  const user = n === 13 && p === 2;
  if (write && user) words.push(word(1, random.below(registers)));
  const cond = condition(random);
  const code = thumb
    ? words.flatMap((each, k) => [...(k === 0 ? it(cond) : []), ...halves(each)])
    : words.map((each, k) => (k === 0 ? ((each & 0x0fffffff) | (cond << 28)) >>> 0 : each));
  return startOf(random, thumb, code, randomRegs(random));
}

// ---- system calls, hints for debuggers, processor state, counters

/** Numbers in R7 of system calls whose result is the same for everybody, of ARM's own ones, and of none. */
const CALLS = [199, 200, 201, 202, 158, 0xf0001, 0xf0002, 0xf0005, 0xf0006] as const;

/** SVC with a number in R7; of a set thread pointer another register gets the value. */
function callCase(random: Random, thumb: boolean): ArmCase {
  const regs = randomRegs(random);
  const d = pickExcept(random, 7, [0]);
  const kind = random.below(4);
  if (kind < 2) regs[7] = random.pick(CALLS);
  else if (kind === 2) regs[7] = 0xf0000 + random.range(7, 0x1000);
  else regs[7] = 1000 + random.below(0xe0000);
  // A range of addresses that is not too long, and no flags.
  if (regs[7] === 0xf0002) {
    regs[0] = (regs[0]! & 0xfffff) >>> 0;
    regs[1] = (regs[0]! + random.below(0x1000)) >>> 0;
    regs[2] = 0;
  }
  const cond = condition(random);
  const read = (0xee1d0f70 | (d << 12)) >>> 0; // mrc p15, 0, rd, c13, c0, 3
  if (!thumb) return startOf(random, false, [((cond << 28) | 0x0f000000) >>> 0, read], regs);
  // 0xab calls semihosting.
  const number = random.below(256);
  return startOf(random, true, [...it(cond), 0xdf00 | (number === 0xab ? 0 : number), ...halves(read)], regs);
}

/** HLT of other numbers than semihosting's. */
function haltWord(random: Random, thumb: boolean): number {
  if (thumb) return 0xba80 | random.below(0x3c);
  const number = random.below(0xf000);
  return (0xe1000070 | ((number & 0xfff0) << 4) | (number & 15)) >>> 0;
}

/** CPS, which does nothing in user mode, in the forms that the manual defines. */
function changeStateWords(random: Random, thumb: boolean): number[] {
  const flags = random.range(1, 7);
  const mode = random.below(32);
  const imod = random.range(2, 3);
  const changesMode = random.bool() ? 1 : 0;
  if (!thumb) {
    const onlyMode = random.below(4) === 0;
    const middle = onlyMode ? 1 << 17 : (imod << 18) | (changesMode << 17) | (flags << 6);
    return [(0xf1000000 | middle | (onlyMode || changesMode ? mode : 0)) >>> 0];
  }
  if (random.bool()) return [0xb660 | ((imod & 1) << 4) | flags];
  if (random.below(4) === 0) return [0xf3af, 0x8100 | mode];
  return [0xf3af, 0x8000 | (imod << 9) | (changesMode << 8) | (flags << 5) | (changesMode ? mode : 0)];
}

/** MRRC of registers that are not the users': the virtual counter qemu-arm 7.2 has not. */
function counterWords(random: Random, thumb: boolean, cond: number): number[] {
  const t = random.below(13);
  const u = pickExcept(random, 13, [t]);
  const [opc, m] = random.pick([
    [0, 14],
    [2, 14],
    [0, 2],
    [1, 15],
  ] as const);
  const word = (0x0c500f00 | (u << 16) | (t << 12) | (opc << 4) | m) >>> 0;
  return thumb ? [...it(cond), ...halves((0xe0000000 | word) >>> 0)] : [((cond << 28) | word) >>> 0];
}

/** What leaves the program for the kernel or a debugger, or looks at what is outside of the processor. */
export function exceptionCase(random: Random, wide: boolean): ArmCase {
  const thumb = wide && random.bool();
  switch (random.below(4)) {
    case 0:
      return startOf(random, thumb, [haltWord(random, thumb)], randomRegs(random));
    case 1:
      return startOf(random, thumb, changeStateWords(random, thumb), randomRegs(random));
    case 2:
      return startOf(random, thumb, counterWords(random, thumb, condition(random)), randomRegs(random));
    default:
      return callCase(random, thumb);
  }
}

/** `one`, an access to memory, with big-endian data. */
export function withBigEndianData(one: ArmCase): ArmCase {
  const [big, little] = one.thumb ? [0xb658, 0xb650] : [0xf1010200, 0xf1010000];
  return { ...one, code: [big, ...one.code, little] };
}
