// Generates the ELF that runs instruction cases: loads each case's state, runs its code, writes the state afterwards.

import { Asm, DS, EAX, EBP, EBX, ECX, EDI, EDX, ES, ESI, ESP, FS, GS, le32, REG32, SS } from './asm-i386.ts';
import { buildElf, type Segment } from './elf-i386.ts';
import {
  BASED_SELECTOR,
  type CaseResult,
  capturedWindows,
  type InsnCase,
  LDT_SEGMENTS,
  MEMORY_MAP,
  type MemoryInit,
  SEGMENT_KINDS,
  TF,
} from './insn-case.ts';

/** How the harness is built. */
export interface HarnessOptions {
  /** Install signal handlers and record the signal of a faulting case; without them a fault kills the process. */
  signals: boolean;
  /** Write each record at once, so that a dying emulator shows which case it died in. */
  unbuffered: boolean;
}

/** The generated program. */
export interface Harness {
  elf: Uint8Array;
  /** Where each case's code starts. */
  codeAddresses: number[];
}

const PAGE = 4096;
const TEXT = 0x08048000;
const CODE = 0x08100000;
const TABLE = 0x09000000;
const TABLE_LIMIT = 0x0a000000;
/** Cases that end right before an unmapped page get a page each, every second page from here. */
const EDGE_CODE = 0x0a000000;
const EDGE_LIMIT = 0x0c000000;
const DATA = 0x0c000000;

// Offsets in the harness's own data.
const VAR_RECORD = DATA + 0x00; // address of the running case's record
const VAR_OUT = DATA + 0x04; // end of the bytes in the output buffer
const VAR_WATCH = DATA + 0x08; // address of the running case's capture list
const VAR_CODE = DATA + 0x0c; // address to jump to
const VAR_SELECTORS = DATA + 0x10; // one selector for each of SEGMENT_KINDS
const VAR_SCRATCH = DATA + 0x48; // system call structures
const IN_REGS = DATA + 0x80; // eax .. edi
const CAPTURE = DATA + 0x100;
const FPU_IN = DATA + 0x400; // 16-byte aligned for FXRSTOR
const FPU_OUT = DATA + 0x800;
const STACK_TOP = DATA + 0x5000;
const ALT_STACK = DATA + 0x5000;
const ALT_STACK_BYTES = 0x10000;
const BUFFER = DATA + 0x15000;
const BUFFER_BYTES = 0x40000;
const DATA_BYTES = BUFFER + BUFFER_BYTES - DATA;
/** No record may be longer than this; the buffer is flushed when less is left. */
const MAX_RECORD = 0x10000;

// The captured block, in words; memory windows follow it (FPU state is captured as one more window).
const CAP_STATUS = 0; // 0 ran to its end, 1 signal
const CAP_REGS = 1;
const CAP_EFLAGS = 9;
const CAP_SEGMENTS = 10; // ds, es, fs, gs
const CAP_SIGNAL = 14; // signo, code, address, trapno, error, cr2, eip
const CAP_INDEX = 21;
const CAP_WORDS = 22;

// A case record: this head, then its initial memory {address, length, bytes}..., then its windows {address, length}...
const REC_BYTES = 0;
const REC_CODE = 4;
const REC_KIND = 8;
const REC_REGS = 12;
const REC_EFLAGS = 44;
const REC_SEGMENTS = 48; // one byte each: index in SEGMENT_KINDS for ds, es, fs, gs
const REC_INITS = 52;
const REC_WATCHES = 56;
const REC_INDEX = 60;
const REC_HEAD = 64;

// REC_KIND bits.
const KIND_FSAVE = 1;
const KIND_FXSAVE = 2;
const KIND_SEGMENTS = 4;

const FSAVE_BYTES = 108;
const FXSAVE_BYTES = 512;

const HEADER_MAGIC = 0x4c43524f; // 'ORCL'
const HEADER_WORDS = 4; // magic, flat selector, based selector, number of cases

