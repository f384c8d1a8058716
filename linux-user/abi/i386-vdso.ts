// The vDSO of 32-bit x86: an ELF image of one page with the ways into the kernel and back from signal handlers, and the
// unwinding tables that let backtraces through them (linux-gate.so.1).

/** Offsets in the image that others need. */
export const VDSO = {
  vsyscall: 0x400,
  /** Where SYSENTER comes back; before it an INT 0x80, for calls that are restarted. */
  landing: 0x412,
  sigreturn: 0x421,
  rtSigreturn: 0x441,
} as const;

const SIZE = 4096;
const TEXT = 0x400;
const NR_SIGRETURN = 119;
const NR_RT_SIGRETURN = 173;

/** `int $0x80; ret`. All arguments stay in registers, so nothing need be saved. */
const VSYSCALL = [0xcd, 0x80, 0xc3];
/** At 0x410: `int $0x80; pop %ebp; pop %edx; pop %ecx; ret`: what code that uses SYSENTER itself expects behind it. */
const LANDING_CODE = 0x410;
const LANDING = [0xcd, 0x80, 0x5d, 0x5a, 0x59, 0xc3];
/** `nop; popl %eax; movl $n,%eax; int $0x80`: the NOP because unwinders look at the byte before a return address. */
const SIGRETURN_CODE = VDSO.sigreturn - 1;
const SIGRETURN = [0x90, 0x58, 0xb8, NR_SIGRETURN, 0, 0, 0, 0xcd, 0x80];
const RT_SIGRETURN_CODE = VDSO.rtSigreturn - 1;
const RT_SIGRETURN = [0x90, 0xb8, NR_RT_SIGRETURN, 0, 0, 0, 0xcd, 0x80];

/** Offsets in struct sigcontext of eax ecx edx ebx esp ebp esi edi eip: the numbers DWARF gives these registers. */
const SIGCONTEXT = [44, 40, 36, 32, 28, 24, 20, 16, 56];
const DWARF_ESP = 4;
const DWARF_EIP = 8;
/** The sigcontext as seen from ESP at the start of each return code. */
const SIGCONTEXT_AT = 4;
const RT_SIGCONTEXT_AT = 160;

/** Bytes put together, with patches. */
class Bytes {
  readonly bytes: number[] = [];
  get length(): number {
    return this.bytes.length;
  }
  u8(...values: number[]): this {
    this.bytes.push(...values.map((value) => value & 0xff));
    return this;
  }
  u16(...values: number[]): this {
    for (const value of values) this.u8(value, value >> 8);
    return this;
  }
  u32(...values: number[]): this {
    for (const value of values) this.u8(value, value >> 8, value >> 16, value >>> 24);
    return this;
  }
  text(text: string): this {
    for (const c of text) this.u8(c.charCodeAt(0));
    return this.u8(0);
  }
  sleb(value: number): this {
    for (;;) {
      const low = value & 0x7f;
      value >>= 7;
      const done = (value === 0 && !(low & 0x40)) || (value === -1 && (low & 0x40) !== 0);
      this.u8(done ? low : low | 0x80);
      if (done) return this;
    }
  }
}

const sleb = (value: number) => new Bytes().sleb(value).bytes;

// DWARF 4, 6.4.2 and 7.23; the augmentation and the header table are in the Linux Standard Base, core, 10.6.
const DW_CFA = { advance1: 0x02, defCfa: 0x0c, defCfaOffset: 0x0e, defCfaExpression: 0x0f, expression: 0x10 } as const;
const DW_CFA_OFFSET = 0x80;
const DW_CFA_RESTORE = 0xc0;
const DW_OP_BREG_ESP = 0x70 + DWARF_ESP;
const DW_OP_DEREF = 0x06;
const PCREL_SDATA4 = 0x1b;
const UDATA4 = 0x03;
const DATAREL_SDATA4 = 0x3b;
const DATA_ALIGN = 0x7c; // -4

interface FrameEntry {
  readonly start: number;
  readonly length: number;
  /** The frame is a signal handler's. */
  readonly signal: boolean;
  readonly program: readonly number[];
}

