// Signals of the ARM EABI: which exception is which signal, and frames as the kernel builds them (arch/arm/kernel/signal.c).
import type { GuestMemory } from '../../src/memory/guest-memory.ts';
import { stateAt } from '../../src/memory/guest-pages.ts';
import { bswap32 } from '../../src/util/bits.ts';
import { readCpsr, writeCpsr } from '../../targets/arm/flags.ts';
import { FPSCR_SHORT_VECTORS, readFpscr, writeFpscr } from '../../targets/arm/fpscr.ts';
import { FLAG_BIG_CODE } from '../../targets/arm/mode.ts';
import { ARM_MODELS } from '../../targets/arm/models.ts';
import { ARM_OFFSETS as O } from '../../targets/arm/state.ts';
import { ABORT_ALIGNMENT, ABORT_MAPPED, ABORT_WRITE, Vector } from '../../targets/arm/vectors.ts';
import type { CpuException } from '../cpu.ts';
import {
  BUS_ADRALN,
  BUS_ADRERR,
  SEGV_ACCERR,
  SEGV_MAPERR,
  SIGBUS,
  SIGILL,
  SIGSEGV,
  SIGTRAP,
  type SigInfo,
  TRAP_BRKPT,
  writeInfo32,
} from '../siginfo.ts';
import { ARM_NR_BASE } from './arm-syscalls.ts';
import type { AltStack, Delivery, RestoredFrame, SignalAbi, TrapState } from './signal-interface.ts';

const ILL_ILLOPC = 1;
const ILL_ILLTRP = 4;

const PAGE_READ = 1;
const PAGE_WRITE = 2;
const PAGE_EXEC = 4;

const SA_SIGINFO = 4;
const SA_RESTORER = 0x04000000;

const NR_SIGRETURN = 119;
const NR_RT_SIGRETURN = 173;

const CPSR_T = 0x20;
const CPSR_E = 0x200;
const CPSR_IT = 0x0600fc00;

/** trap_no of sigcontext, and fault status (ARM ARM, DFSR short descriptors) as error_code. */
const TRAP_UNDEFINED = 6;
const TRAP_ABORT = 14;
const FSR_ALIGNMENT = 1;
const FSR_TRANSLATION = 7;
const FSR_PERMISSION = 15;
const FSR_WRITE = 1 << 11;

/** struct ucontext and, in it, struct sigcontext (asm/ucontext.h, asm/sigcontext.h). */
const UC = { flags: 0, link: 4, stack: 8, context: 20, mask: 104, regspace: 232, size: 744 } as const;
const SC = { trapNumber: 0, errorCode: 4, oldmask: 8, regs: 12, cpsr: 76, faultAddress: 80 } as const;
/** struct sigframe: ucontext and four words of code. struct rt_sigframe: siginfo in front of one. */
const RETCODE = UC.size;
const FRAME_SIZE = UC.size + 16;
const RT_UCONTEXT = 128;
/** uc_flags of frames without siginfo. */
const PLAIN_FRAME = 0x5ac3c35a;

/** The floating-point part of uc_regspace (struct vfp_sigframe): registers, FPSCR, FPEXC, FPINST, FPINST2. */
const VFP_MAGIC = 0x56465001;
const VFP = { registers: 8, fpscr: 264, fpexc: 272, fpinst: 276, fpinst2: 280, size: 288 } as const;
/** Words of its registers: D0 to D31. */
const VFP_WORDS = 64;
const FPEXC_EN = 0x40000000;

const R0 = O.regs;
const R7 = O.regs + 4 * 7;
const SP = O.regs + 4 * 13;
const LR = O.regs + 4 * 14;

function fault(signal: number, code: number, address: number): SigInfo {
  return { signal, error: 0, code, words: [address] };
}

function addressOf(memory: GuestMemory, env: number): number {
  return (memory.read32(env + O.pc) & ~1) >>> 0;
}

function abort(memory: GuestMemory, exit: CpuException, trap: TrapState, access: number): SigInfo {
  const { errorCode, address } = exit;
  trap.number = TRAP_ABORT;
  trap.address = address;
  const write = errorCode & ABORT_WRITE ? FSR_WRITE : 0;
  if (errorCode & ABORT_ALIGNMENT) {
    trap.errorCode = FSR_ALIGNMENT | write;
    return fault(SIGBUS, BUS_ADRALN, address);
  }
  if (!(errorCode & ABORT_MAPPED)) {
    trap.errorCode = FSR_TRANSLATION | write;
    return fault(SIGSEGV, SEGV_MAPERR, address);
  }
  trap.errorCode = FSR_PERMISSION | write;
  return memory.isBeyondFile(address, access)
    ? fault(SIGBUS, BUS_ADRERR, address)
    : fault(SIGSEGV, SEGV_ACCERR, address);
}

