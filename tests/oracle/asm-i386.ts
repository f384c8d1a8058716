// A small i386 assembler: the instructions the oracle harness is made of, and ModRM encoding for the case corpora.

/** General registers in encoding order. */
export const REG32 = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'] as const;
export type Reg32 = (typeof REG32)[number];

/** Register numbers as encoded in ModRM. */
export const EAX = 0;
export const ECX = 1;
export const EDX = 2;
export const EBX = 3;
export const ESP = 4;
export const EBP = 5;
export const ESI = 6;
export const EDI = 7;

/** Segment registers in encoding order (ModRM.reg of 8C/8E). */
export const ES = 0;
export const CS = 1;
export const SS = 2;
export const DS = 3;
export const FS = 4;
export const GS = 5;

/** Condition codes (the low four bits of Jcc, SETcc, CMOVcc). */
export const CC = ['o', 'no', 'b', 'ae', 'e', 'ne', 'be', 'a', 's', 'ns', 'p', 'np', 'l', 'ge', 'le', 'g'] as const;

/** A 32-bit memory operand; the register fields are register numbers. */
export interface Mem {
  base?: number;
  index?: number;
  /** 1, 2, 4 or 8. */
  scale?: number;
  disp?: number;
  /** Forces the displacement size; by default the shortest that holds `disp` (4 when there is no base). */
  dispBytes?: 0 | 1 | 4;
}

/** The four bytes of a 32-bit value, little-endian. */
export function le32(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, (value >>> 24) & 0xff];
}

/** The two bytes of a 16-bit value, little-endian. */
export function le16(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff];
}

/** An immediate of 1, 2 or 4 bytes. */
export function leBytes(value: number, bytes: number): number[] {
  return le32(value).slice(0, bytes);
}

/** ModRM with a register operand (mod = 3). */
export function modrmReg(reg: number, rm: number): number[] {
  return [0xc0 | (reg << 3) | rm];
}

/** ModRM, SIB and displacement of a 32-bit memory operand (SDM vol. 2, tables 2-2 and 2-3). */
export function modrmMem(reg: number, mem: Mem): number[] {
  const disp = mem.disp ?? 0;
  const noBase = mem.base === undefined;
  let size = mem.dispBytes;
  if (size === undefined) {
    if (noBase) size = 4;
    else if (disp === 0 && mem.base !== EBP) size = 0;
    else size = disp >= -128 && disp <= 127 ? 1 : 4;
  }
  if (noBase && size !== 4) throw new Error('a memory operand without a base needs a 32-bit displacement');
  if (mem.base === EBP && size === 0) throw new Error('[ebp] has no form without a displacement');
  if (mem.index === ESP) throw new Error('esp cannot be an index');
  const mod = noBase || size === 0 ? 0 : size === 1 ? 1 : 2;
  const tail = leBytes(disp, size);
  if (mem.index === undefined && mem.base !== ESP) {
    return [(mod << 6) | (reg << 3) | (noBase ? 5 : mem.base!), ...tail];
  }
  const scaleBits = { 1: 0, 2: 1, 4: 2, 8: 3 }[mem.scale ?? 1];
  if (scaleBits === undefined) throw new Error(`scale ${mem.scale}`);
  const sib = (scaleBits << 6) | ((mem.index ?? 4) << 3) | (noBase ? 5 : mem.base!);
  return [(mod << 6) | (reg << 3) | 4, sib, ...tail];
}

/** ModRM of an absolute 32-bit address. */
export function modrmAbs(reg: number, address: number): number[] {
  return [(reg << 3) | 5, ...le32(address)];
}

interface Fixup {
  at: number;
  label: string;
  kind: 'rel32' | 'abs32';
}

/**
 * Collects bytes at a fixed origin, with forward labels. Only what the harness uses has a method of its own; anything
 * else goes in through `bytes`.
 */
export class Asm {
  readonly origin: number;
  private readonly out: number[] = [];
  private readonly labels = new Map<string, number>();
  private readonly fixups: Fixup[] = [];

  constructor(origin: number) {
    this.origin = origin;
  }

  /** The address of the next byte. */
  get here(): number {
    return this.origin + this.out.length;
  }

  bytes(...bytes: number[]): this {
    for (const byte of bytes) this.out.push(byte);
    return this;
  }

  label(name: string): this {
    if (this.labels.has(name)) throw new Error(`label ${name} defined twice`);
    this.labels.set(name, this.here);
    return this;
  }

  /** The address of a label that is already defined. */
  addressOf(name: string): number {
    const address = this.labels.get(name);
    if (address === undefined) throw new Error(`label ${name} is not defined`);
    return address;
  }

  private ref(label: string, kind: Fixup['kind']): this {
    this.fixups.push({ at: this.out.length, label, kind });
    return this.bytes(0, 0, 0, 0);
  }

