// Helpers that deal with EFLAGS as a whole: the lazily kept flags computed, POPF, and the BCD adjustments.
import { AF, ARITHMETIC, CF, computeFlags, OF, PF, POPF_USER, readEflags, SF, writeEflags, ZF } from '../flags.ts';

/** `compute_flags`; see COMPUTE_FLAGS. */
export function computeFlagsHelper(_env: number, op: number, dst: number, src: number, src2: number): number {
  return computeFlags(op, dst, src, src2);
}

/** `set_eflags`: what POPF with an operand of `size` bytes may change at CPL 3. */
export function setEflagsHelper(view: DataView): (env: number, value: number, size: number) => undefined {
  return (env, value, size) => {
    const mask = size === 2 ? POPF_USER & 0xffff : POPF_USER;
    const old = readEflags(view, env);
    writeEflags(view, env, (old & ~mask) | (value & mask));
    return undefined;
  };
}

/** ZF, SF and PF of a byte. */
function byteFlags(value: number): number {
  return computeFlags(20 /* LOGIC, byte */, value, 0, 0) & (ZF | SF | PF);
}

function pack(ax: number, flags: number): number {
  return (ax & 0xffff) | ((flags & ARITHMETIC) << 16);
}

const BYTE_SIGN = 0x80;
const WORD_SIGN = 0x8000;

/** OF of a + b = sum, by the sign bit of the operand size. */
function addOverflow(a: number, b: number, sum: number, sign: number): number {
  return ~(a ^ b) & (a ^ sum) & sign ? OF : 0;
}

/** OF of a - b = difference. */
function subOverflow(a: number, b: number, difference: number, sign: number): number {
  return (a ^ b) & (a ^ difference) & sign ? OF : 0;
}

// Flags that the manual leaves undefined are those of AMD's processors (tests/insn/x86/integer/undefined-flags.ts).

/** DAA (SDM vol. 2): decimal adjustment of AL after addition. */
export function daa(_env: number, ax: number, flags: number): number {
  const before = ax & 0xff;
  let by = 0;
  let out = 0;
  if ((before & 15) > 9 || flags & AF) {
    by += 6;
    out |= AF;
  }
  if (before > 0x99 || flags & CF) {
    by += 0x60;
    out |= CF;
  }
  const al = (before + by) & 0xff;
  out |= addOverflow(before, by, al, BYTE_SIGN);
  return pack((ax & 0xff00) | al, out | byteFlags(al));
}

/** DAS: decimal adjustment of AL after subtraction. */
export function das(_env: number, ax: number, flags: number): number {
  const before = ax & 0xff;
  let by = 0;
  let out = 0;
  if ((before & 15) > 9 || flags & AF) {
    by += 6;
    out |= AF;
    if (before < 6 || flags & CF) out |= CF;
  }
  if (before > 0x99 || flags & CF) {
    by += 0x60;
    out |= CF;
  }
  const al = (before - by) & 0xff;
  out |= subOverflow(before, by, al, BYTE_SIGN);
  return pack((ax & 0xff00) | al, out | byteFlags(al));
}

/** OF, SF, ZF and PF of a 16-bit result. */
function wordFlags(value: number): number {
  return (value === 0 ? ZF : 0) | (value & WORD_SIGN ? SF : 0) | (byteFlags(value) & PF);
}

/** AAA: ASCII adjustment after addition; flags are those of AX + 106h or + 0 before the masking. */
export function aaa(_env: number, ax: number, flags: number): number {
  const adjust = (ax & 15) > 9 || (flags & AF) !== 0;
  const by = adjust ? 0x106 : 0;
  const sum = (ax + by) & 0xffff;
  return pack(sum & 0xff0f, (adjust ? AF | CF : 0) | wordFlags(sum) | addOverflow(ax, by, sum, WORD_SIGN));
}

/** AAS: ASCII adjustment after subtraction. */
export function aas(_env: number, ax: number, flags: number): number {
  const adjust = (ax & 15) > 9 || (flags & AF) !== 0;
  const by = adjust ? 0x106 : 0;
  const difference = (ax - by) & 0xffff;
  const overflow = subOverflow(ax, by, difference, WORD_SIGN);
  return pack(difference & 0xff0f, (adjust ? AF | CF : 0) | wordFlags(difference) | overflow);
}

/** AAM: AH, AL = quotient and remainder of AL by `base` (not 0). */
export function aam(_env: number, ax: number, _flags: number, base: number): number {
  const al = ax & 0xff;
  const low = al % base;
  return pack((Math.floor(al / base) << 8) | low, byteFlags(low));
}

/** AAD: AL = AH * base + AL, AH = 0. OF, AF and CF are those of the addition of bytes. */
export function aad(_env: number, ax: number, _flags: number, base: number): number {
  const al = ax & 0xff;
  const high = ((ax >> 8) * base) & 0xff;
  const sum = al + high;
  const low = sum & 0xff;
  const carries = (sum > 0xff ? CF : 0) | ((al & 15) + (high & 15) > 15 ? AF : 0);
  return pack(low, byteFlags(low) | carries | addOverflow(al, high, low, BYTE_SIGN));
}
