// A minimal machine for x87 tests: decodes one x87 instruction, moves its memory operand and calls the helpers.
//
// Machine states are records of 256 bytes, the same that host.ts runs on the host CPU:
// 0 FNSAVE image (32-bit, 108 bytes) | 112 memory operand (128 bytes) | 240 opcode bytes (4) | 244 their number |
// 248 EFLAGS | 252 EAX. Memory operands are addressed by [ecx].

import { instantiateX87, type X87Exports } from '../../../../targets/x86/helpers/x87-table.ts';
import { X87_AREA_OFFSET, X87_FIELDS } from '../../../../targets/x86/x87-state.ts';

export const RECORD_SIZE = 256;
export const AT_OPERAND = 112;
export const AT_CODE = 240;
export const AT_LENGTH = 244;
export const AT_EFLAGS = 248;
export const AT_EAX = 252;

/** Image format of the helpers: 32-bit protected mode. */
export const FORMAT_32 = 1;
/** Where the machine has its CPU state and its record. */
export const ENV = 0xfe000000;
const RECORD = 0x10000;
const OPERAND = RECORD + AT_OPERAND;

/** Arithmetic EFLAGS: CF, PF, AF, ZF, SF, OF. */
const ARITH_FLAGS = 0x8d5;

/** Address of an x87 state field. */
export function fieldAddress(name: (typeof X87_FIELDS)[number]['name']): number {
  return ENV + X87_AREA_OFFSET + X87_FIELDS.find((field) => field.name === name)!.offset;
}

/** What an instruction needs: the helpers, the record, and the image format its prefix chooses. */
interface Context {
  readonly x: X87Exports;
  readonly v: DataView;
  readonly format: number;
}

/** Runs an instruction; `i` is the low part of ModRM. */
type Run = (c: Context, i: number) => void;

const m16 = (c: Context) => c.v.getInt16(OPERAND, true);
const m32 = (c: Context) => c.v.getInt32(OPERAND, true);
const m64 = (c: Context) => c.v.getBigInt64(OPERAND, true);
const high16 = (c: Context) => c.v.getUint16(OPERAND + 8, true);

/** Ends a store: writes and pops only if the helper said so. */
function written(c: Context, write: () => void, pop: boolean): void {
  if (c.v.getInt32(fieldAddress('fpstore'), true) === 0) return;
  write();
  if (pop) c.x.fpop(ENV);
}

const store16 = (c: Context, value: number, pop: boolean) => written(c, () => c.v.setInt16(OPERAND, value, true), pop);
const store32 = (c: Context, value: number, pop: boolean) => written(c, () => c.v.setInt32(OPERAND, value, true), pop);
const store64 = (c: Context, value: bigint, pop: boolean) =>
  written(c, () => c.v.setBigInt64(OPERAND, value, true), pop);

function storeScratch(c: Context): void {
  const scratch = fieldAddress('fpscratch');
  const write = () => {
    c.v.setBigInt64(OPERAND, c.v.getBigInt64(scratch, true), true);
    c.v.setUint16(OPERAND + 8, c.v.getUint16(scratch + 8, true), true);
  };
  written(c, write, true);
}

/** FCMOVcc conditions B, E, BE, U. */
function condition(c: Context, reg: number): boolean {
  return (c.v.getUint32(RECORD + AT_EFLAGS, true) & [0x01, 0x40, 0x41, 0x04][reg]) !== 0;
}

function setEflags(c: Context, bits: number): void {
  const at = RECORD + AT_EFLAGS;
  c.v.setUint32(at, (c.v.getUint32(at, true) & ~ARITH_FLAGS) | bits, true);
}

const ARITH = ['fadd', 'fmul', 'fcom', 'fcomp', 'fsub', 'fsubr', 'fdiv', 'fdivr'] as const;
const INT_ARITH = ['fiadd', 'fimul', 'ficom', 'ficomp', 'fisub', 'fisubr', 'fidiv', 'fidivr'] as const;