// Linux i386 system calls and constants (asm/unistd_32.h, asm-generic/signal.h, asm/ldt.h).
const SYS_EXIT = 1;
const SYS_WRITE = 4;
const SYS_RT_SIGACTION = 174;
const SYS_MODIFY_LDT = 123;
const SYS_SIGALTSTACK = 186;
const SYS_SET_THREAD_AREA = 243;
const SA_SIGINFO = 4;
const SA_ONSTACK = 0x08000000;
const SA_NODEFER = 0x40000000;
const SIGNALS = [4, 5, 7, 8, 11]; // SIGILL SIGTRAP SIGBUS SIGFPE SIGSEGV
/** 32-bit data segment, limit in pages, usable. */
const USER_DESC_FLAGS = 0x51;

// struct ucontext on i386 (asm/sigcontext.h): offsets from its start; uc_mcontext begins at 20.
const UC = { gs: 20, fs: 24, es: 28, ds: 32, edi: 36, trapno: 68, err: 72, eip: 76, eflags: 84, fpstate: 96, cr2: 104 };
/** Offset of the FXSAVE image behind the FSAVE image and status word in struct _fpstate_32. */
const FPSTATE_FXSAVE = 112;

const cap = (word: number) => ({ disp: CAPTURE + word * 4 });
const abs = (address: number) => ({ disp: address });

/** Loads the state of the case VAR_RECORD points at and jumps to its code; falls to `done` behind the last case. */
function emitRunNext(a: Asm, tableEnd: number, options: HarnessOptions): void {
  a.label('next');
  a.load(EAX, abs(VAR_OUT)).cmpImm(EAX, options.unbuffered ? BUFFER + 1 : BUFFER + BUFFER_BYTES - MAX_RECORD);
  a.jcc('b', 'room').call('flush');
  a.label('room');
  a.load(ESI, abs(VAR_RECORD)).cmpImm(ESI, tableEnd).jcc('ae', 'done');
  // Initial memory. Plain loops: the harness should work on an emulator whose REP MOVS does not.
  a.load(ECX, { base: ESI, disp: REC_INITS }).lea(EBX, { base: ESI, disp: REC_HEAD });
  a.label('init').testSelf(ECX).jcc('e', 'initDone');
  a.load(EDI, { base: EBX }).load(EDX, { base: EBX, disp: 4 }).addImm(EBX, 8);
  a.label('initWord').load(EAX, { base: EBX }).store({ base: EDI }, EAX).addImm(EBX, 4).addImm(EDI, 4);
  a.subImm(EDX, 4).jcc('ne', 'initWord').subImm(ECX, 1).jmp('init');
  a.label('initDone').store(abs(VAR_WATCH), EBX);
  a.load(EAX, { base: ESI, disp: REC_CODE }).store(abs(VAR_CODE), EAX);
  for (let i = 0; i < 8; i++) a.load(EAX, { base: ESI, disp: REC_REGS + i * 4 }).store(abs(IN_REGS + i * 4), EAX);
  a.load(EBX, { base: ESI, disp: REC_KIND });
  a.testImm(EBX, KIND_FSAVE)
    .jcc('e', 'noFrstor')
    .bytes(0xdd, 0x25, ...le32(FPU_IN));
  a.label('noFrstor')
    .testImm(EBX, KIND_FXSAVE)
    .jcc('e', 'noFxrstor')
    .bytes(0x0f, 0xae, 0x0d, ...le32(FPU_IN));
  a.label('noFxrstor');
  a.load(EAX, { base: ESI, disp: REC_EFLAGS }).movImm(ESP, STACK_TOP).push(EAX);
  a.testImm(EBX, KIND_SEGMENTS).jcc('e', 'noSegments');
  [FS, GS, ES, DS].forEach((seg, i) => {
    const field = REC_SEGMENTS + [2, 3, 1, 0][i]!;
    a.loadByte(EDX, { base: ESI, disp: field });
    a.load(EAX, { index: EDX, scale: 4, disp: VAR_SELECTORS }).movToSeg(seg, EAX);
  });
  a.label('noSegments');
  // From here on DS may be anything.
  a.popf();
  for (const reg of [EAX, ECX, EDX, EBX, EBP, ESI, EDI, ESP]) a.ss().load(reg, abs(IN_REGS + reg * 4));
  a.ss().bytes(0xff, 0x25, ...le32(VAR_CODE)); // jmp [VAR_CODE]
}

