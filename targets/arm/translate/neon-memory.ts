// Advanced SIMD loads and stores of structures: VLD1 to VLD4 and VST1 to VST4 on whole registers, one lane, all lanes.
import { type MemOp, MO_8, MO_64, MO_128 } from '../../../tcg/ir/types.ts';
import type { Value } from '../../../tcg/ir/value.ts';
import { QREGS } from '../state.ts';
import { type Handler, PC, type Translation } from './context.ts';
import { dOf, joinLow, readVector, shuffle, writeVector } from './neon-registers.ts';

/** Register numbers of m that say: the base stays; it moves on by what was transferred. */
const NO_WRITEBACK = 15;
const BY_SIZE = 13;

const COUNT = (n: number): number[] => Array.from({ length: n }, (_, k) => k);

/** The address, checked to be a multiple of `alignment` bytes. */
function addressOf(t: Translation, alignment: number, writes: boolean): Value {
  const address = t.copy(t.insn.n);
  if (alignment > 1) t.checkAlignment(address, alignment - 1, writes);
  return address;
}

function writeBack(t: Translation, address: Value, bytes: number): void {
  const { n, m } = t.insn;
  if (m === NO_WRITEBACK) return;
  t.setReg(n, t.b.add(address, m === BY_SIZE ? bytes : t.reg(m)));
}

// ---- whole registers

/** What an instruction transfers: structures of `elements`, `spacing` between registers of one, `regs` times side by side. */
interface Shape {
  readonly elements: number;
  readonly regs: number;
  readonly spacing: number;
}

function shapeOf(t: Translation, elements: number): Shape {
  const { r, y } = t.insn;
  return { elements, regs: r, spacing: elements === 2 && r === 2 ? 2 : y + 1 };
}

/** The D register of element `e` of the group `g`. */
function registerOf(d: number, { elements, regs, spacing }: Shape, e: number, g: number): number {
  return elements === 1 ? d + g : d + g * (regs > 1 ? 1 : 0) + e * spacing;
}

/**
 * Where byte `k` of a D register stands among the bytes of memory. Elements of a structure follow one another; of VLD2 on four
 * registers the second pair follows the first.
 */
function placeOf(shape: Shape, e: number, g: number, k: number, size: number, bigEndian: boolean): number {
  const { elements } = shape;
  const lane = Math.floor(k / size);
  const byte = bigEndian ? size - 1 - (k % size) : k % size;
  return g * 8 * elements + (lane * elements + e) * size + byte;
}

/** Checks an instruction and returns its alignment in bytes; 0: undefined. */
function alignmentOf(t: Translation, shape: Shape): number {
  const { s, a, n } = t.insn;
  const { elements, regs } = shape;
  const last = registerOf(dOf(t), shape, elements - 1, regs - 1);
  if (n === PC || last > 31) return 0;
  if (elements === 1) {
    if ((regs === 1 || regs === 3) && a & 2) return 0;
    if (regs === 2 && a === 3) return 0;
  } else {
    if (s === 3) return 0;
    if (elements === 2 && regs === 1 && a === 3) return 0;
    if (elements === 3 && a & 2) return 0;
  }
  return a === 0 ? 1 : 4 << a;
}

function loadMultiple(elements: number): Handler {
  return (t) => {
    const { b } = t;
    const shape = shapeOf(t, elements);
    const alignment = alignmentOf(t, shape);
    if (alignment === 0) return t.undefined();
    const address = addressOf(t, alignment, false);
    const bytes = 8 * shape.regs * elements;
    const chunks: Value[] = [];
    for (let at = 0; at < bytes; at += 16) {
      const memOp: MemOp = bytes - at >= 16 ? MO_128 : MO_64;
      chunks.push(b.emit('guest_ld_v128', b.add(address, at), null, null, memOp));
    }
    const d = dOf(t);
    const size = 1 << t.insn.s;
    const big = t.be !== 0 && size > 1;
    const whole = elements === 1 && !big;
    for (let g = 0; g < shape.regs; g++) {
      for (let e = 0; e < elements; e++) {
        const to = registerOf(d, shape, e, g);
        if (whole && !(to & 1) && g + 1 < shape.regs && g % 2 === 0) {
          b.set(QREGS[to >> 1]!, chunks[g >> 1]!);
          g++;
          continue;
        }
        const places = COUNT(8).map((k) => placeOf(shape, e, g, k, size, big));
        // A register's bytes come from one chunk or two neighbouring ones.
        const first = Math.min(...places) >> 4;
        const low = chunks[first]!;
        const high = chunks[first + 1] ?? low;
        writeVector(
          t,
          to,
          0,
          shuffle(
            t,
            low,
            high,
            places.map((at) => at - 16 * first),
          ),
        );
      }
    }
    writeBack(t, address, bytes);
  };
}

