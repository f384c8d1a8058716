// Signals of the i386 ABI: which exception is which signal, and frames as a 64-bit kernel builds them for 32-bit processes.

import type { GuestMemory } from '../../src/memory/guest-memory.ts';
import { stateAt } from '../../src/memory/guest-pages.ts';
import { cpuidLeaf, xcr0 } from '../../targets/x86/cpuid.ts';
import { readEflags, writeEflags } from '../../targets/x86/flags.ts';
import { loadSegment, resetSegments, restoreCodeSegment } from '../../targets/x86/helpers/segment-helpers.ts';
import { modelAt } from '../../targets/x86/models.ts';
import { MXCSR_MASK, MXCSR_RESET, X86_OFFSETS as O, Seg } from '../../targets/x86/state.ts';
import { resetX87 } from '../../targets/x86/x87-reset.ts';
import { X87_AREA_SIZE, X87_FIELDS } from '../../targets/x86/x87-state.ts';
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
  TRAP_BRKPT,
  TRAP_TRACE,
  writeInfo32,
} from '../siginfo.ts';
import { VDSO, vdsoImage } from './i386-vdso.ts';
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
/** With XSAVE: its header behind that, whose first word says which components there are, and a second magic number. */
const XSTATE_SIZE = FXSAVE_SIZE + 64;
const MAGIC2_SIZE = 4;
/** struct _fpx_sw_bytes in the unused end of the FXSAVE image. */
const SW = { magic1: 464, extendedSize: 468, features: 472, featuresHigh: 476, size: 480 } as const;
const MAGIC1 = 0x46505853;
const MAGIC2 = 0x46505845;

/** struct sigframe_ia32: return address, signal, sigcontext, an unused fpstate, mask 33-64, code. */
const FRAME = { signal: 4, context: 8, mask: 8 + 88 + FPSTATE_SIZE, code: 8 + 88 + FPSTATE_SIZE + 4 } as const;
const FRAME_SIZE = FRAME.code + 8;
/** struct rt_sigframe_ia32: return address, signal, two pointers, siginfo, ucontext, code. */
const RT = { signal: 4, info: 16, ucontext: 16 + 128, code: 16 + 128 + 116 } as const;
const RT_SIZE = RT.code + 8;
/** struct ucontext_ia32: flags, link, stack (12 bytes), sigcontext, mask. */
const UC = { stack: 8, context: 20, mask: 108 } as const;

/** In uc_flags: the FPU's state is an XSAVE area. */
const UC_FP_XSTATE = 1;

/** State components as in XCR0. */
const X87_STATE = 1;
const SSE_STATE = 2;

/** EFLAGS that a frame can restore: the arithmetic flags, TF, DF, RF, AC (arch/x86/include/asm/sighandling.h). */
const FIX_EFLAGS = 0x00050dd5;
const EFLAGS_RF = 0x10000;
/** TF, DF and RF: clear when a handler begins. */
const HANDLER_CLEARS = 0x100 | 0x400 | EFLAGS_RF;

/** The selectors of 32-bit user code and data. */
const USER_CS = 0x23;
const USER_DS = 0x2b;

/** popl %eax; movl $sigreturn,%eax; int $0x80, and without the pop for siginfo frames. */
const RETURN_CODE = [0x58, 0xb8, NR_SIGRETURN, 0, 0, 0, 0xcd, 0x80];
const RT_RETURN_CODE = [0xb8, NR_RT_SIGRETURN, 0, 0, 0, 0xcd, 0x80, 0];

function reg(n: number): number {
  return O.regs + 4 * n;
}

/** Offset in CPU state of an x87 field. */
function x87(name: (typeof X87_FIELDS)[number]['name']): number {
  return O.fpu + X87_FIELDS.find((field) => field.name === name)!.offset;
}

const FPTOP = x87('fptop');
const FPEMPTY = x87('fpempty');
const FPCW = x87('fpcw');
const FPSW = x87('fpsw');
const FPIP = x87('fpip');
const FPCS = x87('fpcs');
const FPDP = x87('fpdp');
const FPDS = x87('fpds');
const FPOP = x87('fpop');

function selectorAt(segment: Seg): number {
  return O.selectors + 4 * segment;
}