/** Where a sigcontext at ESP + `at` keeps all registers. */
function sigcontextRules(at: number): number[] {
  const expression = (offset: number, ...more: number[]) => [DW_OP_BREG_ESP, ...sleb(offset), ...more];
  const rules: number[] = [];
  const cfa = expression(at + SIGCONTEXT[DWARF_ESP]!, DW_OP_DEREF);
  rules.push(DW_CFA.defCfaExpression, cfa.length, ...cfa);
  SIGCONTEXT.forEach((offset, register) => {
    if (register === DWARF_ESP) return;
    const place = expression(at + offset);
    rules.push(DW_CFA.expression, register, place.length, ...place);
  });
  return rules;
}

const ECX = 1;
const EDX = 2;
const EBP = 5;

const FRAMES: readonly FrameEntry[] = [
  { start: VDSO.vsyscall, length: VSYSCALL.length, signal: false, program: [] },
  {
    start: LANDING_CODE,
    length: LANDING.length,
    signal: false,
    program: [
      ...[DW_CFA.defCfaOffset, 16, DW_CFA_OFFSET | ECX, 2, DW_CFA_OFFSET | EDX, 3, DW_CFA_OFFSET | EBP, 4],
      ...[DW_CFA.advance1, 3, DW_CFA.defCfaOffset, 12, DW_CFA_RESTORE | EBP],
      ...[DW_CFA.advance1, 1, DW_CFA.defCfaOffset, 8, DW_CFA_RESTORE | EDX],
      ...[DW_CFA.advance1, 1, DW_CFA.defCfaOffset, 4, DW_CFA_RESTORE | ECX],
    ],
  },
  {
    start: SIGRETURN_CODE,
    length: SIGRETURN.length,
    signal: true,
    // The POP takes four bytes off the stack.
    program: [...sigcontextRules(SIGCONTEXT_AT), DW_CFA.advance1, 2, ...sigcontextRules(SIGCONTEXT_AT - 4)],
  },
  { start: RT_SIGRETURN_CODE, length: RT_SIGRETURN.length, signal: true, program: sigcontextRules(RT_SIGCONTEXT_AT) },
];

/** `.eh_frame` at an address: two CIEs, then the entries; also where each entry is. */
function ehFrame(address: number): { bytes: number[]; places: number[] } {
  const out = new Bytes();
  const record = (id: number, body: Bytes) => {
    while ((body.length + 4) % 4 !== 0) body.u8(0);
    out.u32(body.length + 4).u32(id);
    out.u8(...body.bytes);
  };
  const cie = (augmentation: string) => {
    const at = out.length;
    const body = new Bytes().u8(1).text(augmentation).u8(1, DATA_ALIGN, DWARF_EIP, 1, PCREL_SDATA4);
    if (!augmentation.includes('S')) body.u8(DW_CFA.defCfa, DWARF_ESP, 4, DW_CFA_OFFSET | DWARF_EIP, 1);
    record(0, body);
    return at;
  };
  const plain = cie('zR');
  const signal = cie('zRS');
  const places = FRAMES.map((frame) => {
    const at = out.length;
    const start = address + at + 8;
    const body = new Bytes().u32(frame.start - start, frame.length).u8(0, ...frame.program);
    record(at + 4 - (frame.signal ? signal : plain), body);
    return address + at;
  });
  out.u32(0);
  return { bytes: out.bytes, places };
}

/** `.eh_frame_hdr`: a table to search, sorted by address. */
function ehFrameHeader(address: number, frame: number, places: readonly number[]): number[] {
  const out = new Bytes().u8(1, PCREL_SDATA4, UDATA4, DATAREL_SDATA4);
  out.u32(frame - (address + 4), FRAMES.length);
  FRAMES.forEach(({ start }, n) => {
    out.u32(start - address, places[n]! - address);
  });
  return out.bytes;
}

const SONAME = 'linux-gate.so.1';
const VERSION = 'LINUX_2.5';
const SYMBOLS: readonly (readonly [name: string, value: number, size: number])[] = [
  ['__kernel_vsyscall', VDSO.vsyscall, VSYSCALL.length],
  ['__kernel_sigreturn', VDSO.sigreturn, SIGRETURN.length - 1],
  ['__kernel_rt_sigreturn', VDSO.rtSigreturn, RT_SIGRETURN.length - 1],
];

/** The hash of symbol and version names (System V ABI, figure 5-13). */
function elfHash(name: string): number {
  let h = 0;
  for (const c of name) {
    h = (h << 4) + c.charCodeAt(0);
    const high = h & 0xf0000000;
    if (high) h ^= high >>> 24;
    h &= ~high;
  }
  return h >>> 0;
}

