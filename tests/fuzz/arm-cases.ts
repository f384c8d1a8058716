/** Random ARM instruction cases from the encoding rows, kept to what the architecture defines. */

import { DECODERS, decodeArm, decodeThumb, Insn, InsnSet } from '../../targets/arm/insns.ts';
import { unpredictableRules } from '../../targets/arm/unpredictable.ts';
import type { Encoding } from '../../targets/decode/pattern.ts';
import type { Random } from '../oracle/random.ts';
import { type ArmCase, BUFFER, BUFFER_WORDS, startOf } from './arm-program.ts';

export type FuzzSet = 'A32' | 'A32_UNCONDITIONAL' | 'T16' | 'T32' | 'VFP' | 'NEON';

/** Rows that leave the program, change what the frame around a case relies on, or read clocks: arm-arranged.ts makes them. */
const EXCLUDED = new Set(
  'SVC HLT SETEND CPS MCR MRC MRRC BLX_imm B BL B_cond CBZ TBB BX BXJ BLX_reg IT VMSR LDREX STREX LDREXB STREXB LDREXH STREXH LDREXD STREXD LDAEX STLEX LDAEXB STLEXB LDAEXH STLEXH LDAEXD STLEXD'.split(
    ' ',
  ),
);

const LOADS_AND_STORES = /^(STR|LDR|STM|LDM|SWP|STL|LDA|PLD|PLI|HINT|VLDR|VSTR|VLDM|VSTM|VLD|VST)/;

/** Whether the manual says what the instruction does: no rule of its row concerns it. */
export function isPredictable(insn: Insn): boolean {
  return unpredictableRules(insn).length === 0;
}

/** Whether an instruction may be drawn: it is predictable, and leads to nothing that depends on the machine around it. */
function isDrawable(insn: Insn): boolean {
  const { name } = insn.encoding!;
  // The number of semihosting calls.
  if (name === 'BKPT' && insn.i === 0xab) return false;
  // How far ahead of itself a stored PC is, and what lies in front of a program's code, is left to implementations.
  const store = /^(ST|SWP)/.test(name);
  if (store && (insn.n === 15 || insn.t === 15 || insn.l & 0x8000)) return false;
  // The PC made of the PC leads back into the program, and for ever round.
  if (insn.set === InsnSet.A32 && insn.d === 15 && (insn.n === 15 || insn.m === 15)) return false;
  // The byte order of the CPSR, which arm-arranged.ts puts back.
  if (name.startsWith('MSR') && (insn.k & 3) !== 0) return false;
  return isPredictable(insn);
}

const scratch = new Insn();

/** A random instruction of a row; null after too many that the manual leaves open. */
function randomInsn(row: Encoding, set: FuzzSet, random: Random): { word: number; insn: Insn } | null {
  for (let n = 0; n < 50; n++) {
    let word = ((random.u32() & ~row.mask) | row.value) >>> 0;
    // Should-be bits that the row ignores are left as zeros.
    row.pattern
      .replaceAll(' ', '')
      .split('')
      .forEach((char, k, all) => {
        if (char === '-') word &= ~(1 << (all.length - 1 - k));
      });
    if ((set === 'A32' || set === 'VFP') && row.pattern.startsWith('cccc')) {
      const cond = random.below(3) === 0 ? random.below(14) : 14;
      word = ((word & 0x0fffffff) | (cond << 28)) >>> 0;
    }
    word = set === 'T16' ? word & 0xffff : word >>> 0;
    if (set === 'T16') decodeThumb(scratch, word, false);
    else if (set === 'T32') decodeThumb(scratch, word, true);
    else decodeArm(scratch, word);
    if (scratch.encoding !== row) return null;
    if (isDrawable(scratch)) return { word, insn: scratch };
  }
  return null;
}

const CORNERS = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x55555555];

function randomValue(random: Random): number {
  switch (random.below(4)) {
    case 0:
      return random.pick(CORNERS);
    case 1:
      return random.below(64);
    default:
      return random.u32();
  }
}

/** An address in the buffer, mostly a word's. */
function bufferAddress(random: Random): number {
  const at = BUFFER + 2 * BUFFER_WORDS + 4 * (random.below(17) - 8);
  return random.below(6) === 0 ? at + random.below(4) : at;
}

/** Whether the memory operand stays near its base; so that stores from the buffer do not leave the data around it. */
function isNear(insn: Insn): boolean {
  const { name } = insn.encoding!;
  if (name.startsWith('LDM') || name.startsWith('STM')) return true;
  if (name.endsWith('_reg')) return insn.y !== 0 || insn.h < 4;
  return insn.i << (name.startsWith('V') ? 2 : insn.z) < 64;
}

/** Whether a case accesses memory with registers as they are, and does not load the PC. */
export function isMemoryCase(one: ArmCase): boolean {
  const code = one.thumb && (one.code[0]! & 0xff00) === 0xbf00 && one.code[0]! & 15 ? one.code.slice(1) : one.code;
  if (!one.thumb) decodeArm(scratch, code[0]!);
  else decodeThumb(scratch, code.length > 1 ? ((code[0]! << 16) | code[1]!) >>> 0 : code[0]!, code.length > 1);
  const { encoding, t, l, K } = scratch;
  return LOADS_AND_STORES.test(encoding?.name ?? '') && t !== 15 && !(l & 0x8000) && !K;
}