/** Every case's code ends in a jump here. */
function emitCapture(a: Asm): void {
  a.label('capture');
  a.ss().store(cap(CAP_REGS + ESP), ESP);
  a.movImm(ESP, STACK_TOP).pushf();
  for (const reg of [EAX, ECX, EDX, EBX, EBP, ESI, EDI]) a.ss().store(cap(CAP_REGS + reg), reg);
  a.pushImm(2).popf(); // clears AC before anything else, and DF
  [DS, ES, FS, GS].forEach((seg, i) => {
    a.movFromSeg(EAX, seg)
      .andImm(EAX, 0xffff)
      .ss()
      .store(cap(CAP_SEGMENTS + i), EAX);
  });
  a.movFromSeg(EAX, SS).movToSeg(DS, EAX).movToSeg(ES, EAX);
  a.load(EAX, { base: ESP, disp: 0 }).store(cap(CAP_EFLAGS), EAX);
  for (let word = CAP_SIGNAL; word < CAP_INDEX; word++) a.storeImm(cap(word), 0);
  a.storeImm(cap(CAP_STATUS), 0);
  a.load(ESI, abs(VAR_RECORD)).load(EBX, { base: ESI, disp: REC_KIND });
  a.testImm(EBX, KIND_FSAVE)
    .jcc('e', 'noFsave')
    .bytes(0xdd, 0x35, ...le32(FPU_OUT));
  a.label('noFsave').testImm(EBX, KIND_FXSAVE).jcc('e', 'emit');
  a.bytes(0x0f, 0xae, 0x05, ...le32(FPU_OUT)).bytes(0xdb, 0xe3); // fxsave; fninit
}

/** Appends the captured block and the windows to the output and goes on with the next case. EBX = REC_KIND bits. */
function emitRecord(a: Asm): void {
  a.label('emit');
  a.testImm(EBX, KIND_SEGMENTS).jcc('e', 'segmentsKept');
  a.movImm(EAX, 0).movToSeg(FS, EAX).movToSeg(GS, EAX);
  a.label('segmentsKept');
  a.load(ESI, abs(VAR_RECORD)).load(EAX, { base: ESI, disp: REC_INDEX }).store(cap(CAP_INDEX), EAX);
  a.load(EDI, abs(VAR_OUT));
  a.movImm(EBX, CAPTURE)
    .movImm(EDX, CAP_WORDS * 4)
    .call('copyOut');
  a.load(ECX, { base: ESI, disp: REC_WATCHES }).load(EBP, abs(VAR_WATCH));
  a.label('watch').testSelf(ECX).jcc('e', 'watchDone');
  a.load(EBX, { base: EBP }).load(EDX, { base: EBP, disp: 4 }).addImm(EBP, 8);
  a.call('copyOut').subImm(ECX, 1).jmp('watch');
  a.label('watchDone').store(abs(VAR_OUT), EDI);
  a.load(EAX, { base: ESI, disp: REC_BYTES }).add(ESI, EAX).store(abs(VAR_RECORD), ESI);
  a.jmp('next');

  // Copies EDX bytes (a positive multiple of 4) from EBX to EDI.
  a.label('copyOut').load(EAX, { base: EBX }).store({ base: EDI }, EAX).addImm(EBX, 4).addImm(EDI, 4);
  a.subImm(EDX, 4).jcc('ne', 'copyOut').ret();

  // Writes the output buffer to stdout; exit status 2 when that fails.
  a.label('flush').movImm(ESI, BUFFER);
  a.label('flushMore').load(EDX, abs(VAR_OUT)).sub(EDX, ESI).jcc('e', 'flushed');
  a.movImm(EAX, SYS_WRITE).movImm(EBX, 1).mov(ECX, ESI).syscall();
  a.cmpImm(EAX, 0).jcc('le', 'failed').add(ESI, EAX).jmp('flushMore');
  a.label('flushed').storeImm(abs(VAR_OUT), BUFFER).ret();
  a.label('failed').movImm(EAX, SYS_EXIT).movImm(EBX, 2).syscall();
}

