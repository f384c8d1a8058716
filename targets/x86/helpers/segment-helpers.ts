// Loading segment registers and looking at descriptors, against the descriptor tables a 64-bit Linux gives a 32-bit process.
import { GuestException, type HelperPort } from '../../target.ts';
import { PLAIN_READ, PLAIN_WRITE, updateMode } from '../mode.ts';
import { X86_OFFSETS as O, Seg } from '../state.ts';
import { Vector } from '../vectors.ts';

/**
 * GDT entries as a 64-bit kernel has them (arch/x86/include/asm/segment.h): flat 32-bit code and data, 64-bit code, and one
 * whose limit is the number of the processor.
 */
const USER32_CS = 4;
const USER_DS = 5;
const USER64_CS = 6;
const CPU_NUMBER = 15;
const TLS_FIRST = 12;
const TLS_COUNT = 3;

/** A descriptor as its two words. */
interface Descriptor {
  readonly low: number;
  readonly high: number;
}

const FLAT_CODE: Descriptor = { low: 0x0000ffff, high: 0x00cffb00 };
const FLAT_DATA: Descriptor = { low: 0x0000ffff, high: 0x00cff300 };
const LONG_CODE: Descriptor = { low: 0x0000ffff, high: 0x00affb00 };
/** Processor 0, as RDPID says. */
const CPU_ZERO: Descriptor = { low: 0, high: 0x0040f500 };

// Descriptor bits in the second word (Intel SDM vol. 3, 3.4.5).
const PRESENT = 1 << 15;
const NON_SYSTEM = 1 << 12;
const CODE = 1 << 11;
/** Writable data or readable code. */
const ACCESSIBLE = 1 << 9;
/** Code that lower privileges may call, or data that grows down: its offsets are those above the limit. */
const CONFORMING = 1 << 10;
const EXPAND_DOWN = 1 << 10;
/** 64-bit code. */
const LONG = 1 << 21;
const BIG = 1 << 22;
const GRANULARITY = 1 << 23;

function find(view: DataView, env: number, selector: number): Descriptor | null {
  const index = selector >>> 3;
  if (selector & 4) {
    if (index >= view.getUint32(env + O.ldtEntries, true)) return null;
    const at = view.getUint32(env + O.ldtBase, true) + 8 * index;
    return { low: view.getUint32(at, true), high: view.getUint32(at + 4, true) };
  }
  if (index === USER32_CS) return FLAT_CODE;
  if (index === USER_DS) return FLAT_DATA;
  if (index === USER64_CS) return LONG_CODE;
  if (index === CPU_NUMBER) return CPU_ZERO;
  if (index >= TLS_FIRST && index < TLS_FIRST + TLS_COUNT) {
    const at = env + O.tls + 8 * (index - TLS_FIRST);
    return { low: view.getUint32(at, true), high: view.getUint32(at + 4, true) };
  }
  return null;
}

function base(d: Descriptor): number {
  return (d.low >>> 16) | ((d.high & 0xff) << 16) | (d.high & 0xff000000);
}

/** The limit in bytes minus 1, unsigned. */
function limit(d: Descriptor): number {
  const raw = (d.low & 0xffff) | (d.high & 0xf0000);
  return (d.high & GRANULARITY ? (raw << 12) | 0xfff : raw) >>> 0;
}

function isExpandDown(d: Descriptor): boolean {
  return !(d.high & CODE) && (d.high & EXPAND_DOWN) !== 0;
}

/** What generated code asks of a segment: whether every byte of the address space may be read, and written. */
function plainBits(d: Descriptor): number {
  if (limit(d) !== 0xffffffff || isExpandDown(d)) return 0;
  if (d.high & CODE) return d.high & ACCESSIBLE ? PLAIN_READ : 0;
  return d.high & ACCESSIBLE ? PLAIN_READ | PLAIN_WRITE : PLAIN_READ;
}

