/** Guest memory as seen by whoever reads and writes it: the shared wasm memory, the page table, access checks, code pages. */

import { EFAULT } from '../host/errno.ts';
import { hostAddress } from '../host/syscall.ts';
import { hostAdvise, hostMap, hostProtect, hostProtection, hostReserve } from './host-pages.ts';
import {
  MAP_ANONYMOUS,
  MAP_NORESERVE,
  MAP_PRIVATE,
  PAGE_ACCESS,
  PAGE_ANON,
  PAGE_CODE,
  PAGE_EXEC,
  PAGE_GROWSDOWN,
  PAGE_MAPPED,
  PAGE_READ,
  PAGE_SHARED,
  PAGE_SHIFT,
  PAGE_SIZE,
  PAGE_WRITE,
  PROT_READ,
  PROT_WRITE,
} from './page-flags.ts';
import { newMemory } from './wasm-memory.ts';

/** Start of the 16 MiB that hold emulator state; never given to the guest. */
export const STATE_BASE = 0xfe000000;
export const STATE_SIZE = 0x01000000;

/** Where the CPU state at guest address `env` is in `stateView`, which is ten times as fast as all of memory. */
export function stateAt(env: number): number {
  return (env - STATE_BASE) | 0;
}

/** Pages in the 4 GiB of a 32-bit address. */
const PAGE_COUNT = 1 << 20;

const MADV_DONTNEED = 4;
const MADV_POPULATE_READ = 22;
const MADV_POPULATE_WRITE = 23;

/** Places for file pages known to exist; a power of two. */
const POPULATED_PLACES = 256;

/** Words shared by all threads, behind the page table (indices into `control`). */
export const CONTROL = {
  /** 1 while a thread holds the lock. */
  lock: 0,
  /** Page number below which the search for free space starts (mmap_base). */
  mmapBase: 1,
  /** Every page from here up to mmapBase is mapped: where the search may start. */
  searchStart: 2,
  /** First byte of the heap and its current end, as brk(2) sees them. */
  brkStart: 3,
  brk: 4,
  /** How large a MAP_GROWSDOWN mapping may become, bytes (RLIMIT_STACK). */
  stackLimit: 5,
} as const;
const CONTROL_WORDS = 16;

/** What a second thread needs to see the same guest memory; can be passed to a Worker. */
export interface SharedMemory {
  readonly memory: WebAssembly.Memory;
  readonly table: SharedArrayBuffer;
  readonly taskSize: number;
}

/**
 * Memories in use. The engine would hand the address range of a collected memory to the next one while guest files are
 * still mapped there, so a memory stays until `dispose` has made its range plain again.
 */
const live = new Set<GuestPages>();

/**
 * The guest's 4 GiB. Any JavaScript access to a page the host protects kills the process, so every such access must
 * follow a check of the same call: `checkRead`, or `prepareWrite` for writing. Addresses are numbers taken modulo 2^32
 * (negative int32 forms are fine); lengths are numbers from 0 to 2^32.
 */
export class GuestPages {
  readonly memory: WebAssembly.Memory;
  /** Host address of guest address 0. */
  readonly base: number;
  /** All 4 GiB. JavaScript indexes below 2^31 are fast; above that prefer `u32` or the read/write functions (20 times). */
  readonly u8: Uint8Array;
  /** All 4 GiB as words (index = address >>> 2): fast everywhere, aligned addresses only. */
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly view: DataView;
  /**
   * The emulator's part alone: index = address - STATE_BASE. An access costs about 1 ns, through `view` 10 ns (indexes from
   * 2^31 on are outside the engine's fast path).
   */
  readonly stateView: DataView;
  /** Flags of each page (page-flags.ts), shared by all threads. */
  readonly pages: Uint8Array;
  /** First address that is not the guest's. */
  readonly taskSize: number;
  /** READ_IMPLIES_EXEC of personality(2): mappings made readable become executable too. */
  readImpliesExec = false;

  /**
   * Pages first..last hold translations and are about to be written by the host on the guest's behalf. The engine drops
   * the translations and calls `unprotectCode` for the pages.
   */
  onCodeWrite: (firstPage: number, lastPage: number) => void = (first, last) => this.unprotectCode(first, last);
  /** The same for pages about to be unmapped, replaced, moved or made non-executable; unless set, it is onCodeWrite. */
  onUnmapCode: (firstPage: number, lastPage: number) => void = (first, last) => this.onCodeWrite(first, last);