/** The SA_SIGINFO handler. It never returns: the next case loads every register anyway. */
function emitHandler(a: Asm): void {
  a.label('handler');
  a.pushImm(2).popf();
  a.movFromSeg(EAX, SS).movToSeg(DS, EAX).movToSeg(ES, EAX);
  a.load(ESI, { base: ESP, disp: 8 }).load(EBP, { base: ESP, disp: 12 }).movImm(ESP, STACK_TOP);
  const copy = (base: number, from: number, word: number) => a.load(EAX, { base, disp: from }).store(cap(word), EAX);
  copy(ESI, 0, CAP_SIGNAL); // si_signo
  copy(ESI, 8, CAP_SIGNAL + 1); // si_code
  copy(ESI, 12, CAP_SIGNAL + 2); // si_addr
  copy(EBP, UC.trapno, CAP_SIGNAL + 3);
  copy(EBP, UC.err, CAP_SIGNAL + 4);
  copy(EBP, UC.cr2, CAP_SIGNAL + 5);
  copy(EBP, UC.eip, CAP_SIGNAL + 6);
  // The frame holds edi esi ebp esp ebx edx ecx eax, the reverse of the encoding order.
  for (let i = 0; i < 8; i++) copy(EBP, UC.edi + i * 4, CAP_REGS + 7 - i);
  copy(EBP, UC.eflags, CAP_EFLAGS);
  [UC.ds, UC.es, UC.fs, UC.gs].forEach((offset, i) => {
    a.load(EAX, { base: EBP, disp: offset })
      .andImm(EAX, 0xffff)
      .store(cap(CAP_SEGMENTS + i), EAX);
  });
  a.storeImm(cap(CAP_STATUS), 1);
  a.load(ESI, abs(VAR_RECORD)).load(EBX, { base: ESI, disp: REC_KIND });
  // FPU state: the handler itself runs with a fresh one, the case's is in the frame.
  a.load(EBP, { base: EBP, disp: UC.fpstate }).movImm(EDI, FPU_OUT);
  a.testImm(EBX, KIND_FSAVE).jcc('e', 'noFrame').movImm(EDX, FSAVE_BYTES).jmp('copyFrame');
  a.label('noFrame').testImm(EBX, KIND_FXSAVE).jcc('e', 'emit');
  a.addImm(EBP, FPSTATE_FXSAVE).movImm(EDX, FXSAVE_BYTES);
  a.label('copyFrame').push(EBX).mov(EBX, EBP).call('copyOut').pop(EBX).jmp('emit');
}

