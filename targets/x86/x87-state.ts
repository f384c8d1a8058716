// The x87 FPU's part of the CPU state: the one declared list of fields that the state layout, the interpreter's view
// and the AssemblyScript helpers (see helpers/build-x87.ts) are all made from.

/** One field: byte offset from the start of the FPU area. */
export interface X87Field {
  readonly name: string;
  readonly offset: number;
  readonly type: 'i32' | 'i64';
  readonly meaning: string;
}

/** Size of the FPU area in bytes; it must start on a 16-byte boundary. */
export const X87_AREA_SIZE = 192;

/** Distance of the FPU area from the start of the CPU state block, unless the build is told otherwise. */
export const X87_AREA_OFFSET = 256;

/** Bytes from one physical register to the next. */
export const X87_REGISTER_STRIDE = 16;

/**
 * Physical register n (MMX register n is its significand) is `fpr<n>` and `fpr<n>se`; ST(i) is physical register
 * (fptop + i) & 7.
 */
export const X87_FIELDS = [
  ...[0, 1, 2, 3, 4, 5, 6, 7].flatMap((n): X87Field[] => [
    { name: `fpr${n}`, offset: n * 16, type: 'i64', meaning: `physical register ${n}: significand` },
    { name: `fpr${n}se`, offset: n * 16 + 8, type: 'i32', meaning: `physical register ${n}: sign (bit 15), exponent` },
  ]),
  { name: 'fptop', offset: 128, type: 'i32', meaning: 'physical register that is ST(0), 0..7' },
  { name: 'fpempty', offset: 132, type: 'i32', meaning: 'bit n set: physical register n is empty' },
  { name: 'fpcw', offset: 136, type: 'i32', meaning: 'control word, as FNSTCW stores it' },
  { name: 'fpsw', offset: 140, type: 'i32', meaning: 'status word with TOP (bits 11..13) zero' },
  { name: 'fpip', offset: 144, type: 'i32', meaning: 'address of the last non-control instruction' },
  { name: 'fpcs', offset: 148, type: 'i32', meaning: 'code selector of the last non-control instruction' },
  { name: 'fpdp', offset: 152, type: 'i32', meaning: 'address of its memory operand' },
  { name: 'fpds', offset: 156, type: 'i32', meaning: 'data selector of its memory operand' },
  { name: 'fpop', offset: 160, type: 'i32', meaning: 'its opcode: low 3 bits of the first byte, then the second byte' },
  { name: 'fpstore', offset: 164, type: 'i32', meaning: '1 if the value of the last store helper is to be written' },
  { name: 'fpscratch', offset: 176, type: 'i64', meaning: 'low 64 bits of an 80-bit memory operand' },
  { name: 'fpscratchhi', offset: 184, type: 'i32', meaning: 'high 16 bits of an 80-bit memory operand' },
] as const satisfies readonly X87Field[];