/** Memory forms by opcode and ModRM.reg. */
const MEMORY: Record<string, Run> = {
  'd9/0': (c) => c.x.fld_m32(ENV, m32(c)),
  'd9/2': (c) => store32(c, c.x.fst_m32(ENV), false),
  'd9/3': (c) => store32(c, c.x.fst_m32(ENV), true),
  'd9/4': (c) => c.x.fldenv(ENV, OPERAND, c.format),
  'd9/5': (c) => c.x.fldcw(ENV, m16(c)),
  'd9/6': (c) => c.x.fnstenv(ENV, OPERAND, c.format),
  'd9/7': (c) => c.v.setUint16(OPERAND, c.x.fnstcw(ENV), true),
  'db/0': (c) => c.x.fild(ENV, m32(c)),
  'db/1': (c) => store32(c, c.x.fist_m32(ENV, 1), true),
  'db/2': (c) => store32(c, c.x.fist_m32(ENV, 0), false),
  'db/3': (c) => store32(c, c.x.fist_m32(ENV, 0), true),
  'db/5': (c) => c.x.fld_m80(ENV, m64(c), high16(c)),
  'db/7': (c) => {
    c.x.fst_m80(ENV);
    storeScratch(c);
  },
  'dd/0': (c) => c.x.fld_m64(ENV, m64(c)),
  'dd/1': (c) => store64(c, c.x.fist_m64(ENV, 1), true),
  'dd/2': (c) => store64(c, c.x.fst_m64(ENV), false),
  'dd/3': (c) => store64(c, c.x.fst_m64(ENV), true),
  'dd/4': (c) => c.x.frstor(ENV, OPERAND, c.format),
  'dd/6': (c) => c.x.fnsave(ENV, OPERAND, c.format),
  'dd/7': (c) => c.v.setUint16(OPERAND, c.x.fnstsw(ENV), true),
  'df/0': (c) => c.x.fild(ENV, m16(c)),
  'df/1': (c) => store16(c, c.x.fist_m16(ENV, 1), true),
  'df/2': (c) => store16(c, c.x.fist_m16(ENV, 0), false),
  'df/3': (c) => store16(c, c.x.fist_m16(ENV, 0), true),
  'df/4': (c) => c.x.fbld(ENV, m64(c), high16(c)),
  'df/5': (c) => c.x.fild_m64(ENV, m64(c)),
  'df/6': (c) => {
    c.x.fbst(ENV);
    storeScratch(c);
  },
  'df/7': (c) => store64(c, c.x.fist_m64(ENV, 0), true),
};
for (const [reg, name] of ARITH.entries()) {
  const compare = name.startsWith('fcom');
  const pop = Number(name === 'fcomp');
  MEMORY[`d8/${reg}`] = compare
    ? (c) => c.x.fcom_m32(ENV, m32(c), pop)
    : (c) => c.x[`${name}_m32` as 'fadd_m32'](ENV, m32(c));
  MEMORY[`dc/${reg}`] = compare
    ? (c) => c.x.fcom_m64(ENV, m64(c), pop)
    : (c) => c.x[`${name}_m64` as 'fadd_m64'](ENV, m64(c));
  const helper = compare ? 'ficom' : (INT_ARITH[reg] as 'fiadd');
  MEMORY[`da/${reg}`] = (c) => c.x[helper](ENV, m32(c), pop);
  MEMORY[`de/${reg}`] = (c) => c.x[helper](ENV, m16(c), pop);
}

/** Register forms by opcode and ModRM.reg. */
const REGISTER: Record<string, Run> = {
  'd9/0': (c, i) => c.x.fld_st(ENV, i),
  'd9/1': (c, i) => c.x.fxch(ENV, i),
  'd9/5': (c, i) => c.x.fld_const(ENV, i),
  'dd/0': (c, i) => c.x.ffree(ENV, i, 0),
  'dd/2': (c, i) => c.x.fst_st(ENV, i, 0),
  'dd/3': (c, i) => c.x.fst_st(ENV, i, 1),
  'dd/4': (c, i) => c.x.fucom_r(ENV, i, 0),
  'dd/5': (c, i) => c.x.fucom_r(ENV, i, 1),
  'db/5': (c, i) => setEflags(c, c.x.fucomi(ENV, i, 0)),
  'db/6': (c, i) => setEflags(c, c.x.fcomi(ENV, i, 0)),
  'df/0': (c, i) => c.x.ffree(ENV, i, 1),
  'df/5': (c, i) => setEflags(c, c.x.fucomi(ENV, i, 1)),
  'df/6': (c, i) => setEflags(c, c.x.fcomi(ENV, i, 1)),
};
for (const [reg, name] of ARITH.entries()) {
  if (name.startsWith('fcom')) {
    REGISTER[`d8/${reg}`] = (c, i) => c.x.fcom_r(ENV, i, Number(name === 'fcomp'));
    continue;
  }
  REGISTER[`d8/${reg}`] = (c, i) => c.x[`${name}_r` as 'fadd_r'](ENV, 0, i, 0);
  // With ST(i) as destination the encodings of the reversed forms change places.
  const other = `${ARITH[reg >= 4 ? reg ^ 1 : reg]}_r` as 'fadd_r';
  REGISTER[`dc/${reg}`] = (c, i) => c.x[other](ENV, i, 0, 0);
  REGISTER[`de/${reg}`] = (c, i) => c.x[other](ENV, i, 0, 1);
}
for (let reg = 0; reg < 4; reg++) {
  REGISTER[`da/${reg}`] = (c, i) => c.x.fcmov(ENV, i, Number(condition(c, reg)));
  REGISTER[`db/${reg}`] = (c, i) => c.x.fcmov(ENV, i, Number(!condition(c, reg)));
}

