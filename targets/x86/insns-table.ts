// The rows made ready for decoding: a table per opcode map whose entries are parsed at first use.

import type { X86Feature, X86Mnemonic } from './insns.ts';
import { GROUPS } from './insns-groups.ts';
import { ONE_BYTE } from './insns-one-byte.ts';
import type { RowSpec } from './insns-row.ts';
import { SIMD_0F, SIMD_0F3A, SIMD_0F38, THREE_D_NOW } from './insns-simd.ts';
import { TWO_BYTE, ZERO_F_38 } from './insns-two-byte.ts';
import { X87 } from './insns-x87.ts';
import { ImmediateForm, NO_SPEC, type OperandSpec, operandSpec } from './operands.ts';

/** The attributes of a row as bits of Row.bits. */
export enum RowBit {
  /** takes a ModRM byte */
  Modrm = 1 << 0,
  /** mod = 3 is #UD */
  MemOnly = 1 << 1,
  /** mod other than 3 is #UD */
  RegOnly = 1 << 2,
  /** mod is ignored, as if 3 */
  ModIgnored = 1 << 3,
  /** LOCK is allowed with a memory destination */
  Lockable = 1 << 4,
  /** #GP outside CPL 0 */
  Privileged = 1 << 5,
  /** #GP, or the I/O bitmap decides, when CPL > IOPL */
  IoPrivileged = 1 << 6,
  /** translation stops here */
  EndsBlock = 1 << 7,
  /** repeated by REP, REPE, REPNE */
  String = 1 << 8,
  /** #NM by CR0.EM or CR0.TS */
  X87 = 1 << 9,
  /** an X87 row that does not wait for pending exceptions */
  NoWait = 1 << 10,
  /** the last byte selects a row of 3DNow! */
  ThreeDNow = 1 << 11,
  /** operand size is 64 in 64-bit mode: by default, always */
  Default64 = 1 << 12,
  Force64 = 1 << 13,
  /** #UD outside CPL 0 */
  PrivilegedUd = 1 << 14,
  /** no instruction, but its operands are fetched */
  Undefined = 1 << 15,
}

/** What a row does to the flags; each field is a set of EFLAGS bits. */
export class FlagEffect {
  /** bits whose value before matters */
  tested = 0;
  /** bits whose value before is surely gone, whether defined afterwards or not */
  killed = 0;
  /** bits that some counts change and others (zero) leave alone */
  conditional = 0;
  /** bits without defined value afterwards, among killed and conditional */
  undefined = 0;
  /** bits always 0, and always 1, afterwards */
  cleared = 0;
  set = 0;
}

const CF = 0x1;
const PF = 0x4;
const ZF = 0x40;
const SF = 0x80;
const OF = 0x800;

/** EFLAGS bits in the order of the flags column: OF SF ZF AF PF CF DF IF. */
const FLAG_COLUMN = [OF, SF, ZF, 0x10, PF, CF, 0x400, 0x200];

/** Flags tested by condition >> 1 (SDM volume 1, appendix B). */
const CONDITION_TESTS = [OF, CF, ZF, CF | ZF, SF, PF, SF | OF, SF | OF | ZF];

const effects = new Map<string, FlagEffect>();

function flagEffect(column: string, cond: number): FlagEffect {
  const key = cond < 0 ? column : `cc${cond >> 1}`;
  let effect = effects.get(key);
  if (effect !== undefined) return effect;
  effect = new FlagEffect();
  if (cond >= 0) effect.tested = CONDITION_TESTS[cond >> 1];
  for (let place = 0; place < column.length; place++) {
    const bit = FLAG_COLUMN[place];
    const letter = column[place];
    if (letter === 'T' || letter === 'B' || letter === 'b') effect.tested |= bit;
    if (letter === 'M' || letter === 'B' || letter === '0' || letter === '1' || letter === '-') effect.killed |= bit;
    if (letter === 'm' || letter === 'b' || letter === 'u') effect.conditional |= bit;
    if (letter === '-' || letter === 'u') effect.undefined |= bit;
    if (letter === '0') effect.cleared |= bit;
    if (letter === '1') effect.set |= bit;
  }
  effects.set(key, effect);
  return effect;
}

/** How to go on from a Row: it is the instruction, or a prefix or the ModRM byte chooses among its children. */
export enum Choice {
  Leaf,
  /** children: no mandatory prefix, 66, F3, F2 */
  ByPrefix,
  /** children: memory forms by reg (8), then every ModRM byte of mod 3 (64) */
  ByModrm,
}