/** What numbers mean that are no system calls (arch/arm/kernel/traps.c, arm_syscall). */
function signalOfCall(memory: GuestMemory, env: number): SigInfo {
  const pc = memory.read32(env + O.pc);
  const call = (pc - (pc & 1 ? 2 : 4)) >>> 0;
  switch (memory.read32(env + R7)) {
    case ARM_NR_BASE:
      // A branch through a null pointer ends up here.
      return fault(SIGSEGV, SEGV_MAPERR, 0);
    case ARM_NR_BASE + 1:
      memory.write32(env + O.pc, call);
      return fault(SIGTRAP, TRAP_BRKPT, (call & ~1) >>> 0);
    default:
      return fault(SIGILL, ILL_ILLTRP, (call & ~1) >>> 0);
  }
}

function exceptionToSignal(memory: GuestMemory, env: number, exit: CpuException, trap: TrapState): SigInfo | null {
  trap.errorCode = 0;
  switch (exit.vector) {
    case Vector.PREFETCH_ABORT:
      return abort(memory, exit, trap, PAGE_EXEC);
    case Vector.DATA_ABORT:
      return abort(memory, exit, trap, exit.errorCode & ABORT_WRITE ? PAGE_WRITE : PAGE_READ);
    case Vector.BREAKPOINT:
      return fault(SIGTRAP, TRAP_BRKPT, addressOf(memory, env));
    case Vector.SVC:
      return signalOfCall(memory, env);
    case Vector.OABI_CALL:
      return fault(SIGILL, ILL_ILLTRP, (addressOf(memory, env) - 4) >>> 0);
    default:
      trap.number = TRAP_UNDEFINED;
      return fault(SIGILL, ILL_ILLOPC, addressOf(memory, env));
  }
}

/** By number of the CPU model, whether frames hold floating-point registers. */
const HAS_VFP = ARM_MODELS.map(({ features }) => features.includes('vfp2'));

function hasVfp(memory: GuestMemory, env: number): boolean {
  return HAS_VFP[memory.read32(env + O.model)]!;
}

