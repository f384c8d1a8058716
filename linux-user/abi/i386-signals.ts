// Signals of the i386 ABI: which exception is which signal, and frames as a 64-bit kernel builds them for 32-bit processes.

import type { GuestMemory } from '../../src/memory/guest-memory.ts';
import { readEflags, writeEflags } from '../../targets/x86/flags.ts';
import { loadSegment, resetSegments } from '../../targets/x86/helpers/segment-helpers.ts';
import { cpuidLeaf, X86_MODELS } from '../../targets/x86/models.ts';
import { X86_OFFSETS as O, Seg } from '../../targets/x86/state.ts';
import { resetX87, x87Offset } from '../../targets/x86/x87-reset.ts';
import type { CpuException } from '../cpu.ts';
import {
  BUS_ADRALN,
  BUS_ADRERR,
  FPE_FLTDIV,
  FPE_FLTINV,
  FPE_FLTOVF,
  FPE_FLTRES,
  FPE_FLTUND,
  FPE_INTDIV,
  ILL_ILLOPN,
  SEGV_ACCERR,
  SEGV_MAPERR,
  SI_KERNEL,
  SIGBUS,
  SIGFPE,
  SIGILL,
  SIGSEGV,
  SIGTRAP,
  type SigInfo,
  TRAP_TRACE,
  writeInfo32,
} from '../siginfo.ts';
import type { AltStack, Delivery, RestoredFrame, SignalAbi, TrapState } from './signal-interface.ts';

/** Exception vectors (Intel SDM vol. 3, table 6-1). */
const DE = 0;
const DB = 1;
const BP = 3;
const OF = 4;
const BR = 5;
const UD = 6;
const NP = 11;
const SS = 12;
const PF = 14;
const MF = 16;
const AC = 17;
const XM = 19;

const PF_PRESENT = 1;
const PF_WRITE = 2;
const PF_FETCH = 16;
const PAGE_READ = 1;
const PAGE_WRITE = 2;
const PAGE_EXEC = 4;

const SA_SIGINFO = 4;
const SA_RESTORER = 0x04000000;

const NR_SIGRETURN = 119;
const NR_RT_SIGRETURN = 173;

/** Registers in the order of struct sigcontext_32 behind the segments: EDI ESI EBP ESP EBX EDX ECX EAX. */
const CONTEXT_REGS = [7, 6, 5, 4, 3, 2, 1, 0];
const EAX = 0;
const ECX = 1;
const EDX = 2;
const ESP = 4;

/** struct sigcontext_32 (asm/sigcontext.h). */
const SC = {
  gs: 0,
  fs: 4,
  es: 8,
  ds: 12,
  regs: 16,
  trapno: 48,
  err: 52,
  ip: 56,
  cs: 60,
  flags: 64,
  spAtSignal: 68,
  ss: 72,
  fpstate: 76,
  oldmask: 80,
  cr2: 84,
} as const;

/** struct _fpstate_32: FSAVE image, status, magic, then the FXSAVE image. */
const FSAVE_SIZE = 112;
const FXSAVE_SIZE = 512;
const FPSTATE_STATUS = 108;
/** What `magic` (upper half of the status word) says when there is no FXSAVE image. */
const NO_FXSR = 0xffff0000;
const FPSTATE_SIZE = FSAVE_SIZE + FXSAVE_SIZE;

/** struct sigframe_ia32: return address, signal, sigcontext, an unused fpstate, mask 33-64, code. */
const FRAME = { signal: 4, context: 8, mask: 8 + 88 + FPSTATE_SIZE, code: 8 + 88 + FPSTATE_SIZE + 4 } as const;
const FRAME_SIZE = FRAME.code + 8;
/** struct rt_sigframe_ia32: return address, signal, two pointers, siginfo, ucontext, code. */
const RT = { signal: 4, info: 16, ucontext: 16 + 128, code: 16 + 128 + 116 } as const;
const RT_SIZE = RT.code + 8;
/** struct ucontext_ia32: flags, link, stack (12 bytes), sigcontext, mask. */
const UC = { stack: 8, context: 20, mask: 108 } as const;

/** EFLAGS that a frame can restore: the arithmetic flags, TF, DF, RF, AC (arch/x86/include/asm/sighandling.h). */
const FIX_EFLAGS = 0x00050dd5;
const EFLAGS_DF = 0x400;
const EFLAGS_TF = 0x100;
const EFLAGS_RF = 0x10000;

