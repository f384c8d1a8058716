// Cases of vector instructions made from the decoder's rows: register and memory forms, corner and random vectors, faults.

import { modrmMem, modrmReg } from '../../../oracle/asm-i386.ts';
import { AC, type InsnCase, MEMORY_MAP, regsFrom, STATUS_FLAGS } from '../../../oracle/insn-case.ts';
import { corners, Random } from '../../../oracle/random.ts';
import { hostIsAmd } from './host.ts';
import { encode, type SimdRow } from './rows.ts';

const { DATA, READ_ONLY, SCRATCH_END, STACK } = MEMORY_MAP;
const FXSAVE_BYTES = 512;
const AT_MXCSR = 24;
const AT_FPR = 32;
const AT_XMM = 160;
const EBX = 3;
/** Bytes of memory at DATA that each case starts with and captures. */
const WINDOW = 96;
/** MXCSR with all exceptions masked; the flags (bits 0-5) and rounding control vary. */
const MXCSR_MASKED = 0x1f80;

/** Fills 16 or 8 bytes at `at`. */
export type VectorMaker = (r: Random, bytes: Uint8Array, at: number, length: number) => void;

/** Lanes of one width: corners and random values, or whole random bytes. */
export function integerVector(r: Random, bytes: Uint8Array, at: number, length: number): void {
  const kind = r.below(6);
  if (kind === 0) {
    for (let i = 0; i < length; i++) bytes[at + i] = r.u32();
    return;
  }
  const width = [1, 2, 4][kind % 3]!;
  const same = r.below(8) === 0 ? r.pick(corners(width * 8)) : -1;
  for (let i = 0; i < length; i += width) {
    const value = same >= 0 ? same : r.value(width * 8);
    for (let k = 0; k < width; k++) bytes[at + i + k] = value >>> (8 * k);
  }
}

/** An FXSAVE image: XMM and MMX registers by `make`, no x87 exception pending. */
export function fxsaveImage(r: Random, make: VectorMaker): Uint8Array {
  const image = new Uint8Array(FXSAVE_BYTES);
  const view = new DataView(image.buffer);
  view.setUint16(0, 0x37f, true);
  view.setUint16(2, (r.below(8) << 11) | (r.u32() & 0x4700), true);
  image[4] = r.u32();
  view.setUint32(AT_MXCSR, MXCSR_MASKED | (r.u32() & 0x603f), true);
  for (let n = 0; n < 8; n++) {
    make(r, image, AT_FPR + 16 * n, 8);
    view.setUint16(AT_FPR + 16 * n + 8, r.u32(), true);
    make(r, image, AT_XMM + 16 * n, 16);
    // Equal values in several registers, so that comparisons find some.
    if (n > 0 && r.below(3) === 0) image.copyWithin(AT_XMM + 16 * n, AT_XMM, AT_XMM + 16);
  }
  return image;
}

/** Whether the row has an operand in ModRM.rm. */
function hasRm({ operands }: SimdRow): boolean {
  return operands.some((operand) => /^[EWQMNUR]/.test(operand));
}

export interface CaseOptions {
  readonly make?: VectorMaker;
  readonly seed?: number;
  /** Cases of each row in each form. */
  readonly count?: number;
}

const IMMEDIATES = [0, 1, 3, 7, 8, 15, 16, 17, 31, 32, 63, 64, 0x80, 0xff];

