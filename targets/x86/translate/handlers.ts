// Which handler translates which mnemonic. A mnemonic of the integer or x87 tables without a handler does not type-check.
import type { X86Mnemonic } from '../insns.ts';
import type { SIMD_0F, SIMD_0F3A, SIMD_0F38, THREE_D_NOW } from '../insns-simd.ts';
import * as arithmetic from './arithmetic.ts';
import * as bit from './bit.ts';
import type { Translation } from './context.ts';
import * as control from './control.ts';
import * as move from './data-move.ts';
import * as segment from './segment.ts';
import * as shift from './shift.ts';
import * as string from './string.ts';
import * as system from './system.ts';
import { X87_HANDLERS, type X87Mnemonic } from './x87.ts';

export type Handler = (t: Translation) => void;

/**
 * Mnemonics that only the vector tables have, with the vector shifts, tests and saves of the groups. Their handlers are in
 * simd-handlers.ts.
 */
export type SimdMnemonic =
  | Exclude<
      | (typeof SIMD_0F)[number][1]
      | (typeof SIMD_0F38)[number][1]
      | (typeof SIMD_0F3A)[number][1]
      | (typeof THREE_D_NOW)[number][1],
      IntegerMnemonic
    >
  | 'CRC32'
  | 'EXTRQ'
  | 'LDMXCSR'
  | 'STMXCSR'
  | 'XGETBV'
  | 'XSAVE'
  | 'XRSTOR'
  | 'XSAVEOPT'
  | 'FXSAVE'
  | 'FXRSTOR'
  | 'PSLLD'
  | 'PSLLDQ'
  | 'PSLLQ'
  | 'PSLLW'
  | 'PSRAD'
  | 'PSRAW'
  | 'PSRLD'
  | 'PSRLDQ'
  | 'PSRLQ'
  | 'PSRLW';

/** Names that look like vector rows but are handled here. */
type IntegerMnemonic = 'MOVNTI' | 'NOP' | 'CMPXCHG8B' | `@${string}`;

type Handled = Exclude<X86Mnemonic, SimdMnemonic | X87Mnemonic | 'INVALID'>;