  protected readonly table: SharedArrayBuffer;
  protected readonly control: Int32Array;
  /** Two halves, because JavaScript's fast path for typed arrays ends at index 2^31 - 1. */
  private readonly low: DataView;
  private readonly high: DataView;
  private lockDepth = 0;
  /** File pages lately found to have something behind them: page number and epoch, by the low bits of the page number. */
  private readonly populatedPage = new Int32Array(POPULATED_PLACES).fill(-1);
  private readonly populatedSince = new Int32Array(POPULATED_PLACES);
  private populatedEpoch = 1;

  /**
   * Makes a new, empty guest memory whose guest addresses end at `taskSize` (a page boundary, at most STATE_BASE), or
   * joins one that another thread made.
   */
  constructor(taskSize: number = STATE_BASE, shared?: SharedMemory) {
    this.memory = shared?.memory ?? newMemory();
    this.table = shared?.table ?? new SharedArrayBuffer(PAGE_COUNT + 4 * CONTROL_WORDS);
    this.taskSize = shared?.taskSize ?? Math.min(taskSize, STATE_BASE);
    const buffer = this.memory.buffer;
    this.u8 = new Uint8Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.view = new DataView(buffer);
    this.stateView = new DataView(buffer, STATE_BASE, STATE_SIZE);
    // The low half reaches a little over the middle so that no access below 2^31 is cut.
    this.low = new DataView(buffer, 0, 0x80000000 + 16);
    this.high = new DataView(buffer, 0x80000000);
    this.base = hostAddress(this.u8);
    this.pages = new Uint8Array(this.table, 0, PAGE_COUNT);
    this.control = new Int32Array(this.table, PAGE_COUNT, CONTROL_WORDS);
    live.add(this);
    if (!shared) {
      this.control[CONTROL.mmapBase] = this.control[CONTROL.searchStart] = this.taskSize >>> PAGE_SHIFT;
      const stateEnd = STATE_BASE + STATE_SIZE;
      if (hostReserve(this.base, STATE_BASE) < 0 || hostReserve(this.base + stateEnd, 2 ** 32 - stateEnd) < 0) {
        throw new Error('the system refuses to reserve the guest address space');
      }
    }
  }