/** Instructions of one encoding, by opcode and ModRM; they go before REGISTER. */
const SINGLE: Record<string, Run> = {
  d9d0: () => undefined, // FNOP
  d9e0: (c) => c.x.fchs(ENV),
  d9e1: (c) => c.x.fabs(ENV),
  d9e4: (c) => c.x.ftst(ENV),
  d9e5: (c) => c.x.fxam(ENV),
  d9f0: (c) => c.x.f2xm1(ENV),
  d9f1: (c) => c.x.fyl2x(ENV),
  d9f2: (c) => c.x.fptan(ENV),
  d9f3: (c) => c.x.fpatan(ENV),
  d9f4: (c) => c.x.fxtract(ENV),
  d9f5: (c) => c.x.fprem(ENV, 1),
  d9f6: (c) => c.x.fdecstp(ENV),
  d9f7: (c) => c.x.fincstp(ENV),
  d9f8: (c) => c.x.fprem(ENV, 0),
  d9f9: (c) => c.x.fyl2xp1(ENV),
  d9fa: (c) => c.x.fsqrt(ENV),
  d9fb: (c) => c.x.fsincos(ENV),
  d9fc: (c) => c.x.frndint(ENV),
  d9fd: (c) => c.x.fscale(ENV),
  d9fe: (c) => c.x.fsin(ENV),
  d9ff: (c) => c.x.fcos(ENV),
  dae9: (c) => c.x.fucom_r(ENV, 1, 2),
  dbe2: (c) => c.x.fnclex(ENV),
  dbe3: (c) => c.x.fninit(ENV),
  ded9: (c) => c.x.fcom_r(ENV, 1, 2),
  dfe0: (c) => c.v.setUint16(RECORD + AT_EAX, c.x.fnstsw(ENV), true),
};

export class X87Machine {
  readonly helpers: X87Exports;
  readonly view: DataView;
  private readonly bytes: Uint8Array;

  constructor() {
    const memory = new WebAssembly.Memory({ initial: 65536, maximum: 65536, shared: true });
    this.helpers = instantiateX87(memory);
    this.view = new DataView(memory.buffer);
    this.bytes = new Uint8Array(memory.buffer);
  }

  /** Runs one record in place. Throws for what is not an x87 instruction. */
  run(record: Uint8Array): void {
    const x = this.helpers;
    this.bytes.set(record, RECORD);
    x.frstor(ENV, RECORD, FORMAT_32);
    const short = record[AT_CODE] === 0x66;
    const op = record[AT_CODE + Number(short)].toString(16);
    const modrm = record[AT_CODE + Number(short) + 1];
    const family = `${op}/${(modrm >> 3) & 7}`;
    const run = modrm < 0xc0 ? MEMORY[family] : (SINGLE[op + modrm.toString(16)] ?? REGISTER[family]);
    if (!run) throw new Error(`not an x87 instruction: ${op} ${modrm.toString(16)}`);
    run({ x, v: this.view, format: short ? 0 : FORMAT_32 }, modrm & 7);
    x.fnsave(ENV, RECORD, FORMAT_32);
    record.set(this.bytes.subarray(RECORD, RECORD + RECORD_SIZE));
  }
}