/** Makes one case of the rows of `set`, with IT blocks where allowed; null when chance gave nothing usable. */
export function randomCase(
  set: FuzzSet,
  random: Random,
  rows: readonly Encoding[] = DECODERS[set].rows(),
  blocks = true,
): ArmCase | null {
  const row = random.pick(rows);
  if (EXCLUDED.has(row.name)) return null;
  const made = randomInsn(row, set, random);
  if (!made) return null;
  const { word, insn } = made;
  const regs = Array.from({ length: 15 }, () => randomValue(random));
  if (LOADS_AND_STORES.test(row.name) && insn.n !== 15) {
    if (row.name.endsWith('_reg')) regs[insn.m] = random.below(8);
    if (random.below(10) > 0) {
      if (!isNear(insn)) return null;
      regs[insn.n] = bufferAddress(random);
    } else {
      // Pages nobody has mapped.
      regs[insn.n] = (0x60000000 + random.below(0x10000000)) & ~random.below(4);
    }
  }
  // A literal is a word of the program: no place to jump to. Neither is the neighbourhood.
  if (LOADS_AND_STORES.test(row.name) && insn.n === 15 && (insn.W || insn.t === 15)) return null;
  if (insn.d === 15 && set === 'T16') regs[insn.m] = (regs[insn.m]! | 0x60000000) & 0x7fffffff;
  const thumb = set === 'T16' || set === 'T32';
  let code: number[];
  if (!thumb) code = [word];
  else code = set === 'T16' ? [word] : [word >>> 16, word & 0xffff];
  if (thumb && blocks && random.below(4) === 0 && !['UDF', 'BKPT', 'CBZ'].includes(row.name) && insn.d !== 15) {
    // Under a condition: IT with one instruction.
    code = [0xbf00 | (random.below(14) << 4) | 8, ...code];
  }
  return startOf(random, thumb, code, regs);
}

/** Rows that sequences are not made of: they leave, or their operands would have to be arranged. */
const SINGLE_ONLY = /^(BKPT|UDF|ADR|MSR)/;

/** Puts base and offset of an access as chosen for it into a sequence's registers; false where they are not free any more. */
function arrange(insn: Insn, from: readonly number[], regs: number[], written: Set<number>): boolean {
  const { n, t } = insn;
  const { name } = insn.encoding!;
  if (t === 15 || n === 15 || (/^LDM/.test(name) && (insn.l & 0x8000 || insn.K))) return false;
  const needed = name.endsWith('_reg') ? [n, insn.m] : [n];
  if (needed.some((register) => written.has(register))) return false;
  for (const register of needed) {
    regs[register] = from[register]!;
    // Later ones must not have it otherwise.
    written.add(register);
  }
  return true;
}

/** Registers an instruction may write. */
function noteWritten(insn: Insn, written: Set<number>): void {
  for (const register of [insn.d, insn.t, insn.u, insn.n]) written.add(register);
  written.add(insn.t + 1);
  for (let n = 0; n < 15; n++) if ((insn.l >>> n) & 1) written.add(n);
}

/**
 * Several instructions in a row: runs of A32 instructions under one condition, IT blocks in Thumb. Flags that the one sets
 * decide about the next ones.
 */
export function randomSequence(set: 'A32' | 'T16' | 'T32', random: Random): ArmCase {
  const code: number[] = [];
  let cond = 14;
  let left = 0;
  let last: ArmCase | null = null;
  const regs = Array.from({ length: 15 }, () => randomValue(random));
  const written = new Set<number>();
  const length = random.range(3, 10);
  for (let n = 0; n < length; ) {
    const one = randomCase(set === 'T16' && random.bool() ? 'T32' : set, random);
    if (!one) continue;
    // The conditions of a single case come off: here they belong to several.
    const words = one.thumb && (one.code[0]! & 0xff00) === 0xbf00 ? one.code.slice(1) : [...one.code];
    if (!one.thumb) decodeArm(scratch, words[0]!);
    else decodeThumb(scratch, words.length > 1 ? ((words[0]! << 16) | words[1]!) >>> 0 : words[0]!, words.length > 1);
    const { name, pattern } = scratch.encoding!;
    if (SINGLE_ONLY.test(name) || scratch.d === 15) continue;
    if (LOADS_AND_STORES.test(name)) {
      // The base and the offset must still be what they are set to here.
      if (!arrange(scratch, one.regs, regs, written)) continue;
    }
    noteWritten(scratch, written);
    if (left === 0) {
      cond = random.below(3) === 0 ? 14 : random.below(14);
      left = random.range(1, 4);
      if (one.thumb && cond !== 14) {
        // Then or else for each but the first; a one behind the last.
        let mask = 1;
        for (let k = 1; k < left; k++) mask |= ((cond ^ (random.bool() ? 1 : 0)) & 1) << k;
        code.push(0xbf00 | (cond << 4) | ((mask << (4 - left)) & 15));
      }
    }
    left--;
    if (!one.thumb && pattern.startsWith('cccc')) words[0] = ((words[0]! & 0x0fffffff) | (cond << 28)) >>> 0;
    code.push(...words);
    last = one;
    n++;
    // A sequence ends with its IT block.
    if (n === length && left > 0 && one.thumb && cond !== 14) n--;
  }
  return { ...last!, code, regs };
}

/** Words for the buffer: as jump targets they lead to where nothing is mapped on either side. */
export function randomMemory(random: Random): number[] {
  return Array.from({ length: BUFFER_WORDS }, () => {
    const word = random.u32();
    return [0x0, 0x4, 0xf].includes(word >>> 28) ? (word ^ 0x20000000) >>> 0 : word;
  });
}

/** The text of a case, for messages. */
export function describeCase(one: ArmCase): string {
  const code = one.code.map((word) => word.toString(16).padStart(one.thumb ? 4 : 8, '0')).join(' ');
  const fpscr = one.fpscr ? ` fpscr ${one.fpscr.toString(16)}` : '';
  return `${one.thumb ? 'T' : 'A'} ${code}${fpscr}`;
}