  /** mov r32, imm32 */
  movImm(reg: number, value: number): this {
    return this.bytes(0xb8 + reg, ...le32(value));
  }
  /** mov r32, address of a label */
  movLabel(reg: number, label: string): this {
    this.bytes(0xb8 + reg);
    return this.ref(label, 'abs32');
  }
  /** mov r32, r32 */
  mov(dst: number, src: number): this {
    return this.bytes(0x89, ...modrmReg(src, dst));
  }
  /** mov r32, [mem] */
  load(reg: number, mem: Mem): this {
    return this.bytes(0x8b, ...modrmMem(reg, mem));
  }
  /** mov [mem], r32 */
  store(mem: Mem, reg: number): this {
    return this.bytes(0x89, ...modrmMem(reg, mem));
  }
  /** mov dword [mem], imm32 */
  storeImm(mem: Mem, value: number): this {
    return this.bytes(0xc7, ...modrmMem(0, mem), ...le32(value));
  }
  /** movzx r32, byte [mem] */
  loadByte(reg: number, mem: Mem): this {
    return this.bytes(0x0f, 0xb6, ...modrmMem(reg, mem));
  }
  /** lea r32, [mem] */
  lea(reg: number, mem: Mem): this {
    return this.bytes(0x8d, ...modrmMem(reg, mem));
  }
  /** add r32, imm32 */
  addImm(reg: number, value: number): this {
    return this.bytes(0x81, ...modrmReg(0, reg), ...le32(value));
  }
  /** sub r32, imm32 */
  subImm(reg: number, value: number): this {
    return this.bytes(0x81, ...modrmReg(5, reg), ...le32(value));
  }
  /** add r32, r32 */
  add(dst: number, src: number): this {
    return this.bytes(0x01, ...modrmReg(src, dst));
  }
  /** sub r32, r32 */
  sub(dst: number, src: number): this {
    return this.bytes(0x29, ...modrmReg(src, dst));
  }
  /** cmp r32, r32 */
  cmp(left: number, right: number): this {
    return this.bytes(0x39, ...modrmReg(right, left));
  }
  /** cmp r32, imm32 */
  cmpImm(reg: number, value: number): this {
    return this.bytes(0x81, ...modrmReg(7, reg), ...le32(value));
  }
  /** and r32, imm32 */
  andImm(reg: number, value: number): this {
    return this.bytes(0x81, ...modrmReg(4, reg), ...le32(value));
  }
  /** or r32, imm32 */
  orImm(reg: number, value: number): this {
    return this.bytes(0x81, ...modrmReg(1, reg), ...le32(value));
  }
  /** shl r32, imm8 */
  shlImm(reg: number, count: number): this {
    return this.bytes(0xc1, ...modrmReg(4, reg), count);
  }
  /** test r32, imm32 */
  testImm(reg: number, value: number): this {
    return this.bytes(0xf7, ...modrmReg(0, reg), ...le32(value));
  }
  /** test r32, r32 */
  testSelf(reg: number): this {
    return this.bytes(0x85, ...modrmReg(reg, reg));
  }
  push(reg: number): this {
    return this.bytes(0x50 + reg);
  }
  pushImm(value: number): this {
    return this.bytes(0x68, ...le32(value));
  }
  pop(reg: number): this {
    return this.bytes(0x58 + reg);
  }
  pushf(): this {
    return this.bytes(0x9c);
  }
  popf(): this {
    return this.bytes(0x9d);
  }
  /** mov r32, segment register */
  movFromSeg(reg: number, seg: number): this {
    return this.bytes(0x8c, ...modrmReg(seg, reg));
  }
  /** mov segment register, r16 */
  movToSeg(seg: number, reg: number): this {
    return this.bytes(0x8e, ...modrmReg(seg, reg));
  }
  /** Prefix for the next instruction: its memory operand is in SS (flat even while a case has changed DS). */
  ss(): this {
    return this.bytes(0x36);
  }
  /** jmp rel32 */
  jmp(label: string): this {
    this.bytes(0xe9);
    return this.ref(label, 'rel32');
  }
  /** call rel32 */
  call(label: string): this {
    this.bytes(0xe8);
    return this.ref(label, 'rel32');
  }
  ret(): this {
    return this.bytes(0xc3);
  }
  /** jcc rel32 */
  jcc(cc: (typeof CC)[number], label: string): this {
    this.bytes(0x0f, 0x80 + CC.indexOf(cc));
    return this.ref(label, 'rel32');
  }
  /** int 0x80 */
  syscall(): this {
    return this.bytes(0xcd, 0x80);
  }

  /** The finished bytes; throws when a label is missing. */
  finish(): Uint8Array {
    const bytes = Uint8Array.from(this.out);
    const view = new DataView(bytes.buffer);
    for (const { at, label, kind } of this.fixups) {
      const address = this.addressOf(label);
      view.setUint32(at, kind === 'abs32' ? address : (address - (this.origin + at + 4)) >>> 0, true);
    }
    return bytes;
  }
}
