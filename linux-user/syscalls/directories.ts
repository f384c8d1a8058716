// System calls that list directories.

import { EFAULT, EINVAL, EOVERFLOW } from '../../src/host/errno.ts';
import { SYS, sys3 } from '../../src/host/syscall.ts';
import { shownEntries } from '../proc-files.ts';
import type { Process } from '../process.ts';
import { read64, write64 } from '../structs.ts';
import { cookieFor, type Position } from './descriptor-notes.ts';
import type { Rows } from './row.ts';

/** Offsets in struct linux_dirent64, the same on every ABI: inode, position of the next entry, length, type, name. */
const D64_OFF = 8;
const D64_RECLEN = 16;
const D64_TYPE = 18;
const D64_NAME = 19;
/** The longest record: a name of 255 bytes. */
const LARGEST = 280;
/** More than this per call is never asked for: keeps the scratch buffer small. */
const MOST = 32768;
const SEEK_SET = 0;
const SEEK_CUR = 1;

function getdents64(p: Process, fd: number, buffer: number, count: number): number {
  count = p.room(buffer, count);
  let result = 0;
  do {
    result = p.wait(SYS.getdents64, fd, p.out(buffer, count), count, 0, 0, 0);
    if (result <= 0) return result;
    result = dropHidden(p, fd, buffer >>> 0, result);
  } while (result === 0);
  if (p.abi.model.longSize === 8) {
    if (!p.little) swapRecords(p, buffer >>> 0, result);
    return result;
  }
  // C libraries of 32-bit programs refuse positions of more than 32 bits in directories.
  buffer >>>= 0;
  const view = p.view;
  for (let at = buffer; at < buffer + result; at += view.getUint16(at + D64_RECLEN, true)) {
    if (view.getUint32(at + D64_OFF + 4, true) !== 0 || view.getInt32(at + D64_OFF, true) < 0) {
      write64(view, at + D64_OFF, cookieFor(fd, positionAt(view, at)), true);
    }
  }
  if (!p.little) swapRecords(p, buffer, result);
  return result;
}

/** Takes the host's records that the guest must not see out of guest memory; how many bytes are left. */
function dropHidden(p: Process, fd: number, buffer: number, length: number): number {
  const shows = shownEntries(fd);
  if (!shows) return length;
  const { view, memory } = p;
  let kept = buffer;
  for (let at = buffer; at < buffer + length; ) {
    const size = view.getUint16(at + D64_RECLEN, true);
    if (shows(nameAt(memory.u8, at))) {
      memory.u8.copyWithin(kept, at, at + size);
      kept += size;
    }
    at += size;
  }
  return kept - buffer;
}

/** The name in the host's record at `at`, bytes as latin1. */
function nameAt(u8: Uint8Array, at: number): string {
  const start = at + D64_NAME;
  return Buffer.from(u8.subarray(start, u8.indexOf(0, start))).toString('latin1');
}

/** Where the host's record at `at` says the next entry is, exactly. */
function positionAt(view: DataView, at: number): Position {
  const high = view.getInt32(at + D64_OFF + 4, true);
  return high >= 0 && high < 0x200000 ? read64(view, at + D64_OFF, true, true) : view.getBigInt64(at + D64_OFF, true);
}

/** Turns the host's byte order into the guest's, record by record. */
function swapRecords(p: Process, at: number, length: number): void {
  const end = at + length;
  while (at < end) {
    const size = p.view.getUint16(at + D64_RECLEN, true);
    for (const from of [0, D64_OFF]) {
      const low = p.view.getUint32(at + from, true);
      p.view.setUint32(at + from, p.view.getUint32(at + from + 4, true), false);
      p.view.setUint32(at + from + 4, low, false);
    }
    p.view.setUint16(at + D64_RECLEN, size, false);
    at += size;
  }
}

/**
 * The older form: struct linux_dirent with longs, the type in the record's last byte. The guest's records are smaller than
 * the host's: more is read than may fit, and the directory's position set back to what did not.
 */
