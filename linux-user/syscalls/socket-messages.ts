// sendmsg, recvmsg and their multiple forms: message headers and control messages in the guest's layout.

import { EFAULT, EINVAL, ENOBUFS } from '../../src/host/errno.ts';
import { SYS, sys1 } from '../../src/host/syscall.ts';
import { BAD_ADDRESS } from '../paths.ts';
import type { Process } from '../process.ts';
import { fieldOf, readField, writeField } from '../structs.ts';
import { swapAddress, swapControl } from './byte-order.ts';
import { copyIn, copyOut, hostCopy, hostVector } from './user-data.ts';

/** The host's struct msghdr in the scratch buffer, the vector behind it, then the control messages. */
const HEADER_SIZE = 56;
const VECTOR = 64;
const CONTROL = VECTOR + 1024 * 16;
/** Control data is never larger (net.core.optmem_max is 20 kB by default). */
const MOST_CONTROL = 40960;
/** Where the other side's address stands for guests of another byte order, behind the control messages. */
const NAME = CONTROL + MOST_CONTROL;
const HOST_CMSG_HEADER = 16;
/** Offsets in the host's struct msghdr. */
const HOST = { name: 0, nameLength: 8, vector: 16, vectorLength: 24, control: 32, controlLength: 40, flags: 48 };

/** struct sockaddr_storage. */
const LONGEST_NAME = 128;

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
/** Old forms of time stamps: as many pairs of longs as the value says. */
const TIME_STAMPS: Readonly<Record<number, { name: 'timeval' | 'timespec'; count: number }>> = {
  29: { name: 'timeval', count: 1 },
  35: { name: 'timespec', count: 1 },
  37: { name: 'timespec', count: 3 },
};
const MSG_CTRUNC = 8;
const MSG_DONTWAIT = 0x40;
const MSG_WAITFORONE = 0x10000;
const MOST_MESSAGES = 1024;

/** The members of a guest's struct msghdr, as numbers. */
interface Message {
  readonly name: number;
  readonly nameLength: number;
  readonly vector: number;
  readonly vectorLength: number;
  readonly control: number;
  readonly controlLength: number;
}

function readMessage(p: Process, pointer: number): Message | undefined {
  const layout = p.structs.layout('msghdr');
  if (!p.memory.checkRead(pointer, layout.size)) return undefined;
  const get = (name: string) => readField(layout, p.view, pointer >>> 0, fieldOf(layout, name));
  return {
    name: get('msg_name'),
    nameLength: get('msg_namelen'),
    vector: get('msg_iov'),
    vectorLength: get('msg_iovlen'),
    control: get('msg_control'),
    controlLength: get('msg_controllen'),
  };
}

