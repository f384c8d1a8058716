// Helpers that deal with EFLAGS as a whole: the lazily kept flags computed, POPF, and the BCD adjustments.
import { AF, ARITHMETIC, CF, computeFlags, PF, POPF_USER, readEflags, SF, writeEflags, ZF } from '../flags.ts';

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

/** DAA (SDM vol. 2): decimal adjustment of AL after addition. OF is cleared, as processors do. */
export function daa(_env: number, ax: number, flags: number): number {
  let al = ax & 0xff;
  let out = 0;
  const high = al > 0x99 || (flags & CF) !== 0;
  if ((al & 15) > 9 || flags & AF) {
    al += 6;
    out |= AF;
  }
  if (high) {
    al += 0x60;
    out |= CF;
  }
  al &= 0xff;
  return pack((ax & 0xff00) | al, out | byteFlags(al));
}

/** DAS: decimal adjustment of AL after subtraction. */
export function das(_env: number, ax: number, flags: number): number {
  const before = ax & 0xff;
  let al = before;
  let out = 0;
  if ((al & 15) > 9 || flags & AF) {
    al -= 6;
    out |= AF;
    if (al < 0 || flags & CF) out |= CF;
  }
  if (before > 0x99 || flags & CF) {
    al -= 0x60;
    out |= CF;
  }
  al &= 0xff;
  return pack((ax & 0xff00) | al, out | byteFlags(al));
}

/** AAA: ASCII adjustment after addition; ZF, SF, PF as the result's low byte gives them before masking on processors. */
export function aaa(_env: number, ax: number, flags: number): number {
  const adjust = (ax & 15) > 9 || (flags & AF) !== 0;
  const result = (adjust ? ax + 0x106 : ax) & 0xff0f;
  return pack(result, (adjust ? AF | CF : 0) | byteFlags(result & 0xff));
}

/** AAS: ASCII adjustment after subtraction. */
export function aas(_env: number, ax: number, flags: number): number {
  const adjust = (ax & 15) > 9 || (flags & AF) !== 0;
  const result = (adjust ? ax - 0x106 : ax) & 0xff0f;
  return pack(result, (adjust ? AF | CF : 0) | byteFlags(result & 0xff));
}

/** AAM: AH, AL = quotient and remainder of AL by `base` (not 0). */
export function aam(_env: number, ax: number, _flags: number, base: number): number {
  const al = ax & 0xff;
  const low = al % base;
  return pack((Math.floor(al / base) << 8) | low, byteFlags(low));
}

/** AAD: AL = AH * base + AL, AH = 0. */
export function aad(_env: number, ax: number, _flags: number, base: number): number {
  const low = ((ax & 0xff) + ((ax >> 8) & 0xff) * base) & 0xff;
  return pack(low, byteFlags(low));
}
