// Segment descriptors a 32-bit x86 program makes itself: set_thread_area, get_thread_area, modify_ldt.

import { EFAULT, EINVAL, ENOSYS, ESRCH } from '../../src/host/errno.ts';
import { STATE_BASE } from '../../src/memory/guest-pages.ts';
import { refreshSegments } from '../../targets/x86/helpers/segment-helpers.ts';
import { X86_OFFSETS } from '../../targets/x86/state.ts';
import type { AbiMemory, ArchCall } from './interface.ts';

/** GDT entries for thread-local storage, numbered as in a 64-bit kernel (GDT_ENTRY_TLS_MIN). */
const TLS_FIRST = 12;
const TLS_COUNT = 3;
const USER_DESC_SIZE = 16;
const LDT_ENTRIES = 8192;
const DESCRIPTOR_SIZE = 8;
/** The table of the process: the last 64 KiB of the emulator's per-thread blocks, out of the guest's reach. */
const LDT_BASE = STATE_BASE + 127 * 0x10000;

/** Bits of the flags word of struct user_desc (asm/ldt.h). */
const SEG_32BIT = 1;
const CONTENTS_SHIFT = 1;
const READ_EXEC_ONLY = 8;
const LIMIT_IN_PAGES = 16;
const SEG_NOT_PRESENT = 32;
const USEABLE = 64;

/** struct user_desc. */
interface UserDesc {
  readonly entry: number;
  readonly base: number;
  readonly limit: number;
  readonly flags: number;
}

function readUserDesc(memory: AbiMemory, pointer: number): UserDesc | undefined {
  if (!memory.checkRead(pointer, USER_DESC_SIZE)) return undefined;
  const at = pointer >>> 0;
  const { view } = memory;
  return {
    entry: view.getInt32(at, true),
    base: view.getUint32(at + 4, true),
    limit: view.getUint32(at + 8, true),
    flags: view.getUint32(at + 12, true) & 0x7f,
  };
}

/** Described as unused: everything zero, or what the kernel calls an empty descriptor. */
function isEmpty({ base, limit, flags }: UserDesc): boolean {
  return base === 0 && limit === 0 && (flags === 0 || flags === (READ_EXEC_ONLY | SEG_NOT_PRESENT));
}

/** The two words of a descriptor (SDM volume 3, 3.4.5): present or not, ring 3, accessed. */
function descriptorWords({ base, limit, flags }: UserDesc): [low: number, high: number] {
  const contents = (flags >>> CONTENTS_SHIFT) & 3;
  const type = (contents << 2) | (flags & READ_EXEC_ONLY ? 0 : 2) | 1;
  const low = ((base & 0xffff) << 16) | (limit & 0xffff);
  const high =
    (base & 0xff000000) |
    ((base >>> 16) & 0xff) |
    (limit & 0xf0000) |
    (type << 8) |
    0x7000 | // S = 1, DPL = 3
    (flags & SEG_NOT_PRESENT ? 0 : 0x8000) |
    (flags & USEABLE ? 0x100000 : 0) |
    (flags & SEG_32BIT ? 0x400000 : 0) |
    (flags & LIMIT_IN_PAGES ? 0x800000 : 0);
  return [low >>> 0, high >>> 0];
}

function tlsAddress(env: number, index: number): number {
  return env + X86_OFFSETS.tls + index * DESCRIPTOR_SIZE;
}

/** Sets TLS entry `desc.entry`, or the first unused one for -1; the number, or -errno. */
function setTlsEntry(view: DataView, env: number, desc: UserDesc): number {
  const contents = (desc.flags >>> CONTENTS_SHIFT) & 3;
  if (!isEmpty(desc) && (!(desc.flags & SEG_32BIT) || contents > 1 || desc.flags & SEG_NOT_PRESENT)) return -EINVAL;
  let index = desc.entry - TLS_FIRST;
  if (desc.entry === -1) {
    index = 0;
    while (index < TLS_COUNT && view.getUint32(tlsAddress(env, index) + 4, true) !== 0) index++;
    if (index === TLS_COUNT) return -ESRCH;
  }
  if (index < 0 || index >= TLS_COUNT) return -EINVAL;
  const [low, high] = isEmpty(desc) ? [0, 0] : descriptorWords(desc);
  view.setUint32(tlsAddress(env, index), low, true);
  view.setUint32(tlsAddress(env, index) + 4, high, true);
  refreshSegments(view, env, ((index + TLS_FIRST) << 3) | 3, low, high);
  return index + TLS_FIRST;
}

function setThreadArea(memory: AbiMemory, env: number, pointer: number): number {
  const desc = readUserDesc(memory, pointer);
  if (!desc) return -EFAULT;
  const writable = desc.entry !== -1 || memory.prepareWrite(pointer, 4);
  const entry = setTlsEntry(memory.view, env, desc);
  if (entry < 0) return entry;
  if (!writable) return -EFAULT;
  if (desc.entry === -1) memory.view.setInt32(pointer >>> 0, entry, true);
  return 0;
}