/** popl %eax; movl $sigreturn,%eax; int $0x80, and without the pop for siginfo frames. */
const RETURN_CODE = [0x58, 0xb8, NR_SIGRETURN, 0, 0, 0, 0xcd, 0x80];
const RT_RETURN_CODE = [0xb8, NR_RT_SIGRETURN, 0, 0, 0, 0xcd, 0x80, 0];
/** Where the second stands in the trampoline page. */
const RT_TRAMPOLINE = 16;

function reg(n: number): number {
  return O.regs + 4 * n;
}

/** Whether the CPU model has FXSAVE, so that frames hold its image. */
function hasFxsr(view: DataView, env: number): boolean {
  const model = X86_MODELS[view.getUint32(env + O.model, true)]!;
  return (cpuidLeaf(model, 1)[3] & (1 << 24)) !== 0;
}

function fault(signal: number, code: number, address: number): SigInfo {
  return { signal, error: 0, code, words: [address] };
}

/** force_sig: no address. */
function plain(signal: number): SigInfo {
  return { signal, error: 0, code: SI_KERNEL, words: [0, 0] };
}

function pageFault(memory: GuestMemory, errorCode: number, address: number): SigInfo {
  if (!(errorCode & PF_PRESENT)) return fault(SIGSEGV, SEGV_MAPERR, address);
  const access = errorCode & PF_FETCH ? PAGE_EXEC : errorCode & PF_WRITE ? PAGE_WRITE : PAGE_READ;
  return memory.isBeyondFile(address, access)
    ? fault(SIGBUS, BUS_ADRERR, address)
    : fault(SIGSEGV, SEGV_ACCERR, address);
}

/** si_code for unmasked exceptions in `flags` (x87 status or MXCSR order: invalid, denormal, zero, over, under, precision). */
function floatCode(flags: number): number {
  if (flags & 1) return FPE_FLTINV;
  if (flags & 4) return FPE_FLTDIV;
  if (flags & 8) return FPE_FLTOVF;
  if (flags & 0x12) return FPE_FLTUND;
  return flags & 0x20 ? FPE_FLTRES : 0;
}

function exceptionToSignal(memory: GuestMemory, env: number, exit: CpuException, trap: TrapState): SigInfo | null {
  const { view } = memory;
  const pc = view.getUint32(env + O.pc, true);
  trap.number = exit.vector;
  trap.errorCode = exit.errorCode;
  switch (exit.vector) {
    case DE:
      return fault(SIGFPE, FPE_INTDIV, pc);
    case DB:
      return fault(SIGTRAP, TRAP_TRACE, pc);
    case BP:
      return plain(SIGTRAP);
    case UD:
      return fault(SIGILL, ILL_ILLOPN, pc);
    case NP:
    case SS:
      return plain(SIGBUS);
    case PF: {
      trap.address = exit.address;
      const info = pageFault(memory, exit.errorCode, exit.address);
      // A page without access, or without data behind it, is not present.
      if (info.signal === SIGBUS || !(memory.pageFlags(exit.address) & PAGE_READ)) trap.errorCode &= ~PF_PRESENT;
      return info;
    }
    case MF: {
      const unmasked =
        view.getUint32(env + x87Offset('fpsw'), true) & ~view.getUint32(env + x87Offset('fpcw'), true) & 0x3f;
      const code = floatCode(unmasked);
      return code ? fault(SIGFPE, code, pc) : null;
    }
    case AC:
      return fault(SIGBUS, BUS_ADRALN, 0);
    case XM: {
      const mxcsr = view.getUint32(env + O.mxcsr, true);
      const code = floatCode(mxcsr & ~(mxcsr >>> 7) & 0x3f);
      return code ? fault(SIGFPE, code, pc) : null;
    }
    case OF:
    case BR:
      trap.errorCode = 0;
      return plain(SIGSEGV);
    default:
      // #TS, #GP and what a process cannot cause.
      return plain(SIGSEGV);
  }
}

function topOf(view: DataView, env: number): number {
  return view.getUint32(env + x87Offset('fptop'), true);
}

/** Two-bit tags of the physical registers: 0 valid, 1 zero, 2 special, 3 empty (Intel SDM vol. 1, 8.1.7). */
function fullTags(view: DataView, env: number): number {
  const empty = view.getUint32(env + x87Offset('fpempty'), true);
  let tags = 0;
  for (let n = 0; n < 8; n++) {
    const at = env + O.fpu + 16 * n;
    const exponent = view.getUint32(at + 8, true) & 0x7fff;
    const low = view.getUint32(at, true);
    const high = view.getUint32(at + 4, true);
    let tag = 0;
    if (empty & (1 << n)) tag = 3;
    else if (exponent === 0 && (low | high) === 0) tag = 1;
    else if (exponent === 0 || exponent === 0x7fff || high >>> 31 === 0) tag = 2;
    tags |= tag << (2 * n);
  }
  return tags;
}