const NO_CHILDREN: (Row | undefined)[] = [];
let rowCount = 0;

/** One row, parsed. Leaves are what Insn.row is; the other fields build them. */
export class Row {
  /** small and dense over the leaves parsed so far: for side tables such as cached handlers */
  index = 0;
  mnemonic: X86Mnemonic = 'INVALID';
  /** the operands column */
  operands = '';
  /** CPUID feature without which this is #UD, or '' */
  feature: X86Feature = '';
  /** RowBit set */
  bits = 0;
  /** condition 0-15 in the numbering of Jcc, or -1 */
  cond = -1;
  flags: FlagEffect;
  spec0: OperandSpec = NO_SPEC;
  spec1: OperandSpec = NO_SPEC;
  spec2: OperandSpec = NO_SPEC;
  spec3: OperandSpec = NO_SPEC;
  immediate: ImmediateForm = ImmediateForm.None;
  choice: Choice = Choice.Leaf;
  children: (Row | undefined)[] = NO_CHILDREN;
  /** rows still in question below a choice, and what they take over from the row that referred to their group */
  readonly candidates: readonly RowSpec[];
  readonly inherited: RowSpec | undefined;
  /** the last opcode byte */
  readonly opcode: number;

  constructor(candidates: readonly RowSpec[], inherited: RowSpec | undefined, opcode: number, flags: FlagEffect) {
    this.candidates = candidates;
    this.inherited = inherited;
    this.opcode = opcode;
    this.flags = flags;
  }
}

/** The row of undefined opcodes. */
export const INVALID_ROW = new Row([], undefined, 0, flagEffect('', -1));

const PREFIXES = [0, 0x66, 0xf3, 0xf2];

/** Whether a row has an attribute that is no part of another one's name. */
function has(spec: RowSpec, attribute: 'mem' | 'reg' | 'np' | 'nf' | 'o64'): boolean {
  return spec[3]?.includes(attribute) === true;
}

/** Whether the mandatory prefixes matter for this row alone. */
function dividesPrefixes(spec: RowSpec): boolean {
  return spec[0] > 0xff || has(spec, 'np') || has(spec, 'nf');
}

function rowError(what: string, specs: readonly RowSpec[]): Error {
  return new Error(`x86 instruction rows ${what}: ${JSON.stringify(specs)}`);
}

/** Makes the row for candidates that all match the bytes so far. */
function makeRow(
  candidates: readonly RowSpec[],
  inherited: RowSpec | undefined,
  opcode: number,
  prefixKnown: boolean,
): Row {
  if (candidates.length === 0) return INVALID_ROW;
  const first = candidates[0];
  if (!prefixKnown) {
    for (let i = 0; i < candidates.length; i++) {
      if (!dividesPrefixes(candidates[i])) continue;
      const row = new Row(candidates, inherited, opcode, INVALID_ROW.flags);
      row.choice = Choice.ByPrefix;
      row.children = [undefined, undefined, undefined, undefined];
      return row;
    }
  }
  const reference = first[1].charCodeAt(0) === 0x40; /* @ */
  if (reference || candidates.length > 1) {
    let below = candidates;
    if (reference) {
      if (candidates.length > 1) throw rowError('overlap', candidates);
      below = groupRows(first[1].slice(1));
    } else if (!candidates.every((spec) => has(spec, 'mem') || has(spec, 'reg'))) {
      throw rowError('overlap', candidates);
    }
    const row = new Row(below, reference ? first : inherited, opcode, INVALID_ROW.flags);
    row.choice = Choice.ByModrm;
    row.children = new Array<Row | undefined>(72).fill(undefined);
    return row;
  }
  return makeLeaf(candidates, inherited, opcode);
}

/** A place in a group that no row fills: it has the operands of the row that refers to the group. */
function undefinedRow(inherited: RowSpec, opcode: number): Row {
  const row = new Row([], inherited, opcode, INVALID_ROW.flags);
  row.bits = RowBit.Modrm | RowBit.Undefined;
  row.operands = inherited[2];
  if (row.operands !== '') readOperands(row);
  row.bits &= ~(RowBit.MemOnly | RowBit.RegOnly);
  return row;
}

/** By convention `+r` is the first attribute. */
function spansRegisters(spec: RowSpec): boolean {
  return spec[3]?.startsWith('+r') === true;
}

/** Throws for a name without rows; the types of the rows do not check references. */
function groupRows(name: string): readonly RowSpec[] {
  const rows =
    (GROUPS as Record<string, readonly RowSpec[]>)[name] ?? (X87 as Record<string, readonly RowSpec[]>)[name];
  if (rows === undefined) throw new Error(`x86 instruction group '${name}' has no rows`);
  return rows.some((spec) => has(spec, 'o64')) ? rows.filter((spec) => !has(spec, 'o64')) : rows;
}