function getdents(p: Process, fd: number, buffer: number, count: number): number {
  count = Math.min(p.room(buffer, count), MOST);
  const room = count * 2 + LARGEST;
  const scratch = p.scratch(room);
  let previous: Position = sys3(SYS.lseek, fd, 0, SEEK_CUR);
  const got = p.wait(SYS.getdents64, fd, scratch.address, room, 0, 0, 0);
  if (got <= 0) return got;
  const long = p.abi.model.longSize;
  const head = 2 * long + 2;
  const { view, u8 } = scratch;
  const shows = shownEntries(fd);
  buffer >>>= 0;
  let used = 0;
  for (let at = 0; at < got; ) {
    const record = view.getUint16(at + D64_RECLEN, true);
    if (shows && !shows(nameAt(u8, at))) {
      previous = positionAt(view, at);
      at += record;
      continue;
    }
    let nameEnd = at + D64_NAME;
    while (u8[nameEnd] !== 0) nameEnd++;
    const nameLength = nameEnd - (at + D64_NAME);
    // Name, its zero byte, the type, padding.
    const size = Math.ceil((head + nameLength + 2) / long) * long;
    const inode = read64(view, at, false, true);
    const offset = positionAt(view, at);
    const tooWide = long === 4 && inode > 0xffffffff;
    if (used + size > count || tooWide || !p.memory.prepareWrite(buffer + used, size)) {
      // The entries from here on are read again next time.
      sys3(SYS.lseek, fd, previous, SEEK_SET);
      if (used > 0) return used;
      return tooWide ? -EOVERFLOW : size > count ? -EINVAL : -EFAULT;
    }
    const to = buffer + used;
    writeLong(p, to, inode);
    writeLong(p, to + long, longPosition(p, fd, offset));
    p.view.setUint16(to + 2 * long, size, p.little);
    p.memory.u8.set(u8.subarray(at + D64_NAME, nameEnd + 1), to + head);
    p.memory.u8.fill(0, to + head + nameLength + 1, to + size - 1);
    p.view.setUint8(to + size - 1, u8[at + D64_TYPE]!);
    used += size;
    previous = offset;
    at += record;
  }
  // Nothing but hidden ones: what comes behind them.
  return used > 0 ? used : getdents(p, fd, buffer, count);
}

/** A position as a `long` of the guest. */
function longPosition(p: Process, fd: number, position: Position): number {
  const fits = p.abi.model.longSize === 8 || (position >= 0 && position <= 0x7fffffff);
  return fits ? Number(position) : cookieFor(fd, position);
}

function writeLong(p: Process, at: number, value: number): void {
  if (p.abi.model.longSize === 8) write64(p.view, at, value, p.little);
  else p.view.setInt32(at, value | 0, p.little);
}

/** readdir(2), the first form: one entry a call, whatever the count says. */
function oldReaddir(p: Process, fd: number, buffer: number): number {
  const scratch = p.scratch(LARGEST);
  const before = sys3(SYS.lseek, fd, 0, SEEK_CUR);
  const got = p.wait(SYS.getdents64, fd, scratch.address, LARGEST, 0, 0, 0);
  if (got <= 0) return got;
  const { view, u8 } = scratch;
  const shows = shownEntries(fd);
  if (shows && !shows(nameAt(u8, 0))) {
    sys3(SYS.lseek, fd, positionAt(view, 0), SEEK_SET);
    return oldReaddir(p, fd, buffer);
  }
  const inode = read64(view, 0, false, true);
  const offset = positionAt(view, 0);
  const long = p.abi.model.longSize;
  let length = 0;
  while (u8[D64_NAME + length] !== 0) length++;
  const head = 2 * long + 2;
  const tooWide = long === 4 && inode > 0xffffffff;
  const failed = tooWide || !p.memory.prepareWrite(buffer, head + length + 1);
  sys3(SYS.lseek, fd, failed ? before : offset, SEEK_SET);
  if (failed) return tooWide ? -EOVERFLOW : -EFAULT;
  buffer >>>= 0;
  writeLong(p, buffer, inode);
  writeLong(p, buffer + long, longPosition(p, fd, offset));
  p.view.setUint16(buffer + 2 * long, length, p.little);
  p.memory.u8.set(u8.subarray(D64_NAME, D64_NAME + length + 1), buffer + head);
  return 1;
}

export const DIRECTORY_ROWS = {
  getdents: { args: 'fd fd, out raw[count:result] dirp, size count', run: getdents },
  getdents64: { args: 'fd fd, out raw[count:result] dirp, size count', run: getdents64 },
  old_readdir: { args: 'fd fd, out raw[10] dirp, uint count', run: oldReaddir },
} satisfies Rows;