function statusWord(view: DataView, env: number): number {
  return (view.getUint32(env + x87Offset('fpsw'), true) & 0xc7ff) | (topOf(view, env) << 11);
}

/** Writes the FSAVE image as the kernel makes it for 32-bit processes. */
function saveFpu(view: DataView, env: number, at: number, fxsr: boolean): void {
  const field = (name: Parameters<typeof x87Offset>[0]): number => view.getUint32(env + x87Offset(name), true);
  const status = statusWord(view, env);
  const words = [
    field('fpcw') | 0xffff0000,
    status | 0xffff0000,
    fullTags(view, env) | 0xffff0000,
    field('fpip'),
    // Not what the FPU had: a 64-bit kernel does not know that any more and puts the present ones.
    view.getUint32(env + O.selectors + 4 * Seg.CS, true) | ((field('fpop') & 0x7ff) << 16),
    field('fpdp'),
    view.getUint32(env + O.selectors + 4 * Seg.DS, true) | 0xffff0000,
  ];
  words.forEach((word, k) => {
    view.setUint32(at + 4 * k, word, true);
  });
  for (let n = 0; n < 8; n++) copyRegister(view, env + O.fpu + 16 * ((topOf(view, env) + n) & 7), at + 28 + 10 * n);
  view.setUint32(at + FPSTATE_STATUS, fxsr ? status : status | NO_FXSR, true);
  if (fxsr) saveFxsave(view, env, at + FSAVE_SIZE);
}

/** Ten bytes of an x87 register. */
function copyRegister(view: DataView, from: number, to: number): void {
  view.setUint32(to, view.getUint32(from, true), true);
  view.setUint32(to + 4, view.getUint32(from + 4, true), true);
  view.setUint16(to + 8, view.getUint16(from + 8, true), true);
}

/** FXSAVE image (Intel SDM vol. 2, FXSAVE, table of the 32-bit form). */
function saveFxsave(view: DataView, env: number, at: number): void {
  const field = (name: Parameters<typeof x87Offset>[0]): number => view.getUint32(env + x87Offset(name), true);
  for (let k = 0; k < FXSAVE_SIZE; k += 4) view.setUint32(at + k, 0, true);
  view.setUint16(at, field('fpcw'), true);
  view.setUint16(at + 2, statusWord(view, env), true);
  view.setUint16(at + 4, ~field('fpempty') & 0xff, true);
  view.setUint16(at + 6, field('fpop') & 0x7ff, true);
  view.setUint32(at + 8, field('fpip'), true);
  view.setUint32(at + 12, field('fpcs') & 0xffff, true);
  view.setUint32(at + 16, field('fpdp'), true);
  view.setUint32(at + 20, field('fpds') & 0xffff, true);
  view.setUint32(at + 24, view.getUint32(env + O.mxcsr, true), true);
  view.setUint32(at + 28, 0xffff, true);
  for (let n = 0; n < 8; n++) copyRegister(view, env + O.fpu + 16 * ((topOf(view, env) + n) & 7), at + 32 + 16 * n);
  for (let k = 0; k < 128; k += 4) view.setUint32(at + 160 + k, view.getUint32(env + O.xmm + k, true), true);
}

/** Takes the FPU state back: from the FXSAVE image for XMM, from the FSAVE image for the x87 (the kernel's choice too). */
function restoreFpu(view: DataView, env: number, at: number, fxsr: boolean): void {
  const set = (name: Parameters<typeof x87Offset>[0], value: number): void =>
    view.setUint32(env + x87Offset(name), value, true);
  const status = view.getUint32(at + 4, true);
  const tags = view.getUint32(at + 8, true);
  const top = (status >>> 11) & 7;
  set('fpcw', (view.getUint32(at, true) & 0x1f7f) | 0x40);
  set('fpsw', status & 0xc7ff);
  set('fptop', top);
  let empty = 0;
  for (let n = 0; n < 8; n++) if (((tags >>> (2 * n)) & 3) === 3) empty |= 1 << n;
  set('fpempty', empty);
  set('fpip', view.getUint32(at + 12, true));
  set('fpcs', view.getUint32(at + 16, true) & 0xffff);
  set('fpop', (view.getUint32(at + 16, true) >>> 16) & 0x7ff);
  set('fpdp', view.getUint32(at + 20, true));
  set('fpds', view.getUint32(at + 24, true) & 0xffff);
  for (let n = 0; n < 8; n++) {
    const to = env + O.fpu + 16 * ((top + n) & 7);
    copyRegister(view, at + 28 + 10 * n, to);
    view.setUint16(to + 10, 0, true);
  }
  if (!fxsr) return;
  const fx = at + FSAVE_SIZE;
  view.setUint32(env + O.mxcsr, view.getUint32(fx + 24, true) & 0xffff, true);
  for (let k = 0; k < 128; k += 4) view.setUint32(env + O.xmm + k, view.getUint32(fx + 160 + k, true), true);
}

