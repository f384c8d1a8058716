// The ioctl requests whose argument has a pointer in it, or a length that only its own members tell.

import { EFAULT, EINVAL, EOPNOTSUPP } from '../../src/host/errno.ts';
import { HostBuffer, SYS, sys3, sys5 } from '../../src/host/syscall.ts';
import { unimpOnce } from '../../src/log/log.ts';
import { BAD_ADDRESS } from '../paths.ts';
import type { Process } from '../process.ts';
import { fieldOf, readField, write64, writeField } from '../structs.ts';
import type { Handler, Row } from './row.ts';
import { SECCOMP_IOCTLS } from './seccomp-ioctls.ts';
import { copyIn, copyOut, hostCopy, toGuest } from './user-data.ts';

const SOL_SOCKET = 1;
const SO_DOMAIN = 39;
const AF_INET6 = 10;
/** struct ifreq: a name of 16 bytes and a union, which holds pointers and is therefore larger on the host. */
const HOST_IFREQ = 40;
const IFREQ_DATA = 16;
/** Most elements that are passed on at once; who asks for more gets these and asks again. */
const MOST_EXTENTS = 1024;
const MOST_ENTROPY = 65536;
const BLKPG_PARTITION = 152;

/** SIOCGIFCONF: a buffer of structures with its length; a NULL buffer asks for the length. */
function interfaces(p: Process, fd: number, request: number, pointer: number): number {
  const word = p.abi.model.longSize;
  const room = p.readU32(pointer);
  const buffer = p.readWord((pointer >>> 0) + word);
  if (room === undefined || buffer === undefined) return -EFAULT;
  const guestSize = p.structs.sizeOf('ifreq');
  const count = buffer === 0 ? 0 : Math.min(1024, Math.floor(room / guestSize));
  const { view, u8, address } = p.scratch(16 + count * HOST_IFREQ);
  view.setInt32(0, buffer === 0 ? 0 : count * HOST_IFREQ, true);
  write64(view, 8, buffer === 0 ? 0 : address + 16, true);
  if (room > 0x7fffffff) return -EINVAL;
  const result = sys3(SYS.ioctl, fd, request, address);
  if (result < 0) return result;
  const found = Math.floor(view.getInt32(0, true) / HOST_IFREQ);
  if (buffer !== 0) {
    for (let i = 0; i < found; i++) {
      const from = 16 + i * HOST_IFREQ;
      if (!p.memory.writeBytes(buffer + i * guestSize, u8.subarray(from, from + guestSize))) return -EFAULT;
    }
  }
  return p.writeU32(pointer, found * guestSize) ? result : -EFAULT;
}

/** SIOCADDRT and SIOCDELRT: a route, of a form that depends on the socket; one form names its device by a pointer. */
function route(p: Process, fd: number, request: number, pointer: number): number {
  const domain = new HostBuffer(8);
  domain.view.setInt32(4, 4, true);
  sys5(SYS.getsockopt, fd, SOL_SOCKET, SO_DOMAIN, domain.address, domain.address + 4);
  const name = domain.view.getInt32(0, true) === AF_INET6 ? 'in6_rtmsg' : 'rtentry';
  const address = hostCopy(p, name, pointer);
  if (name === 'rtentry' && address !== 0 && address !== BAD_ADDRESS) {
    const layout = p.hostStructs.layout(name);
    const device = fieldOf(layout, 'rt_dev');
    const { view } = p.scratch(0);
    writeField(layout, view, 0, device, p.in(readField(layout, view, 0, device)));
  }
  return sys3(SYS.ioctl, fd, request, address);
}