/** Puts a selector with its descriptor's parts into CPU state. The caller updates the mode word. */
function store(view: DataView, env: number, segment: number, selector: number, d: Descriptor | null): void {
  view.setUint32(env + O.selectors + 4 * segment, selector, true);
  storeHidden(view, env, segment, d);
}

/** The descriptor's parts. */
function storeHidden(view: DataView, env: number, segment: number, d: Descriptor | null): void {
  view.setUint32(env + O.segBases + 4 * segment, d ? base(d) : 0, true);
  view.setUint32(env + O.limits + 4 * segment, d ? limit(d) : 0, true);
  view.setUint32(env + O.attributes + 4 * segment, d ? ((d.high >>> 8) & 0xf0ff) | plainBits(d) : 0, true);
}

/** A descriptor was given new contents: segment registers that hold its selector follow. */
export function refreshSegments(view: DataView, env: number, selector: number, low: number, high: number): void {
  for (const segment of [Seg.ES, Seg.DS, Seg.FS, Seg.GS]) {
    if (view.getUint32(env + O.selectors + 4 * segment, true) !== selector) continue;
    storeHidden(view, env, segment, { low, high });
  }
  updateMode(view, env);
}

/**
 * Loads a data segment register as MOV does at CPL 3 (Intel SDM vol. 2, MOV): null selectors are fine except for SS, others
 * need a present descriptor of the right type and privilege.
 * @throws GuestException #GP, #NP or #SS with the selector as error code.
 */
export function loadSegment(view: DataView, env: number, segment: number, selector: number): void {
  selector &= 0xffff;
  const code = selector & 0xfffc;
  if (code === 0) {
    if (segment === Seg.SS) throw new GuestException(Vector.GP, 0);
    store(view, env, segment, selector, null);
    if (segment < Seg.FS) updateMode(view, env);
    return;
  }
  const d = find(view, env, selector);
  const privilege = d ? (d.high >>> 13) & 3 : 0;
  if (!d || !(d.high & NON_SYSTEM)) throw new GuestException(Vector.GP, code);
  if (segment === Seg.SS) {
    const writable = !(d.high & CODE) && d.high & ACCESSIBLE;
    if (!writable || (selector & 3) !== 3 || privilege !== 3) throw new GuestException(Vector.GP, code);
    if (!(d.high & PRESENT)) throw new GuestException(Vector.SS, code);
  } else {
    const readable = !(d.high & CODE) || d.high & ACCESSIBLE;
    const conforming = d.high & CODE && d.high & CONFORMING;
    if (!readable || (!conforming && privilege < 3)) throw new GuestException(Vector.GP, code);
    if (!(d.high & PRESENT)) throw new GuestException(Vector.NP, code);
  }
  store(view, env, segment, selector, d);
  if (segment < Seg.FS) updateMode(view, env);
}

/** The selectors a process starts with. */
export function resetSegments(view: DataView, env: number): void {
  store(view, env, Seg.CS, 0x23, FLAT_CODE);
  for (const segment of [Seg.SS, Seg.DS, Seg.ES]) store(view, env, segment, 0x2b, FLAT_DATA);
  for (const segment of [Seg.FS, Seg.GS]) store(view, env, segment, 0, null);
  updateMode(view, env);
}

/** `load_segment`. */
export function loadSegmentHelper(port: HelperPort) {
  return (env: number, segment: number, selector: number): undefined => {
    loadSegment(port.view, env, segment, selector);
    return undefined;
  };
}