/** Set-up and the end of the program. */
function emitStart(a: Asm, cases: number, options: HarnessOptions, basedSegment: boolean, ldt: boolean): void {
  a.label('start').movImm(ESP, STACK_TOP);
  if (options.signals) {
    const stack = [ALT_STACK, 0, ALT_STACK_BYTES];
    stack.forEach((word, i) => {
      a.storeImm(abs(VAR_SCRATCH + i * 4), word);
    });
    a.movImm(EAX, SYS_SIGALTSTACK).movImm(EBX, VAR_SCRATCH).movImm(ECX, 0).syscall();
    a.testSelf(EAX).jcc('ne', 'failed');
    a.movLabel(EAX, 'handler').store(abs(VAR_SCRATCH), EAX);
    // SA_NODEFER: the handler is left by a jump, so nothing would unblock the signal again.
    a.storeImm(abs(VAR_SCRATCH + 4), SA_SIGINFO | SA_ONSTACK | SA_NODEFER);
    for (const offset of [8, 12, 16]) a.storeImm(abs(VAR_SCRATCH + offset), 0); // sa_restorer, sa_mask
    for (const signo of SIGNALS) {
      a.movImm(EAX, SYS_RT_SIGACTION).movImm(EBX, signo).movImm(ECX, VAR_SCRATCH).movImm(EDX, 0).movImm(ESI, 8);
      a.syscall().testSelf(EAX).jcc('ne', 'failed');
    }
  }
  a.movFromSeg(EAX, SS).andImm(EAX, 0xffff).store(abs(VAR_SELECTORS), EAX); // flat; null is already 0
  a.store(abs(BUFFER + 4), EAX);
  if (basedSegment) {
    const descriptor = [0xffffffff, MEMORY_MAP.SEGMENT, 0xfffff, USER_DESC_FLAGS];
    descriptor.forEach((word, i) => {
      a.storeImm(abs(VAR_SCRATCH + i * 4), word);
    });
    a.movImm(EAX, SYS_SET_THREAD_AREA).movImm(EBX, VAR_SCRATCH).syscall().testSelf(EAX).jcc('ne', 'failed');
    a.load(EAX, abs(VAR_SCRATCH)).shlImm(EAX, 3).orImm(EAX, 3); // RPL 3, GDT
    a.store(abs(VAR_SELECTORS + 8), EAX).store(abs(BUFFER + 8), EAX);
  }
  if (ldt) {
    LDT_SEGMENTS.forEach(({ kind, base, limit, flags }, index) => {
      [index, base, limit, flags].forEach((word, i) => {
        a.storeImm(abs(VAR_SCRATCH + i * 4), word);
      });
      a.movImm(EAX, SYS_MODIFY_LDT).movImm(EBX, 0x11).movImm(ECX, VAR_SCRATCH).movImm(EDX, 16).syscall();
      a.testSelf(EAX).jcc('ne', 'failed');
      a.storeImm(abs(VAR_SELECTORS + 4 * SEGMENT_KINDS.indexOf(kind)), index * 8 + 7);
    });
  }
  // Error codes of faults say whether the page is present, which a file's pages are once they have been read.
  a.load(EAX, abs(MEMORY_MAP.READ_ONLY));
  // A program may start with something else in them (qemu-i386: the flat selector in GS).
  a.movImm(EAX, 0).movToSeg(FS, EAX).movToSeg(GS, EAX);
  a.storeImm(abs(BUFFER), HEADER_MAGIC).storeImm(abs(BUFFER + 12), cases);
  a.storeImm(abs(VAR_OUT), BUFFER + HEADER_WORDS * 4);
  a.storeImm(abs(VAR_RECORD), TABLE);
  a.jmp('next');
  a.label('done').call('flush').movImm(EAX, SYS_EXIT).movImm(EBX, 0).syscall();
}

function fpuBytes(insn: InsnCase): number {
  if (!insn.fpu) return 0;
  return insn.fpu.format === 'fsave' ? FSAVE_BYTES : FXSAVE_BYTES;
}

/** Throws when a case asks for something the harness cannot do. */
function checkCase(insn: InsnCase): void {
  const complain = (what: string): never => {
    throw new Error(`case ${insn.name}: ${what}`);
  };
  if (insn.regs.length !== 8) complain('needs eight registers');
  if (insn.eflags & TF) complain('TF cannot be set from outside (the harness itself would trap)');
  if (insn.fpu && insn.fpu.image.length !== fpuBytes(insn)) complain('FPU image of the wrong size');
  for (const { bytes } of insn.memory) {
    if (bytes.length === 0 || bytes.length % 4 !== 0) complain('memory lengths are positive multiples of 4');
  }
  let size = CAP_WORDS * 4 + fpuBytes(insn);
  for (const { bytes } of capturedWindows(insn)) {
    if (bytes === 0 || bytes % 4 !== 0) complain('window lengths are positive multiples of 4');
    size += bytes;
  }
  if (size > MAX_RECORD) complain('captures too much');
}