function oneCase(row: SimdRow, r: Random, form: string, rm: readonly number[], make: VectorMaker): InsnCase {
  const immediates = row.operands.filter((operand) => operand === 'Ib');
  const code = encode(
    row,
    r.below(8),
    rm,
    immediates.map(() => (r.bool() ? r.pick(IMMEDIATES) : r.u32() & 0xff)),
  );
  const bytes = new Uint8Array(WINDOW);
  for (let at = 0; at < WINDOW; at += 16) make(r, bytes, at, 16);
  const regs = regsFrom({ eax: r.value(32), ecx: r.u32(), edx: r.value(32), ebx: DATA, ebp: r.u32(), esi: r.u32() });
  regs[4] = STACK;
  regs[7] = DATA + 32;
  if (row.mnemonic === 'LDMXCSR') makeControlWords(r, bytes);
  return {
    name: `${row.mnemonic} ${row.operands.join(',')}: ${form}`,
    code,
    regs,
    eflags: 0x202 | (r.u32() & STATUS_FLAGS),
    memory: [{ at: DATA, bytes }],
    fpu: { format: 'fxsave', image: fxsaveImage(r, make) },
    flagMask: 0,
    ...(row.feature === 'SHA' && /mis|across|last|ac/.test(form) ? { hostSpecific: 'alignment of SHA operands' } : {}),
    ...(/^R(CP|SQRT)/.test(row.mnemonic) && !hostIsAmd() ? { hostSpecific: 'approximations' } : {}),
    // Reserved bits raise #GP.
    ...(row.mnemonic === 'LDMXCSR' ? { faults: true } : {}),
  };
}

/** Words for MXCSR: mostly ones that can be loaded. Bit 17 is AMD's. */
function makeControlWords(r: Random, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += 4) {
    view.setUint32(at, r.below(4) === 0 ? r.u32() | 0x10000 : r.u32() & 0xffff, true);
  }
}

/** Register and memory forms of rows, `count` cases each, and a misaligned memory operand where there is one. */
export function simdCases(rows: readonly SimdRow[], options: CaseOptions = {}): InsnCase[] {
  const { make = integerVector, seed = 1, count = 8 } = options;
  const cases: InsnCase[] = [];
  rows.forEach((row, index) => {
    const r = new Random(seed * 1000003 + index);
    if (!hasRm(row)) {
      for (let n = 0; n < count; n++) cases.push(oneCase(row, r, 'no operand', [], make));
      return;
    }
    if (!row.memoryOnly) {
      for (let n = 0; n < count; n++) cases.push(oneCase(row, r, 'registers', modrmReg(0, r.below(8)), make));
    }
    if (row.registerOnly) return;
    for (let n = 0; n < count; n++) {
      const disp = 16 * r.below(5);
      cases.push(oneCase(row, r, 'memory', modrmMem(0, { base: EBX, disp }), make));
    }
    for (let n = 0; n < Math.ceil(count / 4); n++) {
      const disp = 16 * r.below(4) + 1 + r.below(15);
      cases.push({ ...oneCase(row, r, 'misaligned', modrmMem(0, { base: EBX, disp }), make), faults: true });
    }
  });
  return cases;
}

/** A few letters and zeros, so that strings end and match. */
function stringVector(r: Random, bytes: Uint8Array, at: number, length: number): void {
  const alphabet = r.pick([
    [0x61, 0x62],
    [0, 0x61, 0x62, 0x63, 0x64, 0x65],
    [0x20, 0x41, 0x5a, 0x7f, 0x80, 0xff],
  ]);
  for (let i = 0; i < length; i++) bytes[at + i] = r.pick(alphabet);
  // Words with zero high bytes, and an end somewhere.
  if (r.bool()) for (let i = 1; i < length; i += 2) bytes[at + i] = 0;
  if (r.bool()) bytes[at + r.below(length)] = 0;
}

/** PCMPxSTRx with every immediate, lengths around the ends of their range, at any address. */
export function stringCases(rows: readonly SimdRow[], count = 2): InsnCase[] {
  return rows
    .filter(({ mnemonic }) => mnemonic.startsWith('PCMP') && mnemonic.includes('STR'))
    .flatMap((row, index) => {
      const r = new Random(5000 + index);
      return Array.from({ length: 256 * count }, (_, n) => {
        const rm = r.bool() ? modrmReg(0, r.below(8)) : modrmMem(0, { base: EBX, disp: r.below(64) });
        const insn = oneCase(row, r, `immediate ${n & 0xff}`, rm, stringVector);
        insn.code[insn.code.length - 1] = n;
        const length = () => (r.below(8) === 0 ? r.value(32) : r.below(40) - 20);
        insn.regs[0] = length();
        insn.regs[2] = length();
        return insn;
      });
    });
}