/** What frames hold of the FPU besides an FSAVE image, as CPU models differ. */
interface FrameForm {
  /** An FXSAVE image. */
  readonly fxsr: boolean;
  /** The components of an XSAVE area around it, as in XCR0; 0: there is none. */
  readonly xsave: number;
}

/** By CPU model; filled when first asked. */
const frameForms: (FrameForm | undefined)[] = [];

/**
 * What a kernel of 64 bits counts for a frame besides the FPU's state: AT_MINSIGSTKSZ of such (3376, where an XSAVE area takes
 * 2432 bytes) less that state.
 */
const FRAME_REST = 828;

/** AT_MINSIGSTKSZ: the same for programs of 32 and of 64 bits. */
export function minSignalStack(view: DataView, env: number): number {
  const { fxsr, xsave } = formOf(view.getUint32(env + O.model, true));
  const state = xsave ? XSTATE_SIZE + MAGIC2_SIZE : fxsr ? FXSAVE_SIZE : 0;
  return Math.ceil((FRAME_REST + FSAVE_SIZE + state) / 16) * 16;
}

function frameForm(memory: GuestMemory, env: number): FrameForm {
  return formOf(memory.read32(env + O.model));
}

function formOf(model: number): FrameForm {
  const known = frameForms[model];
  if (known) return known;
  const [, , ecx, edx] = cpuidLeaf(modelAt(model), 1);
  const form = { fxsr: (edx & (1 << 24)) !== 0, xsave: ecx & (1 << 26) ? xcr0(modelAt(model)) : 0 };
  frameForms[model] = form;
  return form;
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

/** Reported behind the instruction: all other exceptions are faults. */
const TRAPS: readonly number[] = [DB, BP, OF];

function exceptionToSignal(memory: GuestMemory, env: number, exit: CpuException, trap: TrapState): SigInfo | null {
  const info = signalOf(memory, env, exit, trap);
  // Faults push EFLAGS with RF set; frames show it, and it is gone when the handler begins.
  if (info && !TRAPS.includes(exit.vector)) memory.write32(env + O.eflags, memory.read32(env + O.eflags) | EFLAGS_RF);
  return info;
}

function signalOf(memory: GuestMemory, env: number, exit: CpuException, trap: TrapState): SigInfo | null {
  const pc = memory.read32(env + O.pc);
  trap.number = exit.vector;
  trap.errorCode = exit.errorCode;
  switch (exit.vector) {
    case DE:
      return fault(SIGFPE, FPE_INTDIV, pc);
    case DB:
      // INT1 leaves no sign of itself in DR6.
      return fault(SIGTRAP, exit.address === 1 ? TRAP_BRKPT : TRAP_TRACE, pc);
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
      const code = floatCode(memory.read32(env + FPSW) & ~memory.read32(env + FPCW) & 0x3f);
      return code ? fault(SIGFPE, code, pc) : null;
    }
    case AC:
      return fault(SIGBUS, BUS_ADRALN, 0);
    case XM: {
      const mxcsr = memory.read32(env + O.mxcsr);
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

/** Exception flags of the x87 status word; ES and B, which say that an unmasked one is among them. */
const X87_EXCEPTIONS = 0x3f;
const X87_SUMMARY = 0x8080;

/** Two-bit tags of the physical registers: 0 valid, 1 zero, 2 special, 3 empty (Intel SDM vol. 1, 8.1.7). */
function fullTags(memory: GuestMemory, env: number): number {
  const empty = memory.read32(env + FPEMPTY);
  if (empty === 0xff) return 0xffff;
  let tags = 0;
  for (let n = 0; n < 8; n++) {
    const at = env + O.fpu + 16 * n;
    const exponent = memory.read32(at + 8) & 0x7fff;
    const low = memory.read32(at);
    const high = memory.read32(at + 4);
    let tag = 0;
    if (empty & (1 << n)) tag = 3;
    else if (exponent === 0 && (low | high) === 0) tag = 1;
    else if (exponent === 0 || exponent === 0x7fff || high >>> 31 === 0) tag = 2;
    tags |= tag << (2 * n);
  }
  return tags;
}

function statusWord(memory: GuestMemory, env: number): number {
  return (memory.read32(env + FPSW) & 0xc7ff) | (memory.read32(env + FPTOP) << 11);
}

/** Writes the FSAVE image as the kernel makes it for 32-bit processes. */
function saveFpu(memory: GuestMemory, env: number, at: number, { fxsr, xsave }: FrameForm): void {
  const status = statusWord(memory, env);
  memory.write32(at, memory.read32(env + FPCW) | 0xffff0000);
  memory.write32(at + 4, status | 0xffff0000);
  memory.write32(at + 8, fullTags(memory, env) | 0xffff0000);
  memory.write32(at + 12, memory.read32(env + FPIP));
  // Not the selectors the FPU had: a 64-bit kernel does not know them any more and puts the present ones, no opcode.
  memory.write32(at + 16, memory.read32(env + selectorAt(Seg.CS)));
  memory.write32(at + 20, memory.read32(env + FPDP));
  memory.write32(at + 24, memory.read32(env + selectorAt(Seg.DS)) | 0xffff0000);
  const top = memory.read32(env + FPTOP);
  for (let n = 0; n < 8; n++) copyRegister(memory, env + O.fpu + 16 * ((top + n) & 7), at + 28 + 10 * n);
  memory.write32(at + FPSTATE_STATUS, fxsr ? status : status | NO_FXSR);
  if (fxsr) saveFxsave(memory, env, at + FSAVE_SIZE);
  if (fxsr && xsave) saveXstate(memory, at + FSAVE_SIZE, xsave);
}

/** Ten bytes of an x87 register. */
function copyRegister(memory: GuestMemory, from: number, to: number): void {
  memory.write32(to, memory.read32(from));
  memory.write32(to + 4, memory.read32(from + 4));
  memory.write16(to + 8, memory.read16(from + 8));
}

/** FXSAVE image (Intel SDM vol. 2, FXSAVE, table of the 32-bit form). */
function saveFxsave(memory: GuestMemory, env: number, at: number): void {
  const { i32 } = memory;
  i32.fill(0, at >>> 2, (at + FXSAVE_SIZE) >>> 2);
  memory.write16(at, memory.read32(env + FPCW));
  memory.write16(at + 2, statusWord(memory, env));
  memory.write16(at + 4, ~memory.read32(env + FPEMPTY) & 0xff);
  memory.write16(at + 6, memory.read32(env + FPOP) & 0x7ff);
  memory.write32(at + 8, memory.read32(env + FPIP));
  memory.write32(at + 12, memory.read32(env + FPCS) & 0xffff);
  memory.write32(at + 16, memory.read32(env + FPDP));
  memory.write32(at + 20, memory.read32(env + FPDS) & 0xffff);
  memory.write32(at + 24, memory.read32(env + O.mxcsr));
  memory.write32(at + 28, MXCSR_MASK);
  const top = memory.read32(env + FPTOP);
  for (let n = 0; n < 8; n++) copyRegister(memory, env + O.fpu + 16 * ((top + n) & 7), at + 32 + 16 * n);
  i32.copyWithin((at + 160) >>> 2, (env + O.xmm) >>> 2, (env + O.xmm + 128) >>> 2);
}

/** What makes an FXSAVE image in a frame an XSAVE area (arch/x86/kernel/fpu/signal.c). */
function saveXstate(memory: GuestMemory, at: number, components: number): void {
  memory.write32(at + SW.magic1, MAGIC1);
  memory.write32(at + SW.extendedSize, FSAVE_SIZE + XSTATE_SIZE + MAGIC2_SIZE);
  memory.write32(at + SW.features, components);
  memory.write32(at + SW.size, XSTATE_SIZE);
  memory.i32.fill(0, (at + FXSAVE_SIZE) >>> 2, (at + XSTATE_SIZE) >>> 2);
  memory.write32(at + FXSAVE_SIZE, components);
  memory.write32(at + XSTATE_SIZE, MAGIC2);
}

/** The components the XSAVE area in a frame holds; where its magic numbers are gone it is an FXSAVE image. */
function xstateComponents(memory: GuestMemory, at: number, { xsave }: FrameForm): number {
  const size = memory.read32(at + SW.size);
  const whole =
    xsave !== 0 &&
    memory.read32(at + SW.magic1) === MAGIC1 &&
    size === XSTATE_SIZE &&
    memory.checkRead(at, XSTATE_SIZE + MAGIC2_SIZE) &&
    memory.read32(at + XSTATE_SIZE) === MAGIC2;
  return whole ? memory.read32(at + FXSAVE_SIZE) & memory.read32(at + SW.features) & xsave : X87_STATE | SSE_STATE;
}

/** Takes the FPU state back: XMM from the FXSAVE image, the x87 from the FSAVE image (as the kernel does). */
function restoreFpu(memory: GuestMemory, env: number, at: number, form: FrameForm): void {
  const fx = at + FSAVE_SIZE;
  const components = form.fxsr ? xstateComponents(memory, fx, form) : X87_STATE;
  if (components & X87_STATE) restoreX87(memory, env, at);
  else resetX87(memory.view, env);
  if (!form.fxsr) return;
  memory.write32(env + O.mxcsr, components & SSE_STATE ? memory.read32(fx + 24) : MXCSR_RESET);
  for (let k = 0; k < 128; k += 4) {
    memory.write32(env + O.xmm + k, components & SSE_STATE ? memory.read32(fx + 160 + k) : 0);
  }
}

function restoreX87(memory: GuestMemory, env: number, at: number): void {
  const status = memory.read32(at + 4);
  const tags = memory.read32(at + 8);
  const top = (status >>> 11) & 7;
  memory.write32(env + FPCW, (memory.read32(at) & 0x1f7f) | 0x40);
  // The summary and busy bits follow from flags and masks, whatever the frame says.
  const pending = (status & ~memory.read32(at) & X87_EXCEPTIONS) !== 0 ? X87_SUMMARY : 0;
  memory.write32(env + FPSW, (status & 0xc7ff & ~X87_SUMMARY) | pending);
  memory.write32(env + FPTOP, top);
  let empty = 0;
  for (let n = 0; n < 8; n++) if (((tags >>> (2 * n)) & 3) === 3) empty |= 1 << n;
  memory.write32(env + FPEMPTY, empty);
  memory.write32(env + FPIP, memory.read32(at + 12));
  memory.write32(env + FPCS, memory.read32(at + 16) & 0xffff);
  memory.write32(env + FPOP, (memory.read32(at + 16) >>> 16) & 0x7ff);
  memory.write32(env + FPDP, memory.read32(at + 20));
  memory.write32(env + FPDS, memory.read32(at + 24) & 0xffff);
  for (let n = 0; n < 8; n++) {
    const to = env + O.fpu + 16 * ((top + n) & 7);
    copyRegister(memory, at + 28 + 10 * n, to);
    memory.write16(to + 10, 0);
  }
}

/** FNINIT's state, which handlers start with; XMM zero and MXCSR at its default where they exist. */
function initFpu(memory: GuestMemory, env: number, { fxsr }: FrameForm): void {
  memory.i32.fill(0, (env + O.fpu) >>> 2, (env + O.fpu + X87_AREA_SIZE) >>> 2);
  memory.write32(env + FPCW, 0x37f);
  memory.write32(env + FPEMPTY, 0xff);
  if (!fxsr) return;
  memory.write32(env + O.mxcsr, MXCSR_RESET);
  memory.i32.fill(0, (env + O.xmm) >>> 2, (env + O.xmm + 128) >>> 2);
}

function writeContext(memory: GuestMemory, env: number, at: number, delivery: Delivery, fpstate: number): void {
  memory.write32(at + SC.gs, memory.read32(env + selectorAt(Seg.GS)));
  memory.write32(at + SC.fs, memory.read32(env + selectorAt(Seg.FS)));
  memory.write32(at + SC.es, memory.read32(env + selectorAt(Seg.ES)));
  memory.write32(at + SC.ds, memory.read32(env + selectorAt(Seg.DS)));
  for (let k = 0; k < 8; k++) memory.write32(at + SC.regs + 4 * k, memory.read32(env + reg(CONTEXT_REGS[k]!)));
  memory.write32(at + SC.trapno, delivery.trap.number);
  memory.write32(at + SC.err, delivery.trap.errorCode);
  memory.write32(at + SC.ip, memory.read32(env + O.pc) - memory.read32(env + O.segBases + 4 * Seg.CS));
  memory.write32(at + SC.cs, memory.read32(env + selectorAt(Seg.CS)));
  memory.write32(at + SC.flags, readEflags(memory.stateView, stateAt(env)));
  memory.write32(at + SC.spAtSignal, memory.read32(env + reg(ESP)));
  memory.write32(at + SC.ss, memory.read32(env + selectorAt(Seg.SS)));
  memory.write32(at + SC.fpstate, fpstate);
  memory.write32(at + SC.oldmask, delivery.maskLow);
  memory.write32(at + SC.cr2, delivery.trap.address);
}

function pushFrame(memory: GuestMemory, env: number, delivery: Delivery): boolean {
  const siginfo = (delivery.flags & SA_SIGINFO) !== 0;
  const form = frameForm(memory, env);
  // The FXSAVE image is aligned to 64 bytes, the FSAVE image stands right before it.
  const fpSize = form.xsave ? XSTATE_SIZE + MAGIC2_SIZE : form.fxsr ? FXSAVE_SIZE : FSAVE_SIZE;
  const aligned = (delivery.stackTop - fpSize) & ~63;
  const fpstate = (form.fxsr ? aligned - FSAVE_SIZE : aligned) >>> 0;
  const size = siginfo ? RT_SIZE : FRAME_SIZE;
  // At the handler's entry ESP + 4 is a multiple of 16.
  const frame = (((fpstate - size + 4) & ~15) - 4) >>> 0;
  if (frame > delivery.stackTop || !memory.prepareWrite(frame, delivery.stackTop - frame)) return false;

  saveFpu(memory, env, fpstate, form);
  const { signal } = delivery.info;
  const returnTo =
    delivery.flags & SA_RESTORER
      ? delivery.restorer
      : delivery.trampoline() + (siginfo ? VDSO.rtSigreturn : VDSO.sigreturn);
  memory.write32(frame, returnTo);
  memory.write32(frame + FRAME.signal, signal);
  writeContext(memory, env, frame + (siginfo ? RT.ucontext + UC.context : FRAME.context), delivery, fpstate);
  // Debuggers recognise frames by the code behind them; it is not what runs.
  if (siginfo) {
    const ucontext = frame + RT.ucontext;
    memory.write32(frame + 8, frame + RT.info);
    memory.write32(frame + 12, ucontext);
    writeInfo32(memory, frame + RT.info, delivery.info);
    memory.write32(ucontext, form.xsave ? UC_FP_XSTATE : 0);
    memory.write32(ucontext + 4, 0);
    memory.write32(ucontext + UC.stack, delivery.altStack.sp);
    memory.write32(ucontext + UC.stack + 4, delivery.altStack.flags);
    memory.write32(ucontext + UC.stack + 8, delivery.altStack.size);
    memory.write32(ucontext + UC.mask, delivery.maskLow);
    memory.write32(ucontext + UC.mask + 4, delivery.maskHigh);
    memory.u8.set(RT_RETURN_CODE, frame + RT.code);
  } else {
    memory.write32(frame + FRAME.mask, delivery.maskHigh);
    memory.u8.set(RETURN_CODE, frame + FRAME.code);
  }

  memory.write32(env + reg(ESP), frame);
  memory.write32(env + reg(EAX), signal);
  memory.write32(env + reg(EDX), siginfo ? frame + RT.info : 0);
  memory.write32(env + reg(ECX), siginfo ? frame + RT.ucontext : 0);
  memory.write32(env + O.pc, delivery.handler);
  const eflags = readEflags(memory.stateView, stateAt(env));
  if (eflags & HANDLER_CLEARS) writeEflags(memory.stateView, stateAt(env), eflags & ~HANDLER_CLEARS);
  enterUserSegments(memory, env);
  initFpu(memory, env, form);
  return true;
}

/** CS, SS, DS and ES become the flat ones; FS and GS stay, as TLS depends on them. */
function enterUserSegments(memory: GuestMemory, env: number): void {
  const isUser = (segment: Seg, selector: number): boolean => memory.read32(env + selectorAt(segment)) === selector;
  if (isUser(Seg.CS, USER_CS) && isUser(Seg.SS, USER_DS) && isUser(Seg.DS, USER_DS) && isUser(Seg.ES, USER_DS)) return;
  const parts = [O.selectors, O.segBases, O.limits, O.attributes].flatMap((at) => [at + 4 * Seg.FS, at + 4 * Seg.GS]);
  const kept = parts.map((at) => memory.read32(env + at));
  resetSegments(memory.view, env);
  parts.forEach((at, k) => {
    memory.write32(env + at, kept[k]!);
  });
}

function popFrame(memory: GuestMemory, env: number, siginfoFrame: boolean): RestoredFrame | null {
  const esp = memory.read32(env + reg(ESP));
  // The handler's RET has taken the return address off; the code for plain frames pops the signal number too.
  const frame = (siginfoFrame ? esp - 4 : esp - 8) >>> 0;
  if (!memory.checkRead(frame, siginfoFrame ? RT_SIZE : FRAME_SIZE)) return null;
  const context = frame + (siginfoFrame ? RT.ucontext + UC.context : FRAME.context);
  const maskLow = memory.read32(siginfoFrame ? frame + RT.ucontext + UC.mask : context + SC.oldmask) | 0;
  const maskHigh = memory.read32(siginfoFrame ? frame + RT.ucontext + UC.mask + 4 : frame + FRAME.mask) | 0;
  const fpstate = memory.read32(context + SC.fpstate);
  const form = frameForm(memory, env);
  if (fpstate !== 0 && !memory.checkRead(fpstate, form.fxsr ? FPSTATE_SIZE : FSAVE_SIZE)) return null;
  // The kernel does not load reserved bits: the process gets SIGSEGV.
  if (fpstate !== 0 && form.fxsr && memory.read32(fpstate + FSAVE_SIZE + 24) & ~MXCSR_MASK) return null;

  for (let k = 0; k < 8; k++) memory.write32(env + reg(CONTEXT_REGS[k]!), memory.read32(context + SC.regs + 4 * k));
  restoreCodeSegment(memory.view, env, memory.read32(context + SC.cs) & 0xffff);
  memory.write32(env + O.pc, memory.read32(context + SC.ip) + memory.read32(env + O.segBases + 4 * Seg.CS));
  const kept = readEflags(memory.stateView, stateAt(env)) & ~FIX_EFLAGS;
  writeEflags(memory.stateView, stateAt(env), kept | (memory.read32(context + SC.flags) & FIX_EFLAGS));
  for (const [segment, offset] of RESTORED_SEGMENTS) {
    restoreSegment(memory, env, segment, memory.read32(context + offset) & 0xffff);
  }
  if (fpstate === 0) initFpu(memory, env, form);
  else restoreFpu(memory, env, fpstate, form);
  const ucontext = frame + RT.ucontext;
  const altStack: AltStack | null = siginfoFrame
    ? {
        sp: memory.read32(ucontext + UC.stack),
        flags: memory.read32(ucontext + UC.stack + 4) | 0,
        size: memory.read32(ucontext + UC.stack + 8),
      }
    : null;
  return { maskLow, maskHigh, altStack };
}

const RESTORED_SEGMENTS = [
  [Seg.GS, SC.gs],
  [Seg.FS, SC.fs],
  [Seg.DS, SC.ds],
  [Seg.ES, SC.es],
  [Seg.SS, SC.ss],
] as const;

/** Loads a selector if it has changed; one that cannot be loaded becomes 0, as the kernel's fixup makes it. */
function restoreSegment(memory: GuestMemory, env: number, segment: Seg, selector: number): void {
  if (memory.read32(env + selectorAt(segment)) === selector) return;
  try {
    loadSegment(memory.view, env, segment, selector);
  } catch {
    if (segment !== Seg.SS) loadSegment(memory.view, env, segment, 0);
  }
}

/** Length of INT 0x80. */
const INT_LENGTH = 2;

export const I386_SIGNALS: SignalAbi = {
  syscallVector: 0x80,
  exceptionToSignal,
  programCounter: (memory, env) => memory.read32(env + O.pc),
  stackPointer: (memory, env) => memory.read32(env + reg(ESP)),
  pushFrame,
  popFrame,
  restartSyscall: (memory, env) => memory.write32(env + O.pc, memory.read32(env + O.pc) - INT_LENGTH),
  get trampolineCode() {
    return vdsoImage();
  },
};