function makeLeaf(candidates: readonly RowSpec[], inherited: RowSpec | undefined, opcode: number): Row {
  const spec = candidates[0];
  const row = new Row(candidates, inherited, opcode, INVALID_ROW.flags);
  row.index = ++rowCount;
  row.mnemonic = spec[1] as X86Mnemonic;
  if (inherited !== undefined) {
    row.bits |= RowBit.Modrm;
    readAttributes(row, inherited[3]);
  }
  readAttributes(row, spec[3]);
  row.flags = flagEffect(spec[4] ?? '', row.cond);
  row.operands = spec[2] === '' && inherited !== undefined ? inherited[2] : spec[2];
  if (row.operands !== '') readOperands(row);
  if (row.bits & RowBit.ModIgnored) row.bits &= ~RowBit.RegOnly;
  return row;
}

function readOperands(row: Row): void {
  const texts = row.operands.split(',');
  let form: ImmediateForm = ImmediateForm.None;
  for (let place = 0; place < texts.length; place++) {
    const second = form !== ImmediateForm.None && texts[place] === 'Ib';
    const operand = operandSpec(second ? 'Ib2' : texts[place], row.opcode & 7);
    if (operand.modrm) row.bits |= RowBit.Modrm;
    if (operand.memOnly) row.bits |= RowBit.MemOnly;
    if (operand.regOnly) row.bits |= RowBit.RegOnly;
    if (second) form = form === ImmediateForm.Iw ? ImmediateForm.IwIb : ImmediateForm.IbIb;
    else if (operand.immediate !== ImmediateForm.None) form = operand.immediate;
    if (place === 0) row.spec0 = operand;
    else if (place === 1) row.spec1 = operand;
    else if (place === 2) row.spec2 = operand;
    else row.spec3 = operand;
  }
  row.immediate = form;
}

function readAttributes(row: Row, attributes: string | undefined): void {
  if (attributes === undefined || attributes === '') return;
  for (const attribute of attributes.split(' ')) {
    switch (attribute) {
      case 'lock':
        row.bits |= RowBit.Lockable;
        break;
      case 'priv':
        row.bits |= RowBit.Privileged;
        break;
      case 'privud':
        row.bits |= RowBit.PrivilegedUd;
        break;
      case 'iopl':
        row.bits |= RowBit.IoPrivileged;
        break;
      case 'end':
        row.bits |= RowBit.EndsBlock;
        break;
      case 'str':
        row.bits |= RowBit.String;
        break;
      case 'mod':
        row.bits |= RowBit.ModIgnored;
        break;
      case 'x87':
        row.bits |= RowBit.X87;
        break;
      case 'nowait':
        row.bits |= RowBit.NoWait;
        break;
      case '3dnow':
        row.bits |= RowBit.ThreeDNow;
        break;
      case 'd64':
        row.bits |= RowBit.Default64;
        break;
      case 'f64':
        row.bits |= RowBit.Force64;
        break;
      case 'cc':
        row.cond = row.opcode & 15;
        break;
      // these choose rows and are used up by then
      case 'mem':
        row.bits |= RowBit.MemOnly;
        break;
      case 'reg':
        row.bits |= RowBit.RegOnly;
        break;
      case '+r':
      case 'np':
      case 'nf':
      case 'i64':
      case 'o64':
        break;
      default: {
        const first = attribute.charCodeAt(0);
        if (first >= 0x30 && first <= 0x5a /* 0-9 A-Z */) row.feature = attribute as X86Feature;
        else if (attribute.startsWith('cc')) row.cond = Number(attribute.slice(2));
        else throw rowError(`have no attribute '${attribute}'`, row.candidates);
      }
    }
  }
}

/**
 * The child of a choice, parsed at first use.
 *
 * @param place an index of row.children
 */