/** CRC32 with a 16-bit operand, which the rows do not spell. */
export function crcCases(count = 32): InsnCase[] {
  const row: SimdRow = {
    ...{ mnemonic: 'CRC32', feature: 'SSE4.2', operands: ['Gy', 'Ew'], prefix: 0x66, opcode: [0xf2, 0x0f, 0x38, 0xf1] },
    ...{ extension: -1, suffix: [], registerOnly: false, memoryOnly: false },
  };
  return simdCases([row], { count });
}

/** Memory operands that cannot be accessed, in whole or in part, of every row that can have one. */
export function simdFaultCases(
  rows: readonly SimdRow[],
  { make = integerVector, seed = 2 }: CaseOptions = {},
): InsnCase[] {
  const places: [string, number][] = [
    ['beyond', SCRATCH_END],
    ['across the end', SCRATCH_END - 3],
    ['last bytes', SCRATCH_END - 8],
    ['read-only', READ_ONLY + 16],
    ['across into read-only', READ_ONLY - 1],
  ];
  return rows
    .filter((row) => hasRm(row) && !row.registerOnly)
    .flatMap((row, index) => {
      const r = new Random(seed * 1000003 + index);
      return places.map(([where, at]) => ({
        ...oneCase(row, r, where, modrmMem(0, { disp: at }), make),
        faults: true,
      }));
    });
}

/**
 * FXSAVE and FXRSTOR. Other images than those of an idle x87 are not loaded: what becomes of the pointers of the last
 * instruction differs between makers.
 */
export function stateCases(rows: readonly SimdRow[], count = 24): InsnCase[] {
  return rows
    .filter(({ mnemonic }) => mnemonic === 'FXSAVE' || mnemonic === 'FXRSTOR')
    .flatMap((row, index) => {
      const r = new Random(3000 + index);
      return Array.from({ length: count }, (_, n) => {
        const [form, at] = (
          [
            ['aligned', DATA],
            ['misaligned', DATA + 8],
            ['across the end', SCRATCH_END - 256],
            ['read-only', READ_ONLY],
            ['beyond', SCRATCH_END],
          ] as const
        )[n % 8 < 4 ? 0 : (n % 8) - 3]!;
        const insn = oneCase(row, r, form, modrmMem(0, { disp: at }), integerVector);
        const image = fxsaveImage(r, integerVector);
        // A reserved bit of MXCSR.
        if (row.mnemonic === 'FXRSTOR' && n % 8 === 0) image[AT_MXCSR + 2] = 1 << r.pick([0, 2, 3, 7]);
        return {
          ...insn,
          memory: [{ at: DATA, bytes: image }],
          memBytes: [
            { at: DATA, bytes: 28 },
            { at: DATA + 32, bytes: 256 },
          ],
          faults: true,
        };
      });
    });
}

/** Fields of the XSAVE header. */
const AT_XSTATE_BV = 512;
const XSAVE_BYTES = 576;

/**
 * XSAVE, XSAVEOPT and XRSTOR with every choice of the x87 and SSE components. Images have those components only, because
 * processors differ in what others they have.
 */
