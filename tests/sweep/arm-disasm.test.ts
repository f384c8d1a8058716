/** Every T16 instruction and a dense sample of A32 and T32: whether there is one, and which, as capstone says. */

import { beforeAll, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { decodeArm, decodeThumb, Insn, InsnSet, isWide } from '../../targets/arm/insns.ts';
import { describeCase, isPredictable, randomMemory } from '../fuzz/arm-cases.ts';
import { compareCases } from '../fuzz/arm-compare.ts';
import type { ArmCase } from '../fuzz/arm-program.ts';
import { Random } from '../oracle/random.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';

interface Capstone {
  disasm(code: Uint8Array, options: object): readonly { size: number; mnemonic: string; opStr: string }[];
}

let arm: Capstone;
let thumb: Capstone;

beforeAll(async () => {
  const file = createRequire(import.meta.url).resolve('capstone-wasm');
  const module = await import(file);
  await module.loadCapstone({ wasmBinary: readFileSync(join(dirname(file), 'capstone.wasm')) });
  const { Const } = module;
  const open = (mode: number): Capstone => new module.Capstone(Const.CS_ARCH_ARM, mode);
  arm = open(Const.CS_MODE_ARM | Const.CS_MODE_V8);
  thumb = open(Const.CS_MODE_THUMB | Const.CS_MODE_V8);
});

/** Names capstone uses for forms of our rows. */
const ALIASES: Readonly<Record<string, RegExp>> = {
  MOV: /^(mov|lsl|lsr|asr|ror|rrx)/,
  ADD: /^(add|adr|addw)/,
  SUB: /^(sub|subw|adr)/,
  RSB: /^(rsb|neg)/,
  MVN: /^mvn/,
  ADR: /^(adr|add|sub|mov)/,
  STM: /^(stm|push)/,
  LDM: /^(ldm|pop)/,
  STR: /^(str|push)/,
  LDR: /^(ldr|pop)/,
  BFI: /^(bfi|bfc)/,
  CBZ: /^cbn?z/,
  TBB: /^tb[bh]/,
  B: /^b/,
  IT: /^it/,
  CPS: /^cps/,
  NOP: /^(nop|yield|wfe|wfi|sev|sevl|dbg|hint|esb|csdb|tsb|msr|cps)/,
  SXTAB: /^sxta?b$|^sxta?b\.|^sxta?b/,
  SXTAH: /^sxta?h/,
  UXTAB: /^uxta?b/,
  UXTAH: /^uxta?h/,
  SXTAB16: /^sxta?b16/,
  UXTAB16: /^uxta?b16/,
  SMLAD: /^(smlad|smuad)/,
  SMLSD: /^(smlsd|smusd)/,
  SMMLA: /^(smmla|smmul)/,
  USADA8: /^usada?8/,
  SMLA: /^smla[bt][bt]/,
  SMLAL: /^smlal/,
  SMUL: /^smul[bt][bt]/,
  SMLAW: /^smlaw/,
  SMULW: /^smulw/,
  PKH: /^pkh/,
  SWP: /^swp/,
  HINT: /^(pld|pli|nop|ldr)/,
  CRC32: /^crc32/,
  SETEND: /^setend/,
  SVC: /^svc/,
  UDF: /^(udf|trap)/,
  DSB: /^(dsb|dfb|ssbb|pssbb)/,
};

/** Capstone's first instruction; it throws where there is none. */
function disassemble(bytes: Uint8Array, capstone: Capstone) {
  try {
    return capstone.disasm(bytes, { address: 0x1000, count: 1 })[0];
  } catch {
    return undefined;
  }
}

/** What is different about one word; undefined: nothing. */
function difference(insn: Insn, bytes: Uint8Array, capstone: Capstone): string | undefined {
  const theirs = disassemble(bytes, capstone);
  const { encoding } = insn;
  // What the manual leaves open, should-be bits among it, is up to each.
  if (encoding ? !isPredictable(insn) : insn.set !== InsnSet.T16) return undefined;
  if (!encoding || !theirs || theirs.size !== insn.length) {
    if (!encoding && (!theirs || ONLY_CAPSTONE.has(theirs.mnemonic))) return undefined;
    return `${encoding ? encoding.name : 'nothing'}, capstone ${theirs ? `${theirs.mnemonic} ${theirs.opStr}` : 'nothing'}`;
  }
  const mine = ALIASES[encoding.mnemonic] ?? new RegExp(`^${encoding.mnemonic.toLowerCase()}`);
  return mine.test(theirs.mnemonic) ? undefined : `${encoding.name}, capstone ${theirs.mnemonic} ${theirs.opStr}`;
}

/** Of M-profile processors and ARMv8.1, and BX with bits that should be zero. */
const ONLY_CAPSTONE = new Set(['blxns', 'bxns', 'setpan', 'bx']);

/** Counts of differences by kind, with an example. */
/**
 * Rows that capstone 5 lacks or reads otherwise: all numbers of UDF, the 32-bit BLX and B with bits that lead it elsewhere
 * (UNDEFINED or hypervisor calls in capstone; rows of ours refuse them when they are translated).
 */
const KNOWN =
  /^(UDF, capstone nothing|BLX_imm, |B_cond, |SSAT16, |USAT16, |PLDW?_\w+, capstone nothing|STREX, capstone tt)/;

type Found = Record<string, string>;

function note(found: Found, text: string | undefined, word: number): void {
  if (text === undefined || KNOWN.test(text)) return;
  const kind = text.replace(/ capstone (\S+).*/, ' capstone $1');
  found[kind] ??= `${word.toString(16)}: ${text}`;
}

function wordBytes(word: number): Uint8Array {
  return Uint8Array.of(word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24);
}

const insn = new Insn();

test('all T16', () => {
  const found: Found = {};
  for (let half = 0; half < 0xe800; half++) {
    decodeThumb(insn, half, false);
    note(found, difference(insn, Uint8Array.of(half & 0xff, half >>> 8, 0, 0), thumb), half);
  }
  expect(found).toEqual({});
});

test('A32', () => {
  const found: Found = {};
  const random = new Random(32);
  for (let n = 0; n < 60_000; n++) {
    // All values of bits 27-20 and 7-4, the others at random.
    const word = ((random.u32() & 0x000fff0f) | ((n & 0xff) << 20) | (((n >> 8) & 15) << 4) | 0xe0000000) >>> 0;
    if (isCoprocessor(word)) continue;
    decodeArm(insn, word);
    note(found, difference(insn, wordBytes(word), arm), word);
  }
  expect(found).toEqual({});
});

test('T32', () => {
  const found: Found = {};
  const random = new Random(33);
  for (let n = 0; n < 60_000; n++) {
    const word = ((random.u32() & 0x1fffffff) | 0xe0000000) >>> 0;
    if (!isWide(word >>> 16) || isCoprocessor(word) || word >>> 24 === 0xf9 || ((word >>> 24) & 0xef) === 0xef)
      continue;
    decodeThumb(insn, word, true);
    note(found, difference(insn, wordBytes(((word << 16) | (word >>> 16)) >>> 0), thumb), word);
  }
  expect(found).toEqual({});
});

/** Words that have no row are undefined for qemu-arm too. */
for (const set of ['A32', 'T32'] as const) {
  testWith(
    ['qemu-user'],
    `${set}: what has no row`,
    () => {
      const random = new Random(34);
      const cases: ArmCase[] = [];
      for (let n = 0; cases.length < 800 && n < 1_000_000; n++) {
        const word = (random.u32() | 0xe0000000) >>> 0;
        if (
          isCoprocessor(word) ||
          word >>> 28 === 15 ||
          (set === 'T32' && (!isWide(word >>> 16) || word >>> 24 === 0xef))
        )
          continue;
        if (set === 'A32') decodeArm(insn, ((word & 0x0fffffff) | 0xe0000000) >>> 0);
        else decodeThumb(insn, word, true);
        if (insn.encoding) continue;
        const code = set === 'A32' ? [((word & 0x0fffffff) | 0xe0000000) >>> 0] : [word >>> 16, word & 0xffff];
        cases.push({ code, thumb: set === 'T32', regs: Array.from({ length: 15 }, () => 0x60000000), flags: 0 });
      }
      expect(cases.length).toBe(800);
      const bad = compareCases(cases, randomMemory(random)).map(
        (difference) => `${describeCase(difference.one)} ${difference.expected?.signal}`,
      );
      expect(bad).toEqual([]);
    },
    TEST_LIMIT,
  );
}

/** Coprocessor instructions: all numbers but 10 and 11 mean nothing to the processors emulated here. */
function isCoprocessor(word: number): boolean {
  const op = (word >>> 24) & 15;
  return op >= 12 && op <= 14;
}