/** Frames are in the guest's byte order, CPU state in the host's. */
function makeSignals(little: boolean): SignalAbi {
  // Frames are aligned to doublewords, and whole words are many times as fast as `memory.view`.
  const put = (memory: GuestMemory, at: number, value: number): void =>
    memory.write32(at, little ? value : bswap32(value));
  const get = (memory: GuestMemory, at: number): number =>
    little ? memory.read32(at) : bswap32(memory.read32(at)) >>> 0;

  /** Copies words between CPU state and a frame. */
  function copyWords(memory: GuestMemory, from: number, to: number, count: number): void {
    if (little) {
      memory.i32.copyWithin(to >>> 2, from >>> 2, (from >>> 2) + count);
      return;
    }
    // Each doubleword in the guest's order.
    for (let k = 0; k < count; k++) memory.write32(to + 4 * (k ^ 1), bswap32(memory.read32(from + 4 * k)));
  }

  function writeVfp(memory: GuestMemory, env: number, at: number): void {
    put(memory, at, VFP_MAGIC);
    put(memory, at + 4, VFP.size);
    copyWords(memory, env + O.qregs, at + VFP.registers, VFP_WORDS);
    put(memory, at + VFP.fpscr, readFpscr(memory.stateView, stateAt(env)));
    put(memory, at + VFP.fpscr + 4, 0);
    put(memory, at + VFP.fpexc, FPEXC_EN);
    put(memory, at + VFP.fpinst, 0);
    put(memory, at + VFP.fpinst2, 0);
    put(memory, at + VFP.fpinst2 + 4, 0);
    put(memory, at + VFP.size, 0);
  }

  function readVfp(memory: GuestMemory, env: number, at: number): void {
    if (get(memory, at) !== VFP_MAGIC || get(memory, at + 4) !== VFP.size) return;
    copyWords(memory, at + VFP.registers, env + O.qregs, VFP_WORDS);
    writeFpscr(memory.stateView, stateAt(env), get(memory, at + VFP.fpscr));
  }

  function writeContext(memory: GuestMemory, env: number, at: number, delivery: Delivery): void {
    put(memory, at + SC.trapNumber, delivery.trap.number);
    put(memory, at + SC.errorCode, delivery.trap.errorCode);
    put(memory, at + SC.oldmask, delivery.maskLow);
    for (let n = 0; n < 15; n++) put(memory, at + SC.regs + 4 * n, memory.read32(env + O.regs + 4 * n));
    put(memory, at + SC.regs + 4 * 15, addressOf(memory, env));
    put(memory, at + SC.cpsr, readCpsr(memory.stateView, stateAt(env)));
    put(memory, at + SC.faultAddress, delivery.trap.address);
  }

  function pushFrame(memory: GuestMemory, env: number, delivery: Delivery): boolean {
    const siginfo = (delivery.flags & SA_SIGINFO) !== 0;
    const size = FRAME_SIZE + (siginfo ? RT_UCONTEXT : 0);
    const frame = ((delivery.stackTop - size) & ~7) >>> 0;
    if (frame > delivery.stackTop || !memory.prepareWrite(frame, size)) return false;
    const uc = frame + (siginfo ? RT_UCONTEXT : 0);
    memory.u32.fill(0, frame >>> 2, (frame + size) >>> 2);
    put(memory, uc + UC.flags, siginfo ? 0 : PLAIN_FRAME);
    if (siginfo) {
      put(memory, uc + UC.stack, delivery.altStack.sp);
      put(memory, uc + UC.stack + 4, delivery.altStack.flags);
      put(memory, uc + UC.stack + 8, delivery.altStack.size);
      writeInfo32({ write32: (at, value) => put(memory, at, value) }, frame, delivery.info);
    }
    writeContext(memory, env, uc + UC.context, delivery);
    // The kernel's sigset_t is a 64-bit set as two words, low signals first.
    put(memory, uc + UC.mask, delivery.maskLow);
    put(memory, uc + UC.mask + 4, delivery.maskHigh);
    if (hasVfp(memory, env)) {
      writeVfp(memory, env, uc + UC.regspace);
      // Functions are entered with scalar operations, by the procedure call standard.
      writeFpscr(memory.stateView, stateAt(env), readFpscr(memory.stateView, stateAt(env)) & ~FPSCR_SHORT_VECTORS);
    }

    const thumb = delivery.handler & 1;
    const bigCode = (memory.read32(env + O.mode) & FLAG_BIG_CODE) !== 0;
    const which = (siginfo ? 2 : 0) + thumb + (bigCode ? 4 : 0);
    const code = trampolineCode.subarray(8 * which, 8 * which + 8);
    memory.u8.set(code, uc + RETCODE);
    const returnTo = delivery.flags & SA_RESTORER ? delivery.restorer : (delivery.trampoline() + 8 * which) | thumb;
    memory.write32(env + R0, delivery.info.signal);
    if (siginfo) {
      memory.write32(env + R0 + 4, frame);
      memory.write32(env + R0 + 8, uc);
    }
    memory.write32(env + SP, frame);
    memory.write32(env + LR, returnTo);
    memory.write32(env + O.pc, delivery.handler);
    const kept = readCpsr(memory.stateView, stateAt(env)) & ~(CPSR_T | CPSR_E | CPSR_IT);
    writeCpsr(memory.stateView, stateAt(env), kept | (thumb ? CPSR_T : 0) | (little || bigCode ? 0 : CPSR_E));
    return true;
  }

  function popFrame(memory: GuestMemory, env: number, siginfoFrame: boolean): RestoredFrame | null {
    const frame = memory.read32(env + SP) >>> 0;
    const size = FRAME_SIZE + (siginfoFrame ? RT_UCONTEXT : 0);
    if (frame & 7 || !memory.checkRead(frame, size)) return null;
    const uc = frame + (siginfoFrame ? RT_UCONTEXT : 0);
    const context = uc + UC.context;
    for (let n = 0; n < 15; n++) memory.write32(env + O.regs + 4 * n, get(memory, context + SC.regs + 4 * n));
    memory.write32(env + O.pc, get(memory, context + SC.regs + 4 * 15) & ~1);
    writeCpsr(memory.stateView, stateAt(env), get(memory, context + SC.cpsr));
    memory.write32(env + O.exclusiveAddress, -1);
    if (hasVfp(memory, env)) readVfp(memory, env, uc + UC.regspace);
    const altStack: AltStack | null = siginfoFrame
      ? {
          sp: get(memory, uc + UC.stack),
          flags: get(memory, uc + UC.stack + 4) | 0,
          size: get(memory, uc + UC.stack + 8),
        }
      : null;
    return { maskLow: get(memory, uc + UC.mask) | 0, maskHigh: get(memory, uc + UC.mask + 4) | 0, altStack };
  }

  return {
    syscallVector: Vector.SVC,
    exceptionToSignal,
    programCounter: addressOf,
    stackPointer: (memory, env) => memory.read32(env + SP),
    pushFrame,
    popFrame,
    restartSyscall: (memory, env) => {
      const pc = memory.read32(env + O.pc);
      memory.write32(env + O.pc, pc - (pc & 1 ? 2 : 4));
    },
    trampolineCode,
  };
}

/**
 * Returns from handlers: for plain frames in A32 and in Thumb, then for frames with siginfo, eight bytes each; then all of
 * them for big-endian instructions.
 */
const trampolineCode = new Uint8Array(64);
const words = new DataView(trampolineCode.buffer);
for (const little of [true, false]) {
  [NR_SIGRETURN, NR_RT_SIGRETURN].forEach((number, k) => {
    const at = 16 * k + (little ? 0 : 32);
    words.setUint32(at, 0xe3a07000 | number, little); // mov r7, #number
    words.setUint32(at + 4, 0xef000000, little); // svc 0
    words.setUint16(at + 8, 0x2700 | number, little); // movs r7, #number
    words.setUint16(at + 10, 0xdf00, little); // svc 0
  });
}

export const ARM_SIGNALS = makeSignals(true);
export const ARMEB_SIGNALS = makeSignals(false);