export function xsaveCases(rows: readonly SimdRow[], count = 48): InsnCase[] {
  return rows
    .filter(({ mnemonic }) => mnemonic.startsWith('XSAVE') || mnemonic === 'XRSTOR')
    .flatMap((row, index) => {
      const r = new Random(6000 + index);
      return Array.from({ length: count }, (_, n) => {
        const disp = n % 12 === 11 ? 16 : 0;
        const insn = oneCase(row, r, `components ${n & 3}`, modrmMem(0, { base: EBX, disp }), integerVector);
        insn.regs[0] = n & 3;
        insn.regs[2] = 0;
        // Initial states of one component, or of both.
        const kind = r.below(4);
        if (kind & 1) {
          insn.fpu!.image.fill(0, 0, 24).fill(0, AT_FPR, AT_XMM);
          new DataView(insn.fpu!.image.buffer).setUint16(0, 0x37f, true);
        }
        if (kind & 2) insn.fpu!.image.fill(0, AT_XMM, AT_XMM + 128);
        const area = new Uint8Array(640);
        area.set(fxsaveImage(r, integerVector));
        area[AT_XSTATE_BV] = r.below(4);
        if (r.below(6) === 0) area[AT_XSTATE_BV + 8 + r.below(16)] = 1;
        if (r.below(6) === 0) area[AT_XSTATE_BV + 24 + r.below(40)] = 1;
        if (row.mnemonic === 'XRSTOR' && r.below(6) === 0) area[AT_MXCSR + 2] = 1;
        return {
          ...insn,
          memory: [{ at: DATA, bytes: area }],
          memBytes: [
            { at: DATA, bytes: 28 },
            { at: DATA + 32, bytes: 256 },
            { at: DATA + AT_XSTATE_BV, bytes: XSAVE_BYTES - AT_XSTATE_BV },
          ],
          faults: true,
        };
      });
    });
}

/** With EFLAGS.AC set, misaligned operands of all sizes raise #AC or #GP. */
export function alignmentCheckCases(rows: readonly SimdRow[]): InsnCase[] {
  return rows
    .filter((row) => hasRm(row) && !row.registerOnly)
    .flatMap((row, index) => {
      const r = new Random(4000 + index);
      return [0, 1, 2, 4, 8].map((disp) => {
        const insn = oneCase(row, r, `ac +${disp}`, modrmMem(0, { base: EBX, disp }), integerVector);
        return { ...insn, eflags: insn.eflags | AC, faults: true };
      });
    });
}

/** Instructions of the x87 that move its stack, read it, or empty registers: FLD1 FLDZ FINCSTP FDECSTP FFREE FSTP FXCH FADD FCHS FNSTSW. */
const X87_PIECES = [
  ...[0xd9e8, 0xd9ee, 0xd9f7, 0xd9f6, 0xddc2, 0xddd9, 0xd9ca, 0xdec1, 0xd9e0, 0xdfe0],
  // EMMS, twice as likely
  ...[0x0f77, 0x0f77],
];

/**
 * Several instructions in one block: MMX among x87 and XMM ones, where a translator knows what the ones before have done to
 * the tags, the top and the exponents.
 */
export function mixedSequenceCases(rows: readonly SimdRow[], count = 300): InsnCase[] {
  const r = new Random(7000);
  const usable = rows.filter((row) => hasRm(row) && !row.memoryOnly);
  const onMmx = usable.filter(({ operands }) => operands.some((operand) => /^[PQN]/.test(operand)));
  return Array.from({ length: count }, (_, n) => {
    const names: string[] = [];
    const code: number[] = [];
    const base = oneCase(r.pick(onMmx), r, '', modrmReg(0, r.below(8)), integerVector);
    for (let k = 3 + r.below(5); k > 0; k--) {
      if (r.below(3) === 0) {
        const piece = r.pick(X87_PIECES);
        names.push(piece.toString(16));
        code.push(piece >> 8, piece & 0xff);
        continue;
      }
      const row = r.pick(r.below(4) === 0 ? usable : onMmx);
      const memory = !row.registerOnly && r.below(4) === 0;
      const rm = memory ? modrmMem(0, { disp: DATA + 16 * r.below(5) }) : modrmReg(0, r.below(8));
      names.push(row.mnemonic);
      code.push(...oneCase(row, r, '', rm, integerVector).code);
    }
    return { ...base, name: `mixed ${n}: ${names.join('; ')}`, code: Uint8Array.from(code) };
  });
}

/**
 * Bytes of an FXSAVE image in which processors differ: where the last x87 instruction was, which AMD's save only with an
 * exception that waits, MXCSR_MASK, and what is reserved.
 */
export function ignoredFxsaveByte(offset: number): boolean {
  return (offset >= 6 && offset < 24) || (offset >= 28 && offset < 32) || offset >= 288;
}