function writeContext(view: DataView, env: number, at: number, delivery: Delivery, fpstate: number): void {
  const selector = (segment: Seg): number => view.getUint32(env + O.selectors + 4 * segment, true);
  view.setUint32(at + SC.gs, selector(Seg.GS), true);
  view.setUint32(at + SC.fs, selector(Seg.FS), true);
  view.setUint32(at + SC.es, selector(Seg.ES), true);
  view.setUint32(at + SC.ds, selector(Seg.DS), true);
  CONTEXT_REGS.forEach((n, k) => {
    view.setUint32(at + SC.regs + 4 * k, view.getUint32(env + reg(n), true), true);
  });
  view.setUint32(at + SC.trapno, delivery.trap.number, true);
  view.setUint32(at + SC.err, delivery.trap.errorCode, true);
  view.setUint32(at + SC.ip, view.getUint32(env + O.pc, true), true);
  view.setUint32(at + SC.cs, selector(Seg.CS), true);
  view.setUint32(at + SC.flags, readEflags(view, env), true);
  view.setUint32(at + SC.spAtSignal, view.getUint32(env + reg(ESP), true), true);
  view.setUint32(at + SC.ss, selector(Seg.SS), true);
  view.setUint32(at + SC.fpstate, fpstate, true);
  view.setUint32(at + SC.oldmask, delivery.maskLow, true);
  view.setUint32(at + SC.cr2, delivery.trap.address, true);
}

function pushFrame(memory: GuestMemory, env: number, delivery: Delivery): boolean {
  const { view } = memory;
  const siginfo = (delivery.flags & SA_SIGINFO) !== 0;
  const fxsr = hasFxsr(view, env);
  // The FXSAVE image is aligned to 64 bytes, the FSAVE image stands right before it.
  const fpSize = fxsr ? FXSAVE_SIZE : FSAVE_SIZE;
  const aligned = (delivery.stackTop - fpSize) & ~63;
  const fpstate = (fxsr ? aligned - FSAVE_SIZE : aligned) >>> 0;
  const size = siginfo ? RT_SIZE : FRAME_SIZE;
  // At the handler's entry ESP + 4 is a multiple of 16.
  const frame = (((fpstate - size + 4) & ~15) - 4) >>> 0;
  if (frame > delivery.stackTop || !memory.prepareWrite(frame, delivery.stackTop - frame)) return false;

  saveFpu(view, env, fpstate, fxsr);
  const { signal } = delivery.info;
  const code = siginfo ? RT_RETURN_CODE : RETURN_CODE;
  const returnTo =
    delivery.flags & SA_RESTORER ? delivery.restorer : delivery.trampoline() + (siginfo ? RT_TRAMPOLINE : 0);
  view.setUint32(frame, returnTo, true);
  view.setUint32(frame + FRAME.signal, signal, true);
  const context = frame + (siginfo ? RT.ucontext + UC.context : FRAME.context);
  writeContext(view, env, context, delivery, fpstate);
  if (siginfo) {
    const ucontext = frame + RT.ucontext;
    view.setUint32(frame + 8, frame + RT.info, true);
    view.setUint32(frame + 12, ucontext, true);
    writeInfo32(view, frame + RT.info, delivery.info, true);
    view.setUint32(ucontext, 0, true);
    view.setUint32(ucontext + 4, 0, true);
    view.setUint32(ucontext + UC.stack, delivery.altStack.sp, true);
    view.setUint32(ucontext + UC.stack + 4, delivery.altStack.flags, true);
    view.setUint32(ucontext + UC.stack + 8, delivery.altStack.size, true);
    view.setUint32(ucontext + UC.mask, delivery.maskLow, true);
    view.setUint32(ucontext + UC.mask + 4, delivery.maskHigh, true);
  } else {
    view.setUint32(frame + FRAME.mask, delivery.maskHigh, true);
  }
  // Debuggers recognise frames by this code; it is not what runs.
  code.forEach((byte, k) => {
    memory.write8(frame + (siginfo ? RT.code : FRAME.code) + k, byte);
  });

  view.setUint32(env + reg(ESP), frame, true);
  view.setUint32(env + reg(EAX), signal, true);
  view.setUint32(env + reg(EDX), siginfo ? frame + RT.info : 0, true);
  view.setUint32(env + reg(ECX), siginfo ? frame + RT.ucontext : 0, true);
  view.setUint32(env + O.pc, delivery.handler, true);
  writeEflags(view, env, readEflags(view, env) & ~(EFLAGS_DF | EFLAGS_RF | EFLAGS_TF));
  enterUserSegments(view, env);
  resetX87(view, env);
  if (fxsr) {
    view.setUint32(env + O.mxcsr, 0x1f80, true);
    for (let k = 0; k < 128; k += 4) view.setUint32(env + O.xmm + k, 0, true);
  }
  return true;
}