  /** Gives everything back, in the thread that made it; no thread may use the memory afterwards. */
  dispose(): void {
    if (!live.delete(this)) return;
    hostMap(this.base, 2 ** 32, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    this.pages.fill(0);
  }

  /**
   * Makes the page table zero, by having the kernel take its memory back: in the child of a fork most of it is zero already,
   * and to write zeros there would copy it all.
   */
  protected forgetPages(): void {
    const { pages } = this;
    const before = -hostAddress(pages) & (PAGE_SIZE - 1);
    const whole = Math.floor((pages.length - before) / PAGE_SIZE) * PAGE_SIZE;
    if (hostAdvise(hostAddress(pages) + before, whole, MADV_DONTNEED) < 0) pages.fill(0);
    else pages.fill(0, 0, before).fill(0, before + whole);
  }

  /** What another thread passes to the constructor. */
  share(): SharedMemory {
    return { memory: this.memory, table: this.table, taskSize: this.taskSize };
  }

  // Checks

  /** Whether addresses addr..addr+length-1 all belong to the guest, mapped or not (access_ok of the kernel). */
  inRange(addr: number, length: number): boolean {
    return (addr >>> 0) + length <= this.taskSize;
  }

  /** Whether the guest may read the bytes. True for length 0. */
  checkRead(addr: number, length: number): boolean {
    return this.check(addr, length, PAGE_READ);
  }

  /** Whether the guest may write the bytes. Before writing from JavaScript or the host call `prepareWrite` instead. */
  checkWrite(addr: number, length: number): boolean {
    return this.check(addr, length, PAGE_WRITE);
  }

  /** Whether the guest may execute the bytes (and JavaScript may therefore read them). */
  checkExec(addr: number, length = 1): boolean {
    return this.check(addr, length, PAGE_EXEC);
  }

  /** Whether the guest has mapped the page that holds `addr`, whatever access it allows. */
  isMapped(addr: number): boolean {
    return this.pages[addr >>> PAGE_SHIFT] !== 0;
  }

  /** `checkWrite`, and translations made from those pages are dropped so that JavaScript and the host may write there. */
  prepareWrite(addr: number, length: number): boolean {
    if (length === 0) return true;
    addr >>>= 0;
    const last = addr + length - 1;
    if (last >= this.taskSize) return false;
    const pages = this.pages;
    const end = last >>> PAGE_SHIFT;
    let all = 0xff;
    let any = 0;
    for (let page = addr >>> PAGE_SHIFT; page <= end; page++) {
      const flags = pages[page]!;
      all &= flags;
      any |= flags;
    }
    if ((all & (PAGE_WRITE | PAGE_ANON)) === (PAGE_WRITE | PAGE_ANON) && (any & PAGE_CODE) === 0) return true;
    if (!(all & PAGE_WRITE) && !this.growAndCheck(addr, length, PAGE_WRITE)) return false;
    if (any & PAGE_CODE) this.dropCode(addr >>> PAGE_SHIFT, end, this.onCodeWrite);
    return all & PAGE_ANON ? true : this.populate(addr, length, PAGE_WRITE);
  }

  /** `checkWrite`, and none of the pages holds translated code: generated code may write there as it is. */
  checkWriteNoCode(addr: number, length: number): boolean {
    if (!this.check(addr, length, PAGE_WRITE)) return false;
    if (length === 0) return true;
    const end = ((addr >>> 0) + length - 1) >>> PAGE_SHIFT;
    for (let page = addr >>> PAGE_SHIFT; page <= end; page++) if (this.pages[page]! & PAGE_CODE) return false;
    return true;
  }

  /** `checkExec` of one byte, cheap for pages that code was translated from before. */
  canFetch(addr: number): boolean {
    const flags = this.pages[addr >>> PAGE_SHIFT]!;
    return flags & PAGE_CODE ? (flags & PAGE_EXEC) !== 0 : this.checkExec(addr);
  }

  /**
   * For bytes the host kernel itself will write: it knows the protections and stops at the right byte, so only the range
   * and translated pages need care. False when the range leaves the guest's addresses.
   */
  prepareHostWrite(addr: number, length: number): boolean {
    if (length === 0) return true;
    addr >>>= 0;
    const last = addr + length - 1;
    if (last >= this.taskSize) return false;
    const pages = this.pages;
    const end = last >>> PAGE_SHIFT;
    let any = 0;
    for (let page = addr >>> PAGE_SHIFT; page <= end; page++) any |= pages[page]!;
    if (any & PAGE_CODE) this.dropCode(addr >>> PAGE_SHIFT, end, this.onCodeWrite);
    return true;
  }

  private check(addr: number, length: number, need: number): boolean {
    if (length === 0) return true;
    addr >>>= 0;
    const last = addr + length - 1;
    if (last >= this.taskSize) return this.checkKernelPage(addr, last, need);
    const pages = this.pages;
    const end = last >>> PAGE_SHIFT;
    let all = 0xff;
    for (let page = addr >>> PAGE_SHIFT; page <= end; page++) all &= pages[page]!;
    if (!(all & need)) return this.growAndCheck(addr, length, need);
    return all & PAGE_ANON ? true : this.populate(addr, length, need);
  }

  /** Above the guest's own addresses there may be pages the kernel gives it (`mapKernelPage`). */
  private checkKernelPage(addr: number, last: number, need: number): boolean {
    return (
      addr >>> PAGE_SHIFT === last >>> PAGE_SHIFT && last < 2 ** 32 && (this.pages[addr >>> PAGE_SHIFT]! & need) !== 0
    );
  }

  /** The rare way to a yes: the bytes lie just below a mapping that grows downwards. */
  private growAndCheck(addr: number, length: number, need: number): boolean {
    const end = (addr + length - 1) >>> PAGE_SHIFT;
    let all = 0xff;
    // From the top down, as each page can only grow out of the one above it.
    for (let page = end; page >= addr >>> PAGE_SHIFT; page--) {
      if (this.pages[page] === 0 && !this.growDown(page << PAGE_SHIFT)) return false;
      all &= this.pages[page]!;
      if (!(all & need)) return false;
    }
    return all & PAGE_ANON ? true : this.populate(addr, length, need);
  }

  /**
   * Extends a MAP_GROWSDOWN mapping to hold `addr` if there is one to extend; the engine asks before it reports a fault
   * on an unmapped page. Overridden where mappings are made.
   */
  growDown(_addr: number): boolean {
    return false;
  }

  /**
   * A page of a file can be mapped and yet have nothing behind it (the file is shorter); touching it is SIGBUS. The kernel
   * touches them for us and reports instead. False only for such pages. Asking costs a system call, so pages found good are
   * remembered until `forgetPopulated`.
   */
  private populate(addr: number, length: number, need: number): boolean {
    const page = addr >>> PAGE_SHIFT;
    const single = (addr + length - 1) >>> PAGE_SHIFT === page;
    const place = page & (POPULATED_PLACES - 1);
    if (single && this.populatedPage[place] === page && this.populatedSince[place] === this.populatedEpoch) return true;
    const first = addr - (addr % PAGE_SIZE);
    const advice = need & PAGE_WRITE ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
    const size = Math.ceil((addr + length - first) / PAGE_SIZE) * PAGE_SIZE;
    // Anything but EFAULT says that this kernel or this kind of mapping cannot be asked.
    if (hostAdvise(this.base + first, size, advice) === -EFAULT) return false;
    if (single) {
      this.populatedPage[place] = page;
      this.populatedSince[place] = this.populatedEpoch;
    }
    return true;
  }

  /** To be called whenever the guest may have changed mappings or the length of files: after each system call. */
  forgetPopulated(): void {
    this.populatedEpoch = (this.populatedEpoch + 1) | 0;
  }

  // Translated code

  /** Marks pages as translated: the host page becomes read-only, so that a guest write to it faults. */
  protectCode(firstPage: number, lastPage = firstPage): void {
    for (let page = firstPage; page <= lastPage; page++) {
      this.protectPage(page);
      if (this.pages[page]! & PAGE_SHARED) this.watchShared(page);
    }
  }

  protected protectPage(page: number): void {
    const flags = this.pages[page]!;
    if (flags & PAGE_CODE) return;
    this.pages[page] = flags | PAGE_CODE;
    if (flags & PAGE_WRITE) hostProtect(this.base + page * PAGE_SIZE, PAGE_SIZE, hostProtection(flags & ~PAGE_WRITE));
  }

  /** A page of a shared mapping was translated: it may be written through another one. Overridden where mappings are made. */
  protected watchShared(_page: number): void {}

  /** Other translated pages whose memory `page` is too; they lose their translations with it. */
  protected sameMemory(_page: number): readonly number[] {
    return [];
  }

  /** Takes the mark back and restores the guest's protection. */
  unprotectCode(firstPage: number, lastPage = firstPage): void {
    for (let page = firstPage; page <= lastPage; page++) {
      const flags = this.pages[page]!;
      if (!(flags & PAGE_CODE)) continue;
      this.pages[page] = flags & ~PAGE_CODE;
      if (flags & PAGE_WRITE) hostProtect(this.base + page * PAGE_SIZE, PAGE_SIZE, hostProtection(flags));
    }
  }

  /** Calls `hook` for each run of translated pages in first..last and sees to it that none stays protected. */
  protected dropCode(first: number, last: number, hook: (firstPage: number, lastPage: number) => void): void {
    const pages = this.pages;
    for (let page = first; page <= last; page++) {
      if (!(pages[page]! & PAGE_CODE)) continue;
      const start = page;
      while (page < last && pages[page + 1]! & PAGE_CODE) page++;
      hook(start, page);
      for (let at = start; at <= page; at++) {
        if (!(pages[at]! & PAGE_SHARED)) continue;
        for (const other of this.sameMemory(at)) {
          hook(other, other);
          this.unprotectCode(other);
        }
      }
      this.unprotectCode(start, page);
    }
  }

  /** The contents of the bytes change behind everybody's back (MADV_DONTNEED and the like): translations go. */
  discardCode(addr: number, length: number): void {
    if (length === 0 || !this.inRange(addr, length)) return;
    addr >>>= 0;
    this.dropCode(addr >>> PAGE_SHIFT, (addr + length - 1) >>> PAGE_SHIFT, this.onUnmapCode);
  }

  // Access without a check: the caller has made one

  read8(addr: number): number {
    addr |= 0;
    return addr < 0 ? this.high.getUint8(addr & 0x7fffffff) : this.low.getUint8(addr);
  }

  read16(addr: number): number {
    addr |= 0;
    return addr < 0 ? this.high.getUint16(addr & 0x7fffffff, true) : this.low.getUint16(addr, true);
  }

  /** Unsigned. */
  read32(addr: number): number {
    addr |= 0;
    // Five times as fast; the host's byte order is the little-endian one.
    if ((addr & 3) === 0) return this.u32[addr >>> 2]!;
    return addr < 0 ? this.high.getUint32(addr & 0x7fffffff, true) : this.low.getUint32(addr, true);
  }

  write8(addr: number, value: number): void {
    addr |= 0;
    if (addr < 0) this.high.setUint8(addr & 0x7fffffff, value);
    else this.low.setUint8(addr, value);
  }

  write16(addr: number, value: number): void {
    addr |= 0;
    if (addr < 0) this.high.setUint16(addr & 0x7fffffff, value, true);
    else this.low.setUint16(addr, value, true);
  }

  write32(addr: number, value: number): void {
    addr |= 0;
    if ((addr & 3) === 0) this.i32[addr >>> 2] = value;
    else if (addr < 0) this.high.setUint32(addr & 0x7fffffff, value, true);
    else this.low.setUint32(addr, value, true);
  }

  // Checked access in bulk

  /** A copy of the bytes, or undefined (EFAULT). */
  readBytes(addr: number, length: number): Uint8Array<ArrayBuffer> | undefined {
    if (!this.checkRead(addr, length)) return undefined;
    addr >>>= 0;
    const copy = new Uint8Array(length);
    copy.set(this.u8.subarray(addr, addr + length));
    return copy;
  }

  /** Stores the bytes; false (EFAULT) with nothing written when a part may not be written. */
  writeBytes(addr: number, bytes: Uint8Array): boolean {
    if (!this.prepareWrite(addr, bytes.length)) return false;
    this.u8.set(bytes, addr >>> 0);
    return true;
  }

  /**
   * The bytes up to, without, the first zero byte; undefined (EFAULT) when an unreadable page comes before it. A result
   * of exactly `max` bytes means that none was found among the first `max` (ENAMETOOLONG, E2BIG).
   */
  readCString(addr: number, max: number): Uint8Array<ArrayBuffer> | undefined {
    addr >>>= 0;
    const limit = addr + max;
    let at = addr;
    let end = -1;
    while (at < limit && end < 0) {
      const stop = Math.min(limit, at - (at % PAGE_SIZE) + PAGE_SIZE);
      if (!this.checkRead(at, stop - at)) return undefined;
      const zero = this.u8.subarray(at, stop).indexOf(0);
      if (zero >= 0) end = at + zero;
      at = stop;
    }
    if (end < 0) end = limit;
    const copy = new Uint8Array(end - addr);
    copy.set(this.u8.subarray(addr, end));
    return copy;
  }

  // The lock around changes of the page table

  /** Takes the lock; the same thread may take it again. */
  protected lock(): void {
    if (this.lockDepth++ > 0) return;
    while (Atomics.compareExchange(this.control, CONTROL.lock, 0, 1) !== 0) {
      Atomics.wait(this.control, CONTROL.lock, 1);
    }
  }

  protected unlock(): void {
    if (--this.lockDepth > 0) return;
    Atomics.store(this.control, CONTROL.lock, 0);
    Atomics.notify(this.control, CONTROL.lock, 1);
  }

  /** Whether the guest access that failed at `addr` failed although the page allows it: no data behind a file's page. */
  isBeyondFile(addr: number, access: number): boolean {
    const flags = this.pages[addr >>> PAGE_SHIFT]!;
    return (flags & PAGE_MAPPED) !== 0 && (flags & access) === access && !(flags & PAGE_ANON);
  }

  /** Access and kind bits of the page that holds `addr`; 0 when the guest has not mapped it. */
  pageFlags(addr: number): number {
    return this.pages[addr >>> PAGE_SHIFT]! & (PAGE_ACCESS | PAGE_MAPPED | PAGE_GROWSDOWN | PAGE_ANON);
  }
}