export function childRow(row: Row, place: number): Row {
  const known = row.children[place];
  if (known !== undefined) return known;
  const below: RowSpec[] = [];
  let child: Row;
  if (row.choice === Choice.ByPrefix) {
    const prefix = PREFIXES[place];
    for (const spec of row.candidates) if (spec[0] >> 8 === prefix) below.push(spec);
    if (prefix !== 0) {
      if (below.length === 0) {
        const other = prefix === 0x66 ? 'np' : 'nf';
        for (const spec of row.candidates) {
          if (spec[0] <= 0xff && !has(spec, 'np') && !has(spec, other)) below.push(spec);
        }
      }
    }
    child =
      below.length === 0 && row.inherited !== undefined
        ? undefinedRow(row.inherited, row.opcode)
        : makeRow(below, row.inherited, row.opcode, true);
  } else {
    const memory = place < 8;
    // rows of a group are keyed by ModRM; rows of a map that only `mem` and `reg` divide are not
    const keyed = row.inherited !== undefined;
    if (!memory && keyed) {
      const modrm = 0xb8 + place;
      for (const spec of row.candidates) {
        const key = spec[0] & 0xff;
        if (key === modrm || (key < modrm && (key | 7) >= modrm && key >= 0xc0 && spansRegisters(spec)))
          below.push(spec);
      }
    }
    if (below.length === 0) {
      const reg = memory ? place : (place >> 3) - 1;
      for (const spec of row.candidates) {
        if (keyed && (spec[0] & 0xff) !== reg) continue;
        if (!has(spec, memory ? 'reg' : 'mem')) below.push(spec);
      }
    }
    child =
      below.length === 0 && row.inherited !== undefined
        ? undefinedRow(row.inherited, row.opcode)
        : (sibling(row, below) ?? makeRow(below, row.inherited, row.opcode, false));
  }
  row.children[place] = child;
  return child;
}

/** A child already made from the same rows. */
function sibling(row: Row, below: readonly RowSpec[]): Row | undefined {
  if (below.length === 0) return INVALID_ROW;
  for (let place = 8; place < row.children.length; place++) {
    const child = row.children[place];
    if (child === undefined || child.candidates.length !== below.length) continue;
    if (child.candidates.every((spec, i) => spec === below[i])) return child;
  }
  return undefined;
}

/** The opcode maps, as indices of MAPS. */
export enum OpcodeMap {
  OneByte,
  TwoByte,
  ZeroF38,
  ZeroF3A,
  ThreeDNow,
}

const SOURCES: readonly (readonly (readonly RowSpec[])[])[] = [
  [ONE_BYTE],
  [TWO_BYTE, SIMD_0F],
  [ZERO_F_38, SIMD_0F38],
  [SIMD_0F3A],
  [THREE_D_NOW],
];

/** Rows by opcode, before parsing, for each map in use. */
const buckets: (readonly (RowSpec[] | undefined)[] | undefined)[] = [];

function fillBuckets(map: OpcodeMap): (RowSpec[] | undefined)[] {
  const filled = new Array<RowSpec[] | undefined>(256).fill(undefined);
  for (const rows of SOURCES[map]) {
    for (const spec of rows) {
      const first = spec[0] & 0xff;
      let last = first;
      const attributes = spec[3];
      if (attributes !== undefined && attributes !== '') {
        if (has(spec, 'o64')) continue; // the tables of 64-bit mode are still to come
        if (attributes.startsWith('+r')) last = first | 7;
        else if (attributes.startsWith('cc')) last = first | 15;
      }
      for (let opcode = first; opcode <= last; opcode++) {
        const bucket = filled[opcode];
        if (bucket === undefined) filled[opcode] = [spec];
        else bucket.push(spec);
      }
    }
  }
  return filled;
}

/** Operands of opcodes without a row, by map. */
const UNKNOWN_OPERANDS: readonly (string | undefined)[] = [undefined, undefined, 'Eb', 'Eb,Ib', undefined];

function emptyMap(): (Row | undefined)[] {
  return new Array<Row | undefined>(256).fill(undefined);
}

/** Parsed rows by opcode of the last byte; undefined where opcodeRow has not been asked yet. Index: OpcodeMap. */
export const MAPS: readonly (Row | undefined)[][] = [emptyMap(), emptyMap(), emptyMap(), emptyMap(), emptyMap()];

/** The row, or choice of rows, of an opcode; INVALID_ROW for none. Throws when rows overlap. */
export function opcodeRow(map: OpcodeMap, opcode: number): Row {
  const known = MAPS[map][opcode];
  if (known !== undefined) return known;
  let filled = buckets[map];
  if (filled === undefined) {
    filled = fillBuckets(map);
    buckets[map] = filled;
  }
  // Unknown opcodes of the three-byte maps have operands all the same.
  const unknown = filled[opcode] === undefined ? UNKNOWN_OPERANDS[map] : undefined;
  const row = unknown
    ? undefinedRow([opcode, 'INVALID', unknown], opcode)
    : makeRow(filled[opcode] ?? [], undefined, opcode, false);
  MAPS[map][opcode] = row;
  return row;
}