/** `check_segment`; see CHECK_SEGMENT. */
export function checkSegmentHelper(port: HelperPort) {
  const { view } = port;
  return (env: number, segment: number, offset: number, sizeAndWrite: number): undefined => {
    const attributes = view.getUint32(env + O.attributes + 4 * segment, true) << 8;
    const last = view.getUint32(env + O.limits + 4 * segment, true);
    const bytes = sizeAndWrite & 0xff;
    const start = offset >>> 0;
    const end = start + bytes - 1;
    let fits: boolean;
    if (!(attributes & PRESENT)) fits = false;
    else if (!(attributes & CODE) && attributes & EXPAND_DOWN) {
      fits = start > last && end <= (attributes & BIG ? 0xffffffff : 0xffff);
    } else {
      // Offsets wrap around in segments of 4 GiB.
      fits = last === 0xffffffff || end <= last;
    }
    const allowed =
      sizeAndWrite >= 256
        ? !(attributes & CODE) && attributes & ACCESSIBLE
        : !(attributes & CODE) || attributes & ACCESSIBLE;
    if (fits && allowed) return undefined;
    throw new GuestException(segment === Seg.SS ? Vector.SS : Vector.GP, 0);
  };
}

/** `check_far`; see CHECK_FAR. */
export function checkFarHelper(port: HelperPort) {
  const { view } = port;
  return (env: number, selector: number, offset: number, returns: number): undefined => {
    const code = selector & 0xfffc;
    const wrong = (vector: Vector, error: number): never => {
      throw new GuestException(vector, error);
    };
    if (code === 0) wrong(Vector.GP, 0);
    // A return cannot lead to more privilege than there is.
    if (returns && (selector & 3) !== 3) wrong(Vector.GP, code);
    const d = find(view, env, selector & 0xffff);
    if (!d || !(d.high & NON_SYSTEM) || !(d.high & CODE)) return wrong(Vector.GP, code);
    const privilege = (d.high >>> 13) & 3;
    if (!(d.high & CONFORMING) && privilege !== 3) wrong(Vector.GP, code);
    if (!(d.high & PRESENT)) wrong(Vector.NP, code);
    if (d.high & LONG) {
      port.unimplemented?.('far transfer to 64-bit code');
      wrong(Vector.GP, code);
    }
    if (offset >>> 0 > limit(d)) wrong(Vector.GP, 0);
    return undefined;
  };
}

/** `load_code_segment`; see LOAD_CODE_SEGMENT. */
export function loadCodeSegmentHelper(port: HelperPort) {
  const { view } = port;
  return (env: number, selector: number, offset: number): number => {
    const d = find(view, env, selector & 0xffff) as Descriptor;
    store(view, env, Seg.CS, (selector & 0xfffc) | 3, d);
    updateMode(view, env);
    return (base(d) + offset) | 0;
  };
}

/** Loads CS as a return to user mode does; a selector of no code segment leaves it as it is. */
export function restoreCodeSegment(view: DataView, env: number, selector: number): void {
  if (view.getUint32(env + O.selectors + 4 * Seg.CS, true) === selector) return;
  const d = find(view, env, selector);
  const type = NON_SYSTEM | CODE | PRESENT;
  if (!d || (d.high & type) !== type || d.high & LONG) return;
  store(view, env, Seg.CS, selector | 3, d);
  updateMode(view, env);
}

/** `descriptor_query`: LAR, LSL, VERR, VERW by number; see DESCRIPTOR_QUERY. */
export function descriptorQueryHelper(port: HelperPort) {
  const { view } = port;
  return (env: number, which: number, selector: number): number => {
    if ((selector & 0xfffc) === 0) return 0;
    const d = find(view, env, selector & 0xffff);
    if (!d) return 0;
    const privilege = (d.high >>> 13) & 3;
    const code = (d.high & CODE) !== 0;
    const conforming = code && (d.high & CONFORMING) !== 0;
    if (!(d.high & NON_SYSTEM)) return 0;
    if (!conforming && privilege < 3) return 0;
    if (which === 2 && code && !(d.high & ACCESSIBLE)) return 0;
    if (which === 3 && (code || !(d.high & ACCESSIBLE))) return 0;
    const result = which === 0 ? d.high & 0x00ffff00 : limit(d);
    view.setUint32(env + O.scratch, result, true);
    return 1;
  };
}