/** The input record of one case (see REC_HEAD). */
function buildRecord(insn: InsnCase, index: number, codeAddress: number): Uint8Array {
  const regs = insn.regs.slice();
  const memory: MemoryInit[] = insn.memory.map(({ at, bytes }) => ({ at, bytes: bytes.slice() }));
  for (const reference of insn.codeReferences ?? []) {
    if (reference.in === 'reg') regs[REG32.indexOf(reference.reg)]! += codeAddress;
    if (reference.in === 'memory') addCodeAddress(memory[reference.window]!.bytes, reference.offset, codeAddress);
  }
  const windows = [...capturedWindows(insn)];
  let kind = insn.segments ? KIND_SEGMENTS : 0;
  if (insn.fpu) {
    kind |= insn.fpu.format === 'fsave' ? KIND_FSAVE : KIND_FXSAVE;
    memory.push({ at: FPU_IN, bytes: insn.fpu.image });
    windows.push({ at: FPU_OUT, bytes: fpuBytes(insn) });
  }
  const size = REC_HEAD + memory.reduce((sum, { bytes }) => sum + 8 + bytes.length, 0) + windows.length * 8;
  const record = new Uint8Array(size);
  const view = new DataView(record.buffer);
  view.setUint32(REC_BYTES, size, true);
  view.setUint32(REC_CODE, codeAddress, true);
  view.setUint32(REC_KIND, kind, true);
  regs.forEach((value, i) => {
    view.setUint32(REC_REGS + i * 4, value, true);
  });
  view.setUint32(REC_EFLAGS, insn.eflags, true);
  const segments = { ds: 'flat', es: 'flat', fs: 'null', gs: 'null', ...insn.segments } as const;
  record.set(
    [segments.ds, segments.es, segments.fs, segments.gs].map((segment) => SEGMENT_KINDS.indexOf(segment)),
    REC_SEGMENTS,
  );
  view.setUint32(REC_INITS, memory.length, true);
  view.setUint32(REC_WATCHES, windows.length, true);
  view.setUint32(REC_INDEX, index, true);
  let at = REC_HEAD;
  for (const { at: address, bytes } of memory) {
    view.setUint32(at, address, true);
    view.setUint32(at + 4, bytes.length, true);
    record.set(bytes, at + 8);
    at += 8 + bytes.length;
  }
  for (const { at: address, bytes } of windows) {
    view.setUint32(at, address, true);
    view.setUint32(at + 4, bytes, true);
    at += 8;
  }
  return record;
}

function addCodeAddress(bytes: Uint8Array, offset: number, codeAddress: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint32(offset, view.getUint32(offset, true) + codeAddress, true);
}

/** The case's code with its own address filled in. */
function relocatedCode(insn: InsnCase, codeAddress: number): Uint8Array {
  const references = (insn.codeReferences ?? []).filter((reference) => reference.in === 'code');
  if (references.length === 0) return insn.code;
  const code = insn.code.slice();
  for (const reference of references) addCodeAddress(code, reference.offset, codeAddress);
  return code;
}

const JMP_BYTES = 5;

/** Gives every case an address and collects the code segments. */
function placeCode(cases: InsnCase[], capture: number): { addresses: number[]; segments: Segment[] } {
  const addresses: number[] = [];
  const packed: { address: number; code: Uint8Array }[] = [];
  const segments: Segment[] = [];
  let next = CODE;
  for (const insn of cases) {
    if (insn.beforeUnmapped) {
      const page = EDGE_CODE + segments.length * 2 * PAGE;
      if (page >= EDGE_LIMIT) throw new Error('too many cases before an unmapped page');
      const address = page + PAGE - insn.code.length;
      const bytes = new Uint8Array(PAGE);
      bytes.set(relocatedCode(insn, address), PAGE - insn.code.length);
      segments.push({ address: page, bytes, access: 'rx' });
      addresses.push(address);
      continue;
    }
    if (insn.pageOffset !== undefined) next += (insn.pageOffset - next) & (PAGE - 1);
    addresses.push(next);
    packed.push({ address: next, code: relocatedCode(insn, next) });
    next += insn.code.length + JMP_BYTES;
  }
  if (next > TABLE) throw new Error('too much code for one program');
  const bytes = new Uint8Array(next - CODE);
  const view = new DataView(bytes.buffer);
  for (const { address, code } of packed) {
    const at = address - CODE;
    bytes.set(code, at);
    bytes[at + code.length] = 0xe9; // jmp rel32
    view.setInt32(at + code.length + 1, capture - (address + code.length + JMP_BYTES), true);
  }
  if (bytes.length > 0) segments.push({ address: CODE, bytes, access: 'rx' });
  return { addresses, segments };
}