/** Bytes of the structures of ethtool commands that consist of 32-bit words: command, size. */
const ETHTOOL_WORDS: Readonly<Record<number, number>> = {
  5: 20, // ETHTOOL_GWOL
  7: 8, // ETHTOOL_GMSGLVL
  10: 8, // ETHTOOL_GLINK
  14: 92, // ETHTOOL_GCOALESCE
  16: 36, // ETHTOOL_GRINGPARAM
  18: 16, // ETHTOOL_GPAUSEPARAM
  20: 8, // ETHTOOL_GRXCSUM
  22: 8, // ETHTOOL_GTXCSUM
  24: 8, // ETHTOOL_GSG
  30: 8, // ETHTOOL_GTSO
  33: 8, // ETHTOOL_GUFO
  35: 8, // ETHTOOL_GGSO
  37: 8, // ETHTOOL_GFLAGS
  43: 8, // ETHTOOL_GGRO
  60: 36, // ETHTOOL_GCHANNELS
  65: 44, // ETHTOOL_GET_TS_INFO
  68: 40, // ETHTOOL_GEEE
};
/** ETHTOOL_GDRVINFO: the command, texts, and counts as 32-bit words at the end. */
const GDRVINFO = 3;
const DRVINFO_SIZE = 196;
const DRVINFO_COUNTS = 176;

/** SIOCETHTOOL: the interface's name, and a pointer to a structure that begins with what it is. */
function ethtool(p: Process, fd: number, request: number, pointer: number): number {
  const word = p.structs.sizeOf('ptr');
  const data = p.readWord((pointer >>> 0) + IFREQ_DATA);
  if (data === undefined || !copyIn(p, pointer, IFREQ_DATA + word, 0)) return -EFAULT;
  const command = p.readU32(data);
  const size = command === GDRVINFO ? DRVINFO_SIZE : ETHTOOL_WORDS[command ?? 0];
  const { view, u8, address } = p.scratch(HOST_IFREQ + DRVINFO_SIZE);
  if (command === undefined || size === undefined) {
    // Whether there is such an interface is said first.
    write64(view, IFREQ_DATA, BAD_ADDRESS, true);
    const result = sys3(SYS.ioctl, fd, request, address);
    if (command === undefined || result !== -EFAULT) return result;
    unimpOnce(`ethtool command 0x${command.toString(16)}`);
    return -EOPNOTSUPP;
  }
  u8.fill(0, HOST_IFREQ, HOST_IFREQ + size);
  if (!copyIn(p, data, size, HOST_IFREQ)) return -EFAULT;
  const swap = () => {
    if (p.little) return;
    for (let at = 0; at < size; at += 4) {
      if (command === GDRVINFO && at > 0 && at < DRVINFO_COUNTS) continue;
      u8.subarray(HOST_IFREQ + at, HOST_IFREQ + at + 4).reverse();
    }
  };
  swap();
  write64(view, IFREQ_DATA, address + HOST_IFREQ, true);
  const result = sys3(SYS.ioctl, fd, request, address);
  if (result < 0) return result;
  swap();
  return copyOut(p, HOST_IFREQ, size, data) ? result : -EFAULT;
}

/** A head, and behind it as many elements as one of its members says. */
interface Counted {
  readonly head: string;
  readonly element: string;
  /** The member of the head with the count, and the one that says how many came back. */
  readonly count: string;
  readonly filled: string;
  /** The elements are read as well. */
  readonly reads: boolean;
}

function counted({ head, element, count, filled, reads }: Counted): Handler {
  return (p, fd, request, pointer) => {
    const guestHead = p.structs.layout(head);
    const hostHead = p.hostStructs.layout(head);
    const guestSize = p.structs.sizeOf(element);
    const hostSize = p.hostStructs.sizeOf(element);
    if (!p.memory.checkRead(pointer, guestHead.size)) return sys3(SYS.ioctl, fd, request, p.in(pointer));
    const asked = readField(guestHead, p.view, pointer >>> 0, fieldOf(guestHead, count));
    const room = Math.min(asked, MOST_EXTENTS);
    const { view, u8 } = p.scratch(hostHead.size + room * hostSize);
    const address = hostCopy(p, head, pointer);
    const first = (pointer >>> 0) + guestHead.size;
    if (asked !== room) writeField(hostHead, view, 0, fieldOf(hostHead, count), room);
    u8.fill(0, hostHead.size, hostHead.size + room * hostSize);
    if (reads) {
      for (let i = 0; i < room; i++) {
        const copied = hostCopy(p, element, first + i * guestSize, hostHead.size + i * hostSize);
        if (copied === BAD_ADDRESS) return -EFAULT;
      }
    }
    const result = p.wait(SYS.ioctl, fd, request, address, 0, 0, 0);
    if (result < 0) return result;
    const back = Math.min(room, readField(hostHead, view, 0, fieldOf(hostHead, filled)));
    if (asked !== room) writeField(hostHead, view, 0, fieldOf(hostHead, count), asked);
    for (let i = 0; i < back; i++) {
      if (toGuest(p, element, hostHead.size + i * hostSize, first + i * guestSize) < 0) return -EFAULT;
    }
    return toGuest(p, head, 0, pointer) < 0 ? -EFAULT : result;
  };
}