function storeMultiple(elements: number): Handler {
  return (t) => {
    const { b } = t;
    const shape = shapeOf(t, elements);
    const alignment = alignmentOf(t, shape);
    if (alignment === 0) return t.undefined();
    const address = addressOf(t, alignment, true);
    const bytes = 8 * shape.regs * elements;
    const d = dOf(t);
    const size = 1 << t.insn.s;
    const big = t.be !== 0 && size > 1;
    // For each byte of memory the register in order of transfer, and the byte of it.
    const sources: { register: number; byte: number }[] = [];
    const registers: number[] = [];
    for (let g = 0; g < shape.regs; g++) {
      for (let e = 0; e < elements; e++) {
        for (let k = 0; k < 8; k++)
          sources[placeOf(shape, e, g, k, size, big)] = { register: registers.length, byte: k };
        registers.push(registerOf(d, shape, e, g));
      }
    }
    const pairs = COUNT((registers.length + 1) >> 1).map((k): Value => {
      const [low, high] = [registers[2 * k]!, registers[2 * k + 1]];
      if (high === undefined) return readVector(t, low, 0);
      if (!(low & 1) && high === low + 1) return QREGS[low >> 1]!;
      return joinLow(t, readVector(t, low, 0), readVector(t, high, 0));
    });
    for (let at = 0; at < bytes; at += 16) {
      const count = Math.min(16, bytes - at);
      const wanted = sources.slice(at, at + count);
      const first = Math.min(...wanted.map(({ register }) => register)) >> 1;
      const order = wanted.map(({ register, byte }) => ((register >> 1) - first) * 16 + (register & 1) * 8 + byte);
      const low = pairs[first]!;
      const straight = order.every((from, k) => from === k);
      const value = straight ? low : shuffle(t, low, pairs[first + 1] ?? low, order);
      b.effect('guest_st_v128', b.add(address, at), value, null, count === 16 ? MO_128 : MO_64);
    }
    writeBack(t, address, bytes);
  };
}

// ---- one lane

interface Lane {
  readonly index: number;
  readonly spacing: number;
  readonly alignment: number;
}

/** Takes the index and alignment field of an instruction on one lane apart; null: undefined. */
function laneOf(t: Translation, elements: number): Lane | null {
  const { s, i, n } = t.insn;
  const index = i >> (s + 1);
  const spacing = s === 1 && i & 2 ? 2 : s === 2 && i & 4 ? 2 : 1;
  let alignment = 1;
  if (elements === 1) {
    if ((s === 0 && i & 1) || (s === 1 && i & 2) || (s === 2 && (i & 4 || ((i & 3) !== 0 && (i & 3) !== 3))))
      return null;
    if (s > 0 && i & 1) alignment = 1 << s;
  } else if (elements === 2) {
    if (s === 2 && i & 2) return null;
    if (i & 1) alignment = 2 << s;
  } else if (elements === 3) {
    if (s === 2 ? i & 3 : i & 1) return null;
  } else if (s === 2) {
    if ((i & 3) === 3) return null;
    if (i & 3) alignment = 4 << (i & 3);
  } else if (i & 1) {
    alignment = 4 << s;
  }
  if (n === PC || dOf(t) + (elements - 1) * spacing > 31) return null;
  return { index, spacing, alignment };
}

function onLane(elements: number, loads: boolean): Handler {
  return (t) => {
    const { b } = t;
    const lane = laneOf(t, elements);
    if (!lane) return t.undefined();
    const { s } = t.insn;
    const bits = 8 << s;
    const address = addressOf(t, lane.alignment, !loads);
    const at = (e: number): Value => b.add(address, e << s);
    // All is loaded before anything is written: a fault on the way leaves the registers alone.
    const values = loads ? COUNT(elements).map((e) => t.load(at(e), MO_8 + s)) : [];
    for (let e = 0; e < elements; e++) {
      const d = dOf(t) + e * lane.spacing;
      const q = QREGS[d >> 1]!;
      const number = (d & 1) * (64 / bits) + lane.index;
      if (loads) b.set(q, b.emit('setlane_i32', q, values[e]!, null, bits, number));
      else t.store(at(e), b.emit('lane_i32', q, null, null, bits, number), MO_8 + s);
    }
    writeBack(t, address, elements << s);
  };
}

// ---- all lanes; y: two registers, or one between those of a structure

function loadAll(elements: number): Handler {
  return (t) => {
    const { b } = t;
    const { s: size, a, y, n } = t.insn;
    let s = size;
    let alignment = 1;
    if (elements === 1) {
      if (s === 3 || (s === 0 && a)) return t.undefined();
      if (a) alignment = 1 << s;
    } else if (elements === 4) {
      if (s === 3) {
        if (!a) return t.undefined();
        s = 2;
        alignment = 16;
      } else if (a) {
        alignment = s === 2 ? 8 : 4 << s;
      }
    } else {
      if (s === 3 || (elements === 3 && a)) return t.undefined();
      if (a) alignment = 2 << s;
    }
    const spacing = y + 1;
    const d = dOf(t);
    const last = elements === 1 ? d + y : d + (elements - 1) * spacing;
    if (n === PC || last > 31) return t.undefined();
    const address = addressOf(t, alignment, false);
    const values = COUNT(elements).map((e) => t.load(b.add(address, e << s), MO_8 + s));
    for (let e = 0; e < elements; e++) {
      const vector = b.emit('splat_i32', values[e]!, null, null, 8 << s);
      writeVector(t, d + e * spacing, 0, vector);
      if (elements === 1 && y) writeVector(t, d + 1, 0, vector);
    }
    writeBack(t, address, elements << s);
  };
}

export const NEON_MEMORY = {
  VLD1_multiple: loadMultiple(1),
  VLD2_multiple: loadMultiple(2),
  VLD3_multiple: loadMultiple(3),
  VLD4_multiple: loadMultiple(4),
  VST1_multiple: storeMultiple(1),
  VST2_multiple: storeMultiple(2),
  VST3_multiple: storeMultiple(3),
  VST4_multiple: storeMultiple(4),
  VLD1_lane: onLane(1, true),
  VLD2_lane: onLane(2, true),
  VLD3_lane: onLane(3, true),
  VLD4_lane: onLane(4, true),
  VST1_lane: onLane(1, false),
  VST2_lane: onLane(2, false),
  VST3_lane: onLane(3, false),
  VST4_lane: onLane(4, false),
  VLD1_all: loadAll(1),
  VLD2_all: loadAll(2),
  VLD3_all: loadAll(3),
  VLD4_all: loadAll(4),
} satisfies Record<string, Handler>;