const INTEGER: Record<Handled, Handler> = {
  AAA: arithmetic.bcd,
  AAD: arithmetic.bcd,
  AAM: arithmetic.bcd,
  AAS: arithmetic.bcd,
  ADC: arithmetic.adc,
  ADCX: system.addCarry,
  ADD: arithmetic.add,
  ADOX: system.addCarry,
  AND: arithmetic.and,
  ARPL: segment.arpl,
  BOUND: control.bound,
  BSF: bit.bitScan,
  BSR: bit.bitScan,
  BSWAP: move.bswap,
  BT: bit.bitTest,
  BTC: bit.bitTest,
  BTR: bit.bitTest,
  BTS: bit.bitTest,
  CALL: control.call,
  CALLF: control.callFar,
  CBW: arithmetic.cbw,
  CLAC: control.privileged,
  CLC: move.carryFlag,
  CLD: move.directionFlag,
  CLFLUSH: system.flushLine,
  CLFLUSHOPT: system.flushLine,
  CLI: control.privileged,
  CLTS: control.privileged,
  CLWB: system.flushLine,
  CMC: move.carryFlag,
  CMOVcc: move.cmovcc,
  CMP: arithmetic.cmp,
  CMPS: string.cmps,
  CMPXCHG: move.cmpxchg,
  CMPXCHG8B: move.cmpxchg8b,
  CPUID: system.cpuid,
  CWD: arithmetic.cwd,
  DAA: arithmetic.bcd,
  DAS: arithmetic.bcd,
  DEC: arithmetic.dec,
  DIV: arithmetic.div,
  ENDBR32: system.nop,
  ENDBR64: system.nop,
  ENTER: move.enter,
  HLT: control.privileged,
  IDIV: arithmetic.idiv,
  IMUL: arithmetic.imul,
  IN: control.privileged,
  INC: arithmetic.inc,
  INS: control.privileged,
  INT: control.int,
  INT1: control.int1,
  INT3: control.int3,
  INTO: control.into,
  INVD: control.privileged,
  INVLPG: control.privileged,
  INVPCID: control.privileged,
  IRET: control.iret,
  JCXZ: control.jcxz,
  JMP: control.jmp,
  JMPF: control.jmpFar,
  Jcc: control.jcc,
  LAHF: move.lahf,
  LAR: segment.queryDescriptor,
  LDS: segment.loadFarPointer,
  LEA: move.lea,
  LEAVE: move.leave,
  LES: segment.loadFarPointer,
  LFENCE: system.fence,
  LFS: segment.loadFarPointer,
  LGDT: control.privileged,
  LGS: segment.loadFarPointer,
  LIDT: control.privileged,
  LLDT: control.privileged,
  LMSW: control.privileged,
  LODS: string.lods,
  LOOP: control.loop,
  LOOPE: control.loop,
  LOOPNE: control.loop,
  LSL: segment.queryDescriptor,
  LSS: segment.loadFarPointer,
  LTR: control.privileged,
  LZCNT: bit.zeroCount,
  MFENCE: system.fence,
  MONITOR: control.privileged,
  MOV: segment.movSegment,
  MOVBE: move.movbe,
  MOVNTI: system.movnti,
  MOVS: string.movs,
  MOVSX: move.movsx,
  MOVSXD: control.undefinedInsn,
  MOVZX: move.movzx,
  MUL: arithmetic.mul,
  MWAIT: control.privileged,
  NEG: arithmetic.neg,
  NOP: system.nop,
  NOT: arithmetic.not,
  OR: arithmetic.or,
  OUT: control.privileged,
  OUTS: control.privileged,
  PAUSE: system.nop,
  POP: segment.popSegment,
  POPA: move.popa,
  POPCNT: bit.popcnt,
  POPF: move.popf,
  PREFETCHW: system.nop,
  PREFETCHh: system.nop,
  PUSH: move.push,
  PUSHA: move.pusha,
  PUSHF: move.pushf,
  RCL: shift.rcl,
  RCR: shift.rcr,
  RDMSR: control.privileged,
  RDPID: system.rdpid,
  RDPMC: control.privileged,
  RDRAND: system.random,
  RDSEED: system.random,
  RDTSC: system.rdtsc,
  RDTSCP: system.rdtsc,
  RET: control.ret,
  RETF: control.retFar,
  ROL: shift.rol,
  ROR: shift.ror,
  RSM: control.undefinedInsn,
  SAHF: move.sahf,
  SALC: move.salc,
  SAR: shift.sar,
  SBB: arithmetic.sbb,
  SCAS: string.scas,
  SETcc: move.setcc,
  SFENCE: system.fence,
  SGDT: system.storeTable,
  SHL: shift.shl,
  SHLD: shift.shld,
  SHR: shift.shr,
  SHRD: shift.shrd,
  SIDT: system.storeTable,
  SLDT: system.storeSystem,
  SMSW: system.storeSystem,
  STAC: control.privileged,
  STC: move.carryFlag,
  STD: move.directionFlag,
  STI: control.privileged,
  STOS: string.stos,
  STR: system.storeSystem,
  SUB: arithmetic.sub,
  SWAPGS: control.undefinedInsn,
  SYSCALL: system.unimplemented,
  SYSENTER: system.sysenter,
  SYSEXIT: control.privileged,
  SYSRET: control.privileged,
  TEST: arithmetic.test,
  TZCNT: bit.zeroCount,
  UD0: control.undefinedInsn,
  UD1: control.undefinedInsn,
  UD2: control.undefinedInsn,
  VERR: segment.queryDescriptor,
  VERW: segment.queryDescriptor,
  WBINVD: control.privileged,
  WRMSR: control.privileged,
  XADD: move.xadd,
  XCHG: move.xchg,
  XLAT: move.xlat,
  XOR: arithmetic.xor,
  XSETBV: control.privileged,
};

const OWN: Partial<Record<X86Mnemonic, Handler>> = { ...INTEGER, ...X87_HANDLERS };

const simd = () => require('./simd-handlers.ts') as typeof import('./simd-handlers.ts');

/**
 * The handler of a mnemonic, undefined where there is none. Those of vector instructions are made when the first of them is
 * asked for: they are most of the handlers, and a program whose translations were kept may need none.
 */
export function handlerOf(mnemonic: X86Mnemonic): Handler | undefined {
  return OWN[mnemonic] ?? simd().SIMD_HANDLERS[mnemonic];
}