/** RNDADDENTROPY: two ints, the second of which counts the bytes behind them. */
function addEntropy(p: Process, fd: number, request: number, pointer: number): number {
  const bits = p.readU32(pointer);
  const size = p.readU32((pointer >>> 0) + 4);
  if (bits === undefined || size === undefined) return sys3(SYS.ioctl, fd, request, BAD_ADDRESS);
  const length = Math.min(size, MOST_ENTROPY);
  if (!copyIn(p, (pointer >>> 0) + 8, length, 8)) return sys3(SYS.ioctl, fd, request, BAD_ADDRESS);
  const { view, address } = p.scratch(0);
  view.setUint32(0, bits, true);
  view.setUint32(4, size > 0x7fffffff ? size : length, true);
  return sys3(SYS.ioctl, fd, request, address);
}

/** BLKPG: adds, removes or resizes a partition; a pointer leads to its description. */
function partition(p: Process, fd: number, request: number, pointer: number): number {
  const word = p.abi.model.longSize;
  const at = pointer >>> 0;
  const data = p.readWord(at + (word === 8 ? 16 : 12));
  if (data === undefined) return sys3(SYS.ioctl, fd, request, BAD_ADDRESS);
  const { view, u8, address } = p.scratch(24 + BLKPG_PARTITION);
  for (const k of [0, 4, 8]) view.setUint32(k, p.view.getUint32(at + k, p.little), true);
  // The description ends in padding that smaller alignments do not have.
  u8.fill(0, 24, 24 + BLKPG_PARTITION);
  const readable = copyIn(p, data, 148, 24);
  if (!p.little) {
    for (const [from, size] of [[24, 8] as const, [32, 8] as const, [40, 4] as const])
      u8.subarray(from, from + size).reverse();
  }
  write64(view, 16, readable ? address + 24 : BAD_ADDRESS, true);
  return sys3(SYS.ioctl, fd, request, address);
}

const pointerRow = (run: Handler): Row => ({ args: 'fd fd, enum:ioctl request, addr arg', run, blocks: true });

/** Row and name of each, by the request's number. */
export const IOCTL_HANDLERS: Readonly<Record<number, readonly [name: string, row: Row]>> = {
  35090: ['SIOCGIFCONF', pointerRow(interfaces)],
  35083: ['SIOCADDRT', pointerRow(route)],
  35084: ['SIOCDELRT', pointerRow(route)],
  35142: ['SIOCETHTOOL', pointerRow(ethtool)],
  3223348747: [
    'FS_IOC_FIEMAP',
    pointerRow(
      counted({
        head: 'fiemap',
        element: 'fiemap_extent',
        count: 'fm_extent_count',
        filled: 'fm_mapped_extents',
        reads: false,
      }),
    ),
  ],
  3222836278: [
    'FIDEDUPERANGE',
    pointerRow(
      counted({
        head: 'dedupe_range',
        element: 'dedupe_info',
        count: 'dest_count',
        filled: 'dest_count',
        reads: true,
      }),
    ),
  ],
  1074287107: ['RNDADDENTROPY', pointerRow(addEntropy)],
  4713: ['BLKPG', pointerRow(partition)],
  ...SECCOMP_IOCTLS,
};