const PT = { load: 1, dynamic: 2, ehFrame: 0x6474e550 } as const;
const SEGMENTS = 3;
const DT = {
  hash: 4,
  strtab: 5,
  symtab: 6,
  strsz: 10,
  syment: 11,
  soname: 14,
  versym: 0x6ffffff0,
  verdef: 0x6ffffffc,
} as const;
const DT_VERDEFNUM = 0x6ffffffd;
const HEADER_SIZE = 52;
const PROGRAM_HEADER_SIZE = 32;
const GLOBAL_FUNCTION = 0x12;
const TEXT_SECTION = 1;
/** The version of all symbols: index 2, behind the one that names the file. */
const VERSION_INDEX = 2;

let image: Uint8Array | undefined;

/** The image, to be mapped readable and executable at any page. */
export function vdsoImage(): Uint8Array {
  image ??= build();
  return image;
}

function build(): Uint8Array {
  const page = new Uint8Array(SIZE);
  let at = HEADER_SIZE + SEGMENTS * PROGRAM_HEADER_SIZE;
  const place = (bytes: readonly number[], alignment = 4): number => {
    at = Math.ceil(at / alignment) * alignment;
    page.set(bytes, at);
    const start = at;
    at += bytes.length;
    return start;
  };

  const strings = new Bytes().u8(0);
  const name = (text: string): number => {
    const offset = strings.length;
    strings.text(text);
    return offset;
  };
  const soname = name(SONAME);
  const version = name(VERSION);
  const symbols = new Bytes().u32(0, 0, 0, 0);
  for (const [text, value, size] of SYMBOLS) {
    symbols.u32(name(text), value, size).u8(GLOBAL_FUNCTION, 0).u16(TEXT_SECTION);
  }
  const count = SYMBOLS.length + 1;
  // One bucket, all symbols in its chain.
  const hash = new Bytes().u32(1, count, 1, 0, ...SYMBOLS.map((_, n) => (n + 2 < count ? n + 2 : 0)));
  const versions = new Bytes().u16(0, ...SYMBOLS.map(() => VERSION_INDEX));
  const definitions = new Bytes();
  [
    [soname, SONAME, 1],
    [version, VERSION, 0],
  ].forEach(([offset, text, flags], n) => {
    // Revision, flags, index, one name, its hash, where that is, where the next definition is.
    definitions.u16(1, flags as number, n + 1, 1).u32(elfHash(text as string), 20, n === 0 ? 28 : 0);
    definitions.u32(offset as number, 0);
  });

  const strtab = place(strings.bytes);
  const symtab = place(symbols.bytes);
  const hashAt = place(hash.bytes);
  const versym = place(versions.bytes);
  const verdef = place(definitions.bytes);
  const frame = place(ehFrame(Math.ceil(at / 4) * 4).bytes);
  const headerAt = Math.ceil(at / 4) * 4;
  const frameHeader = place(ehFrameHeader(headerAt, frame, ehFrame(frame).places));
  const dynamic = new Bytes().u32(
    ...[DT.soname, soname, DT.hash, hashAt, DT.strtab, strtab, DT.symtab, symtab],
    ...[DT.strsz, strings.length, DT.syment, 16, DT.versym, versym, DT.verdef, verdef, DT_VERDEFNUM, 2, 0, 0],
  );
  const dynamicAt = place(dynamic.bytes);
  if (at > TEXT) throw new Error('the tables of the vDSO reach into its code');

  page.set(VSYSCALL, VDSO.vsyscall);
  page.set(LANDING, LANDING_CODE);
  page.set(SIGRETURN, SIGRETURN_CODE);
  page.set(RT_SIGRETURN, RT_SIGRETURN_CODE);

  const header = new Bytes().u8(0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  // ET_DYN, EM_386, version 1, no entry, program headers behind the header, no sections.
  header.u16(3, 3).u32(1, VDSO.vsyscall, HEADER_SIZE, 0, 0).u16(HEADER_SIZE, PROGRAM_HEADER_SIZE, SEGMENTS, 0, 0, 0);
  const segment = (type: number, start: number, size: number, flags: number, align: number) =>
    header.u32(type, start, start, start, size, size, flags, align);
  segment(PT.load, 0, RT_SIGRETURN_CODE + RT_SIGRETURN.length, 5, SIZE);
  segment(PT.dynamic, dynamicAt, dynamic.length, 4, 4);
  segment(PT.ehFrame, frameHeader, 12 + 8 * FRAMES.length, 4, 4);
  page.set(header.bytes, 0);
  return page;
}