function setPointer(view: DataView, at: number, value: number): void {
  view.setUint32(at, value, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

/** Writes the parts of the host's header that both directions share. */
function writeHeader(p: Process, message: Message, receive: boolean): void {
  const { view, u8, address } = p.scratch(NAME + LONGEST_NAME);
  u8.fill(0, 0, HEADER_SIZE);
  // A negative length is left to the host to refuse.
  const nameLength = message.name === 0 ? 0 : Math.min(message.nameLength, LONGEST_NAME);
  let name = receive ? p.out(message.name, Math.max(0, nameLength)) : p.in(message.name);
  if (!p.little && message.name !== 0 && nameLength >= 0) {
    name = address + NAME;
    if (!receive) {
      if (!copyIn(p, message.name, nameLength, NAME)) name = BAD_ADDRESS;
      swapAddress(u8, NAME, nameLength, true);
    }
  }
  setPointer(view, HOST.name, name);
  view.setInt32(HOST.nameLength, nameLength, true);
  setPointer(view, HOST.vector, hostVector(p, message.vector, message.vectorLength, receive, VECTOR));
  setPointer(view, HOST.vectorLength, message.vectorLength);
}

export function sendMessage(p: Process, fd: number, pointer: number, flags: number): number {
  const message = readMessage(p, pointer);
  if (!message) return p.wait(SYS.sendmsg, fd, pointer === 0 ? 0 : BAD_ADDRESS, flags, 0, 0, 0);
  writeHeader(p, message, false);
  const { view, address } = p.scratch(0);
  if (message.control !== 0 && message.controlLength > 0) {
    const length = controlToHost(p, message.control, message.controlLength);
    setPointer(view, HOST.control, length === -EFAULT ? BAD_ADDRESS : address + CONTROL);
    setPointer(view, HOST.controlLength, length >= 0 ? length : length === -ENOBUFS ? 0x80000000 : HOST_CMSG_HEADER);
  }
  return p.wait(SYS.sendmsg, fd, address, flags, 0, 0, 0);
}

/** Rounds a control message's length up to where the next begins. */
function aligned(length: number, word: number): number {
  return Math.ceil(length / word) * word;
}

/**
 * Converts control messages for sending; returns their length on the host, or -errno: then the host shall be given
 * something that it refuses the same way, because it looks at other things first.
 */
function controlToHost(p: Process, control: number, length: number): number {
  const word = p.abi.model.longSize;
  const head = word + 8;
  const { view, u8 } = p.scratch(0);
  if (length < head) {
    setPointer(view, CONTROL, 1);
    return -EINVAL;
  }
  if (length > 0x7fffffff) return -ENOBUFS;
  const end = (control >>> 0) + length;
  let to = CONTROL;
  for (let at = control >>> 0; at + head <= end; ) {
    if (!p.memory.checkRead(at, head)) return -EFAULT;
    const size = p.readWord(at)!;
    if (size < head || at + size > end) {
      // A message that is too short for its own header is refused as such.
      setPointer(view, CONTROL, 1);
      return -EINVAL;
    }
    if (!p.memory.checkRead(at, size)) return -EFAULT;
    const data = size - head;
    if (to - CONTROL + HOST_CMSG_HEADER + data > MOST_CONTROL) return -ENOBUFS;
    setPointer(view, to, HOST_CMSG_HEADER + data);
    view.setInt32(to + 8, p.view.getInt32(at + word, p.little), true);
    view.setInt32(to + 12, p.view.getInt32(at + word + 4, p.little), true);
    u8.set(p.memory.u8.subarray(at + head, at + size), to + HOST_CMSG_HEADER);
    if (!p.little) {
      swapControl(u8, to + HOST_CMSG_HEADER, data, view.getInt32(to + 8, true), view.getInt32(to + 12, true));
    }
    to += aligned(HOST_CMSG_HEADER + data, 8);
    at += aligned(size, word);
  }
  return to - CONTROL;
}

export function receiveMessage(p: Process, fd: number, pointer: number, flags: number): number {
  const message = readMessage(p, pointer);
  if (!message) return p.wait(SYS.recvmsg, fd, pointer === 0 ? 0 : BAD_ADDRESS, flags, 0, 0, 0);
  writeHeader(p, message, true);
  const { view, address } = p.scratch(0);
  const room = message.control === 0 ? 0 : Math.min(message.controlLength, MOST_CONTROL / 2);
  setPointer(view, HOST.control, room === 0 ? 0 : address + CONTROL);
  setPointer(view, HOST.controlLength, room === 0 ? 0 : hostControlRoom(p, room));
  const result = p.wait(SYS.recvmsg, fd, address, flags, 0, 0, 0);
  if (result < 0) return result;
  const layout = p.structs.layout('msghdr');
  if (!p.memory.prepareWrite(pointer, layout.size)) return -EFAULT;
  if (!p.little && message.name !== 0) {
    const length = Math.min(view.getInt32(HOST.nameLength, true), message.nameLength);
    swapAddress(p.scratch(0).u8, NAME, length, false);
    if (!copyOut(p, NAME, length, message.name)) return -EFAULT;
  }
  const received = view.getUint32(HOST.controlLength, true);
  const { used, truncated } = controlToGuest(p, received, message.control, room);
  const set = (name: string, value: number) => writeField(layout, p.view, pointer >>> 0, fieldOf(layout, name), value);
  if (message.name !== 0) set('msg_namelen', view.getInt32(HOST.nameLength, true));
  set('msg_controllen', used);
  set('msg_flags', view.getUint32(HOST.flags, true) | (truncated ? MSG_CTRUNC : 0));
  return result;
}

/** Room the host needs for what fills the guest's: headers are larger, and so are times. */
function hostControlRoom(p: Process, room: number): number {
  return p.abi.model.longSize === 8 ? room : Math.min(MOST_CONTROL, room * 2 + HOST_CMSG_HEADER);
}

/** Converts received control messages; what does not fit is cut as the kernel cuts it. */
function controlToGuest(
  p: Process,
  length: number,
  control: number,
  room: number,
): { used: number; truncated: boolean } {
  const word = p.abi.model.longSize;
  const head = word + 8;
  const { view, u8 } = p.scratch(0);
  let used = 0;
  let truncated = false;
  const end = CONTROL + length;
  for (let at = CONTROL; at + HOST_CMSG_HEADER <= end; ) {
    const size = view.getUint32(at, true);
    if (size < HOST_CMSG_HEADER || at + size > end) break;
    const level = view.getInt32(at + 8, true);
    const type = view.getInt32(at + 12, true);
    const data = payload(p, level, type, u8.slice(at + HOST_CMSG_HEADER, at + size));
    at += aligned(size, 8);
    let fits = Math.min(data.length, room - used - head);
    if (fits < data.length) truncated = true;
    if (level === SOL_SOCKET && type === SCM_RIGHTS && fits < data.length) {
      // Descriptors arrive whole or not at all.
      fits = Math.max(0, fits - (fits % 4));
      for (let i = fits; i + 4 <= data.length; i += 4) sys1(SYS.close, new DataView(data.buffer).getInt32(i, p.little));
      if (fits === 0) continue;
    }
    if (fits < 0 || !p.memory.prepareWrite(control + used, head + fits)) {
      truncated = true;
      continue;
    }
    const to = (control >>> 0) + used;
    if (word === 8) setPointer(p.view, to, head + fits);
    else p.view.setUint32(to, head + fits, p.little);
    p.view.setInt32(to + word, level, p.little);
    p.view.setInt32(to + word + 4, type, p.little);
    p.memory.u8.set(data.subarray(0, fits), to + head);
    used = Math.min(room, used + aligned(head + fits, word));
  }
  return { used, truncated };
}

/** A received message's data in the guest's form: times have its longs. */
function payload(p: Process, level: number, type: number, data: Uint8Array): Uint8Array {
  const stamp = level === SOL_SOCKET ? TIME_STAMPS[type] : undefined;
  if (!stamp || p.abi.model.longSize === 8 || data.length < stamp.count * 16) {
    if (!p.little) swapControl(data, 0, data.length, level, type);
    return data;
  }
  const from = new DataView(data.buffer);
  const converted = new Uint8Array(stamp.count * 8);
  const to = new DataView(converted.buffer);
  for (let i = 0; i < stamp.count * 2; i++) to.setInt32(i * 4, from.getInt32(i * 8, true), p.little);
  return converted;
}

/** Runs `one` on message after message until one fails; the result is how many went through. */
function eachMessage(
  p: Process,
  messages: number,
  count: number,
  one: (pointer: number, index: number) => number | null,
) {
  const layout = p.structs.layout('mmsghdr');
  const length = fieldOf(layout, 'msg_len');
  count = Math.min(count >>> 0, MOST_MESSAGES);
  for (let i = 0; i < count; i++) {
    const pointer = (messages >>> 0) + i * layout.size;
    const result = one(pointer, i);
    if (result === null) return i;
    if (result < 0) return i > 0 ? i : result;
    if (!p.memory.prepareWrite(pointer, layout.size)) return i > 0 ? i : -EFAULT;
    writeField(layout, p.view, pointer, length, result);
  }
  return count;
}

export function sendMessages(p: Process, fd: number, messages: number, count: number, flags: number): number {
  return eachMessage(p, messages, count, (pointer) => sendMessage(p, fd, pointer, flags));
}

export function receiveMessages(
  p: Process,
  timeName: 'timespec' | 'timespec64',
  fd: number,
  messages: number,
  count: number,
  flags: number,
  timeout: number,
): number {
  let deadline = Number.POSITIVE_INFINITY;
  if (timeout !== 0) {
    const time = hostCopy(p, timeName, timeout);
    const { view, address } = p.scratch(0);
    if (time !== address) return -EFAULT;
    if (view.getInt32(4, true) < 0 || view.getUint32(8, true) >= 1e9 || view.getUint32(12, true) !== 0) return -EINVAL;
    deadline = performance.now() + view.getInt32(0, true) * 1000 + view.getInt32(8, true) / 1e6;
  }
  // The time is only looked at between messages, as in the kernel.
  return eachMessage(p, messages, count, (pointer, i) => {
    if (i > 0 && performance.now() >= deadline) return null;
    const now = i > 0 && flags & MSG_WAITFORONE ? flags | MSG_DONTWAIT : flags;
    return receiveMessage(p, fd, pointer, now & ~MSG_WAITFORONE);
  });
}
