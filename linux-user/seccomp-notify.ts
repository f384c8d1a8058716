/**
 * Filters that ask another process (SECCOMP_RET_USER_NOTIF). The kernel itself notifies it: of a system call that nobody makes,
 * for which a filter of ours is installed on the host, and which carries the guest's in the upper halves of its arguments. Emulators
 * of supervising guests unpack it.
 */

import { HostBuffer, SYS, sys3 } from '../src/host/syscall.ts';

/** nfsservctl(2), which Linux does not have any more. */
export const CARRIER = 180;
const SECCOMP_SET_MODE_FILTER = 1;
const AUDIT_ARCH_X86_64 = 0xc000003e;
const RET_USER_NOTIF = 0x7fc00000;
const RET_ALLOW = 0x7fff0000;
/** In the upper half of the last argument. */
const MARK = 0x5e0c;
/** What a supervisor's emulator answers for it when the call is to be made (SECCOMP_USER_NOTIF_FLAG_CONTINUE): no call's result. */
export const CONTINUE = 0x5745_4d55_0001;

/** Bytes of struct seccomp_notif and where its members stand: the same for all guests. */
export const NOTIF_SIZE = 80;
export const NOTIF_DATA = 16;
const [ARCH, IP, ARGS] = [NOTIF_DATA + 4, NOTIF_DATA + 8, NOTIF_DATA + 16];

/** seccomp(2) of the host with a filter for the carrier; a descriptor that listens, or -errno. */
export function listen(flags: number): number {
  const { view, address } = new HostBuffer(16 + 8 * 6);
  const program = [
    [0x20, 0, 0, 4], // A = arch
    [0x15, 0, 3, AUDIT_ARCH_X86_64], // not ours: allow
    [0x20, 0, 0, 0], // A = nr
    [0x15, 0, 1, CARRIER],
    [0x06, 0, 0, RET_USER_NOTIF],
    [0x06, 0, 0, RET_ALLOW],
  ] as const;
  view.setUint16(0, program.length, true);
  view.setBigUint64(8, BigInt(address + 16), true);
  program.forEach(([code, jt, jf, k], n) => {
    const at = 16 + 8 * n;
    view.setUint16(at, code, true);
    view.setUint8(at + 2, jt);
    view.setUint8(at + 3, jf);
    view.setUint32(at + 4, k, true);
  });
  return sys3(SYS.seccomp, SECCOMP_SET_MODE_FILTER, flags, address);
}

/** What is told of a call. */
export interface NotifiedCall {
  readonly number: number;
  /** AUDIT_ARCH_*. */
  readonly architecture: number;
  readonly pc: number;
  /** Six, 32 bits each. */
  readonly args: readonly number[];
}

/** Arguments of the carrier. */
export function pack({ number, architecture, pc, args }: NotifiedCall): number[] {
  const [ip, arch] = [pc >>> 0, architecture >>> 0];
  const upper = [number & 0x1f_ffff, arch & 0xffff, arch >>> 16, ip & 0xffff, ip >>> 16, MARK];
  return upper.map((high, n) => high * 2 ** 32 + (args[n]! >>> 0));
}

/**
 * Makes a struct seccomp_notif of the host tell of the guest's call, in the byte order of the guest that reads it; what
 * tells of a native program's only changes its order. Returns whether it was the carrier.
 */
export function unpack(view: DataView, little: boolean): boolean {
  const high = (n: number): number => view.getUint32(ARGS + 8 * n + 4, true);
  const carried = view.getInt32(NOTIF_DATA, true) === CARRIER && high(5) === MARK;
  if (carried) {
    view.setInt32(NOTIF_DATA, high(0), true);
    view.setUint32(ARCH, (high(1) | (high(2) << 16)) >>> 0, true);
    view.setBigUint64(IP, BigInt((high(3) | (high(4) << 16)) >>> 0), true);
    for (let n = 0; n < 6; n++) view.setUint32(ARGS + 8 * n + 4, 0, true);
  }
  if (!little) {
    for (const at of [8, 12, NOTIF_DATA, ARCH]) view.setUint32(at, view.getUint32(at, true), false);
    for (let at = 0; at < NOTIF_SIZE; at += at === 0 ? IP : 8) {
      view.setBigUint64(at, view.getBigUint64(at, true), false);
    }
  }
  return carried;
}