/** CS, SS, DS and ES become the flat ones; FS and GS stay, as TLS depends on them. */
function enterUserSegments(view: DataView, env: number): void {
  const parts = [O.selectors, O.segBases, O.limits, O.attributes].flatMap((at) => [at + 4 * Seg.FS, at + 4 * Seg.GS]);
  const kept = parts.map((at) => view.getUint32(env + at, true));
  resetSegments(view, env);
  parts.forEach((at, k) => {
    view.setUint32(env + at, kept[k]!, true);
  });
}

function popFrame(memory: GuestMemory, env: number, siginfoFrame: boolean): RestoredFrame | null {
  const { view } = memory;
  const esp = view.getUint32(env + reg(ESP), true);
  // The handler's RET has taken the return address off; the code for plain frames pops the signal number too.
  const frame = (siginfoFrame ? esp - 4 : esp - 8) >>> 0;
  if (!memory.checkRead(frame, siginfoFrame ? RT_SIZE : FRAME_SIZE)) return null;
  const context = frame + (siginfoFrame ? RT.ucontext + UC.context : FRAME.context);
  const word = (at: number): number => view.getUint32(at, true);
  const maskLow = siginfoFrame ? word(frame + RT.ucontext + UC.mask) : word(context + SC.oldmask);
  const maskHigh = siginfoFrame ? word(frame + RT.ucontext + UC.mask + 4) : word(frame + FRAME.mask);
  const fpstate = word(context + SC.fpstate);
  const fxsr = hasFxsr(view, env);
  if (fpstate !== 0 && !memory.checkRead(fpstate, fxsr ? FPSTATE_SIZE : FSAVE_SIZE)) return null;

  CONTEXT_REGS.forEach((n, k) => {
    view.setUint32(env + reg(n), word(context + SC.regs + 4 * k), true);
  });
  view.setUint32(env + O.pc, word(context + SC.ip), true);
  const kept = readEflags(view, env) & ~FIX_EFLAGS;
  writeEflags(view, env, kept | (word(context + SC.flags) & FIX_EFLAGS));
  for (const [segment, offset] of [
    [Seg.GS, SC.gs],
    [Seg.FS, SC.fs],
    [Seg.DS, SC.ds],
    [Seg.ES, SC.es],
    [Seg.SS, SC.ss],
  ] as const) {
    restoreSegment(view, env, segment, word(context + offset) & 0xffff);
  }
  if (fpstate === 0) resetX87(view, env);
  else restoreFpu(view, env, fpstate, fxsr);
  const ucontext = frame + RT.ucontext;
  const altStack: AltStack | null = siginfoFrame
    ? {
        sp: word(ucontext + UC.stack),
        flags: word(ucontext + UC.stack + 4),
        size: word(ucontext + UC.stack + 8),
      }
    : null;
  return { maskLow, maskHigh, altStack };
}

/** Loads a selector if it has changed; one that cannot be loaded becomes 0, as the kernel's fixup makes it. */
function restoreSegment(view: DataView, env: number, segment: Seg, selector: number): void {
  if (view.getUint32(env + O.selectors + 4 * segment, true) === selector) return;
  try {
    loadSegment(view, env, segment, selector);
  } catch {
    if (segment !== Seg.SS) loadSegment(view, env, segment, 0);
  }
}

const trampolineCode = new Uint8Array(32);
trampolineCode.set(RETURN_CODE);
trampolineCode.set(RT_RETURN_CODE, RT_TRAMPOLINE);

/** Length of INT 0x80. */
const INT_LENGTH = 2;

export const I386_SIGNALS: SignalAbi = {
  syscallVector: 0x80,
  exceptionToSignal,
  programCounter: (view, env) => view.getUint32(env + O.pc, true),
  stackPointer: (view, env) => view.getUint32(env + reg(ESP), true),
  pushFrame,
  popFrame,
  restartSyscall: (view, env) => view.setUint32(env + O.pc, view.getUint32(env + O.pc, true) - INT_LENGTH, true),
  trampolineCode,
};