/** Builds the program that runs the cases in order. */
export function buildHarness(cases: InsnCase[], options: HarnessOptions): Harness {
  for (const insn of cases) checkCase(insn);
  const kinds = new Set(cases.flatMap((insn) => Object.values(insn.segments ?? {})));
  const basedSegment = kinds.has('based');
  const ldt = LDT_SEGMENTS.some(({ kind }) => kinds.has(kind));

  // `capture` comes first in the text, so its address does not depend on the cases.
  const { addresses, segments } = placeCode(cases, TEXT);
  const records = cases.map((insn, i) => buildRecord(insn, i, addresses[i]!));
  const table = new Uint8Array(records.reduce((sum, record) => sum + record.length, 0));
  let end = 0;
  for (const record of records) {
    table.set(record, end);
    end += record.length;
  }
  if (TABLE + end > TABLE_LIMIT) throw new Error('too many cases for one program');

  const a = new Asm(TEXT);
  emitCapture(a);
  emitRecord(a);
  emitHandler(a);
  emitRunNext(a, TABLE + end, options);
  emitStart(a, cases.length, options, basedSegment, ldt);
  const map = MEMORY_MAP;
  segments.push(
    { address: TEXT, bytes: a.finish(), access: 'rx' },
    { address: DATA, zeroBytes: DATA_BYTES, access: 'rw' },
    { address: map.SCRATCH, zeroBytes: map.SCRATCH_END - map.SCRATCH, access: 'rw' },
    { address: map.READ_ONLY - PAGE, zeroBytes: PAGE, access: 'rw' },
    { address: map.READ_ONLY, zeroBytes: PAGE, access: 'r' },
    { address: map.READ_ONLY_END, zeroBytes: PAGE, access: 'rw' },
    { address: map.SEGMENT, zeroBytes: map.SEGMENT_BYTES, access: 'rw' },
  );
  if (end > 0) segments.push({ address: TABLE, bytes: table, access: 'r' });
  return { elf: buildElf(a.addressOf('start'), segments), codeAddresses: addresses };
}

/** Reads what the program wrote: a result for every case whose record is complete. */
export function parseOutput(cases: InsnCase[], codeAddresses: number[], output: Uint8Array): CaseResult[] {
  const view = new DataView(output.buffer, output.byteOffset, output.byteLength);
  const results: CaseResult[] = [];
  if (output.length < HEADER_WORDS * 4) return results;
  if (view.getUint32(0, true) !== HEADER_MAGIC) throw new Error('the output does not begin with the header');
  const basedSelector = view.getUint32(8, true);
  let at = HEADER_WORDS * 4;
  for (let i = 0; i < cases.length; i++) {
    const insn = cases[i]!;
    const windows = capturedWindows(insn);
    const fpu = fpuBytes(insn);
    const size = CAP_WORDS * 4 + windows.reduce((sum, { bytes }) => sum + bytes, 0) + fpu;
    if (at + size > output.length) break;
    const word = (index: number) => view.getUint32(at + index * 4, true);
    if (word(CAP_INDEX) !== i) throw new Error(`record ${i} says it is ${word(CAP_INDEX)}`);
    const segment = (index: number) => {
      const selector = word(CAP_SEGMENTS + index);
      // Coming back from an interrupt a CPU may have made any null selector 0.
      if (selector < 4) return 0;
      return basedSelector !== 0 && selector === basedSelector ? BASED_SELECTOR : selector;
    };
    const result: CaseResult = {
      regs: Uint32Array.from({ length: 8 }, (_, reg) => word(CAP_REGS + reg)),
      eflags: word(CAP_EFLAGS),
      segments: [segment(0), segment(1), segment(2), segment(3)],
      memory: [],
    };
    if (word(CAP_STATUS) === 1) {
      const [signo, code, address, trapno, error, cr2, eip] = Array.from({ length: 7 }, (_, k) => word(CAP_SIGNAL + k));
      result.signal = {
        signo: signo!,
        code: code! | 0,
        address: address!,
        trapno: trapno!,
        error: error!,
        cr2: cr2!,
        eipOffset: (eip! - codeAddresses[i]!) | 0,
      };
    }
    let from = at + CAP_WORDS * 4;
    for (const { bytes } of windows) {
      result.memory.push(output.slice(from, from + bytes));
      from += bytes;
    }
    if (fpu) result.fpu = output.slice(from, from + fpu);
    results.push(result);
    at += size;
  }
  return results;
}
