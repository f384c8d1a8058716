// Loading segment registers and looking at descriptors, against the descriptor tables a 64-bit Linux gives a 32-bit process.
import { GuestException, type HelperPort } from '../../target.ts';
import { X86_OFFSETS as O, Seg } from '../state.ts';
import { Vector } from '../vectors.ts';

/** GDT entries as a 64-bit kernel has them (arch/x86/include/asm/segment.h): flat 32-bit code and data, 64-bit code. */
const USER32_CS = 4;
const USER_DS = 5;
const USER64_CS = 6;
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

// Descriptor bits in the second word (Intel SDM vol. 3, 3.4.5).
const PRESENT = 1 << 15;
const NON_SYSTEM = 1 << 12;
const CODE = 1 << 11;
/** Writable data or readable code. */
const ACCESSIBLE = 1 << 9;
const CONFORMING = 1 << 10;
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
  if (index >= TLS_FIRST && index < TLS_FIRST + TLS_COUNT) {
    const at = env + O.tls + 8 * (index - TLS_FIRST);
    return { low: view.getUint32(at, true), high: view.getUint32(at + 4, true) };
  }
  return null;
}

function base(d: Descriptor): number {
  return (d.low >>> 16) | ((d.high & 0xff) << 16) | (d.high & 0xff000000);
}

function limit(d: Descriptor): number {
  const raw = (d.low & 0xffff) | (d.high & 0xf0000);
  return d.high & GRANULARITY ? (raw << 12) | 0xfff : raw;
}

/** Puts a selector with its descriptor's parts into CPU state. */
function store(view: DataView, env: number, segment: number, selector: number, d: Descriptor | null): void {
  view.setUint32(env + O.selectors + 4 * segment, selector, true);
  view.setUint32(env + O.segBases + 4 * segment, d ? base(d) : 0, true);
  view.setUint32(env + O.limits + 4 * segment, d ? limit(d) : 0, true);
  view.setUint32(env + O.attributes + 4 * segment, d ? (d.high >>> 8) & 0xf0ff : 0, true);
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
}

/** The selectors a process starts with. */
export function resetSegments(view: DataView, env: number): void {
  store(view, env, Seg.CS, 0x23, FLAT_CODE);
  for (const segment of [Seg.SS, Seg.DS, Seg.ES]) store(view, env, segment, 0x2b, FLAT_DATA);
  for (const segment of [Seg.FS, Seg.GS]) store(view, env, segment, 0, null);
}

/** `load_segment`. */
export function loadSegmentHelper(port: HelperPort) {
  return (env: number, segment: number, selector: number): undefined => {
    loadSegment(port.view, env, segment, selector);
    return undefined;
  };
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
