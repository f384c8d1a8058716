// The bulk of REP MOVS and REP STOS: as many whole elements as need no fault and touch no translated code.
import type { HelperPort } from '../../target.ts';
import { X86_OFFSETS } from '../state.ts';

const PAGE = 4096;
const ECX = X86_OFFSETS.regs + 4;
const ESI = X86_OFFSETS.regs + 24;
const EDI = X86_OFFSETS.regs + 28;

/** How many bytes from `address` up (at most `length`) pass `check` page by page. */
function accessible(check: (address: number, length: number) => boolean, address: number, length: number): number {
  if (address + length <= 0x100000000 && check(address, length)) return length;
  let good = 0;
  while (good < length) {
    const at = address + good;
    const step = Math.min(length - good, PAGE - (at & (PAGE - 1)));
    if (at >= 0x100000000 || !check(at, step)) break;
    good += step;
  }
  return good;
}

/** The same for the bytes that end in front of `end`, from there down. */
function accessibleBelow(check: (address: number, length: number) => boolean, end: number, length: number): number {
  if (length <= end && end <= 0x100000000 && check(end - length, length)) return length;
  let good = 0;
  while (good < length) {
    const at = end - good;
    const step = Math.min(length - good, ((at - 1) & (PAGE - 1)) + 1);
    if (at > 0x100000000 || step > at || !check(at - step, step)) break;
    good += step;
  }
  return good;
}

/**
 * `rep_movs` in flat segments: with an overlap closer than one element, or one where going down reads what it has written,
 * the element loop does the work.
 */
export function repMovs(port: HelperPort, bytes: Uint8Array) {
  const { view } = port;
  const canRead = (address: number, length: number) => port.canRead(address, length);
  const canWrite = (address: number, length: number) => port.canWrite(address, length);
  return (env: number, log: number): undefined => {
    const size = 2 ** log;
    const esi = view.getUint32(env + ESI, true);
    const edi = view.getUint32(env + EDI, true);
    const ecx = view.getUint32(env + ECX, true);
    const distance = edi - esi;
    let length = Math.min(ecx * size, 0x100000000);
    if (view.getInt32(env + X86_OFFSETS.df, true) < 0) {
      const [from, to] = [esi + size, edi + size];
      length = accessibleBelow(canWrite, to, accessibleBelow(canRead, from, length));
      length -= length % size;
      if (length === 0 || (distance < 0 && -distance < length)) return;
      bytes.copyWithin(to - length, from - length, from);
      view.setUint32(env + ESI, esi - length, true);
      view.setUint32(env + EDI, edi - length, true);
      view.setUint32(env + ECX, ecx - length / size, true);
      return;
    }
    length = accessible(canWrite, edi, accessible(canRead, esi, length));
    length -= length % size;
    if (length === 0) return;
    if (distance <= 0 || distance >= length) {
      bytes.copyWithin(edi, esi, esi + length);
    } else {
      // Elements read what earlier ones wrote: the bytes between the pointers repeat.
      if (distance % size !== 0) return;
      for (let done = 0; done < length; ) {
        const step = Math.min(distance + done, length - done);
        bytes.copyWithin(edi + done, esi, esi + step);
        done += step;
      }
    }
    view.setUint32(env + ESI, esi + length, true);
    view.setUint32(env + EDI, edi + length, true);
    view.setUint32(env + ECX, ecx - length / size, true);
  };
}

/** `rep_stos` in flat segments, forward only. */
export function repStos(port: HelperPort, bytes: Uint8Array) {
  const { view } = port;
  const canWrite = (address: number, length: number) => port.canWrite(address, length);
  return (env: number, log: number): undefined => {
    if (view.getInt32(env + X86_OFFSETS.df, true) < 0) return;
    const dest = view.getUint32(env + EDI, true);
    const total = view.getUint32(env + ECX, true) * 2 ** log;
    let length = accessible(canWrite, dest, Math.min(total, 0x100000000));
    length -= length % 2 ** log;
    if (length === 0) return;
    const value = view.getInt32(env + X86_OFFSETS.regs, true);
    const end = dest + length;
    if (log === 0 || sameBytes(value, log)) {
      bytes.fill(value & 0xff, dest, end);
    } else {
      const step = 2 ** log;
      // Lay one element down, then double what is there.
      for (let n = 0; n < step; n++) bytes[dest + n] = value >> (8 * n);
      for (let done = step; done < length; ) {
        const chunk = Math.min(done, length - done);
        bytes.copyWithin(dest + done, dest, dest + chunk);
        done += chunk;
      }
    }
    view.setUint32(env + EDI, dest + length, true);
    view.setUint32(env + ECX, view.getUint32(env + ECX, true) - length / 2 ** log, true);
  };
}

function sameBytes(value: number, log: number): boolean {
  const byte = value & 0xff;
  const word = byte | (byte << 8);
  return log === 1 ? (value & 0xffff) === word : value === ((word << 16) | word);
}