function getThreadArea(memory: AbiMemory, env: number, pointer: number): number {
  if (!memory.checkRead(pointer, 4)) return -EFAULT;
  const { view } = memory;
  const at = pointer >>> 0;
  const index = view.getInt32(at, true) - TLS_FIRST;
  if (index < 0 || index >= TLS_COUNT) return -EINVAL;
  if (!memory.prepareWrite(pointer, USER_DESC_SIZE)) return -EFAULT;
  const low = view.getUint32(tlsAddress(env, index), true);
  const high = view.getUint32(tlsAddress(env, index) + 4, true);
  view.setUint32(at + 4, ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff000000)) >>> 0, true);
  view.setUint32(at + 8, (low & 0xffff) | (high & 0xf0000), true);
  view.setUint32(
    at + 12,
    (high & 0x400000 ? SEG_32BIT : 0) |
      (((high >>> 10) & 3) << CONTENTS_SHIFT) |
      (high & 0x200 ? 0 : READ_EXEC_ONLY) |
      (high & 0x800000 ? LIMIT_IN_PAGES : 0) |
      (high & 0x8000 ? 0 : SEG_NOT_PRESENT) |
      (high & 0x100000 ? USEABLE : 0),
    true,
  );
  return 0;
}

/** modify_ldt(2): 0 read, 2 read the default table, 1 and 0x11 write an entry in the old and the present way. */
function modifyLdt(memory: AbiMemory, env: number, func: number, pointer: number, count: number): number {
  if (func === 0) return readLdt(memory, env, pointer, count >>> 0);
  if (func === 2) {
    const length = Math.min(count >>> 0, 128);
    if (!memory.prepareWrite(pointer, length)) return -EFAULT;
    for (let i = 0; i < length; i++) memory.view.setUint8((pointer >>> 0) + i, 0);
    return length;
  }
  if (func === 1 || func === 0x11) return writeLdt(memory, env, pointer, count, func === 1);
  return -ENOSYS;
}

function readLdt(memory: AbiMemory, env: number, pointer: number, count: number): number {
  const { view } = memory;
  const entries = view.getUint32(env + X86_OFFSETS.ldtEntries, true);
  if (entries === 0) return 0;
  count = Math.min(count, LDT_ENTRIES * DESCRIPTOR_SIZE);
  if (!memory.prepareWrite(pointer, count)) return -EFAULT;
  const filled = Math.min(count, entries * DESCRIPTOR_SIZE);
  for (let i = 0; i < count; i++) {
    view.setUint8((pointer >>> 0) + i, i < filled ? view.getUint8(LDT_BASE + i) : 0);
  }
  return count;
}

function writeLdt(memory: AbiMemory, env: number, pointer: number, count: number, old: boolean): number {
  if (count !== USER_DESC_SIZE) return -EINVAL;
  const desc = readUserDesc(memory, pointer);
  if (!desc) return -EFAULT;
  if (desc.entry >>> 0 >= LDT_ENTRIES) return -EINVAL;
  const contents = (desc.flags >>> CONTENTS_SHIFT) & 3;
  if (contents === 3 && (old || !(desc.flags & SEG_NOT_PRESENT))) return -EINVAL;
  const clear = isEmpty(desc) || (old && desc.base === 0 && desc.limit === 0);
  const [low, high] = clear ? [0, 0] : descriptorWords(old ? { ...desc, flags: desc.flags & ~USEABLE } : desc);
  const { view } = memory;
  const at = LDT_BASE + desc.entry * DESCRIPTOR_SIZE;
  view.setUint32(at, low, true);
  view.setUint32(at + 4, high, true);
  const entries = view.getUint32(env + X86_OFFSETS.ldtEntries, true);
  view.setUint32(env + X86_OFFSETS.ldtBase, LDT_BASE, true);
  view.setUint32(env + X86_OFFSETS.ldtEntries, Math.max(entries, desc.entry + 1), true);
  refreshSegments(view, env, (desc.entry << 3) | 7, low, high);
  return 0;
}

const ARCH_GET_CPUID = 0x1011;

/** arch_prctl(2) of 32-bit processes: whether CPUID faults (it does not), and options of CPUs this is not. */
function archPrctl(_: AbiMemory, _env: number, option: number): number {
  return option === ARCH_GET_CPUID ? 1 : -EINVAL;
}

/** What clone(2) with CLONE_SETTLS does: the argument leads to a struct user_desc naming its entry. 0 or -errno. */
export function setTlsByClone(memory: AbiMemory, env: number, pointer: number): number {
  const desc = readUserDesc(memory, pointer);
  if (!desc) return -EFAULT;
  if (desc.entry === -1) return -EINVAL;
  return Math.min(0, setTlsEntry(memory.view, env, desc));
}

export const I386_CALLS: Readonly<Record<string, ArchCall>> = {
  set_thread_area: { args: 'inout user_desc u_info', run: setThreadArea },
  get_thread_area: { args: 'inout user_desc u_info', run: getThreadArea },
  arch_prctl: { args: 'hex option, ulong arg2', run: archPrctl },
  modify_ldt: { args: 'int func, addr ptr, ulong bytecount', run: modifyLdt },
};
