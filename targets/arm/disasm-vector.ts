// Text of floating-point and Advanced SIMD instructions: data type behind the mnemonic, registers, lanes, structure lists.
import type { Insn } from './insns.ts';
import { expandImmediate, expandModified } from './vector-constants.ts';

/*
 * The operand column of these rows is a data type and, behind `|`, operands.
 * Types: i s u p with the lane width, x signed or unsigned by U, b the width alone, f the precision, g f32 or by size f16; a capital letter is
 * twice the width; what begins with a point stands as it is; the others are in `dataType`. Operands: D N M registers by `q` or
 * by precision, with a letter behind it of a fixed width (s d q w) or a lane (x e l c g) or half the width (h); # amounts; S E W structures on whole
 * registers, one lane, all lanes; the others are in `operand`.
 */

/** Whether the text of an instruction is made here. */
export function hasDataType(insn: Insn): boolean {
  return insn.encoding!.operands.includes('|');
}

const CORE = (n: number): string => ['sp', 'lr', 'pc'][n - 13] ?? `r${n}`;

/** Lane width: of the size field, or where the first one of a shift's immediate is. */
function width(insn: Insn): number {
  if (!/#[rl]/.test(insn.encoding!.operands)) return 8 << insn.s;
  if (insn.z) return 64;
  return insn.i & 32 ? 32 : insn.i & 16 ? 16 : 8;
}

function dataType(insn: Insn, type: string): string {
  const { U, z, s, p, q } = insn;
  const bits = width(insn);
  const sign = U ? 'u' : 's';
  const precision = z ? 'f64' : 'f32';
  const floatBits = s === 1 ? 16 : 32;
  switch (type) {
    case '':
      return '';
    case 'x8':
      return `.${sign}8`;
    case 'x16':
      return `.${sign}16`;
    case 'c':
      return insn.x ? '.8' : insn.y ? '.16' : '.32';
    case 'd':
      return insn.i & 1 ? '.8' : insn.i & 2 ? '.16' : '.32';
    case 'f':
      return `.${precision}`;
    case 'f0':
      return `.${s ? 's' : 'u'}32.${precision}`;
    case 'f1':
      return `.${precision}.${s ? 's' : 'u'}32`;
    case 'f2':
      return z ? '.f32.f64' : '.f64.f32';
    case 'f3':
      return `.${precision}.${sign}${q ? 32 : 16}`;
    case 'f4':
      return `.${sign}${q ? 32 : 16}.${precision}`;
    case 'h0':
      return `.${s ? 's' : 'u'}32.f16`;
    case 'h1':
      return `.f16.${s ? 's' : 'u'}32`;
    case 'h3':
      return `.f16.${sign}${q ? 32 : 16}`;
    case 'h4':
      return `.${sign}${q ? 32 : 16}.f16`;
    case 'g':
      return `.f${floatBits}`;
    case 'n': {
      const [integer, float] = [`.${sign}${floatBits}`, `.f${floatBits}`];
      return p || insn.encoding!.name === 'VCVT_named' ? integer + float : float + integer;
    }
    case 'm':
      return modifiedType(insn);
    case 'pl':
      return s === 2 ? '.p64' : '.p8';
    case 'b':
      return s === 3 && insn.encoding!.name.endsWith('_all') ? '.32' : `.${bits}`;
    case 'x':
      return `.${sign}${bits}`;
    case 'X':
      return `.${sign}${2 * bits}`;
    case 'I':
    case 'S':
      return `.${type.toLowerCase()}${2 * bits}`;
    default:
      return type.startsWith('.') ? type : `.${type}${bits}`;
  }
}

/** The type of a modified immediate, by cmode. */
function modifiedType({ k, o }: Insn): string {
  if (k === 15) return '.f32';
  if (k === 14) return o ? '.i64' : '.i8';
  return k >= 8 && k < 12 ? '.i16' : '.i32';
}

function mnemonic(insn: Insn): string {
  const { name, mnemonic: base } = insn.encoding!;
  const plain = base.toLowerCase();
  const { r, k, o } = insn;
  switch (name) {
    case 'VCMP_v':
    case 'VCMP_zero':
    case 'VCMP_h':
    case 'VCMP_hzero':
      return r ? 'vcmpe' : 'vcmp';
    case 'VCVT_toInt':
    case 'VCVT_htoInt':
      return r ? 'vcvt' : 'vcvtr';
    case 'VCVT_fromHalf':
    case 'VCVT_toHalf':
    case 'VCVT_halfToDouble':
    case 'VCVT_doubleToHalf':
    case 'VCVT_toBFloat':
      return insn.p ? 'vcvtt' : 'vcvtb';
    case 'VCVT_rounded':
    case 'VCVT_hrounded':
    case 'VRINT_h':
    case 'VCVT_named':
    case 'VRINT_v':
      return plain + 'anpm'[r];
    case 'VSEL_v':
    case 'VSEL_h':
      return plain + ['eq', 'vs', 'ge', 'gt'][k];
    case 'VDOT':
    case 'VDOT_element':
      return insn.U ? 'vudot' : 'vsdot';
    case 'VMMLA_i':
      return insn.U ? 'vummla' : 'vsmmla';
    case 'VFMA_bf':
    case 'VFMA_bfelement':
      return insn.p ? 'vfmat' : 'vfmab';
    case 'VMOV_modified':
      if (k < 12 && k & 1) return o ? 'vbic' : 'vorr';
      return o && k < 14 ? 'vmvn' : 'vmov';
    case 'VSHLL_imm':
      return (insn.i & (insn.i - 1)) === 0 ? 'vmovl' : 'vshll';
    case 'VORR_reg':
      return insn.n === insn.m && insn.N === insn.M ? 'vmov' : 'vorr';
    case 'VLDM_s':
    case 'VLDM_d':
    case 'VSTM_s':
    case 'VSTM_d':
      if (insn.n === 13 && insn.W && !(name.endsWith('_d') && insn.i & 1) && (insn.P === 1) === name.startsWith('VST'))
        return insn.P ? 'vpush' : 'vpop';
      // With an odd count of words it is the old form, which loads one word more.
      if (name.endsWith('_d') && insn.i & 1) return `f${plain.slice(1)}${insn.P ? 'db' : 'ia'}x`;
      return plain + (insn.P ? 'db' : 'ia');
    default:
      return plain;
  }
}

const SINGLE = (four: number, one: number): string => `s${(four << 1) | one}`;
const NUMBER = (four: number, one: number): number => (one << 4) | four;
const WIDE = (four: number, one: number, q: number): string => {
  const n = NUMBER(four, one);
  return q ? `q${n >> 1}` : `d${n}`;
};

function structure(insn: Insn, code: string): string {
  const kind = code[0];
  const elements = Number(code[1]);
  const { i, s, y, r } = insn;
  const first = NUMBER(insn.d, insn.D);
  let count = elements;
  let spacing = y + 1;
  let lane = '';
  if (kind === 'S') {
    count = elements * r;
    if (elements === 1) spacing = 1;
    if (elements === 2 && r === 2) spacing = 1;
  } else if (kind === 'E') {
    spacing = (s === 1 && i & 2) || (s === 2 && i & 4) ? 2 : 1;
    if (elements === 1) spacing = 1;
    lane = `[${i >> (s + 1)}]`;
  } else {
    lane = '[]';
    if (elements === 1) {
      count = y + 1;
      spacing = 1;
    }
  }
  const names = Array.from({ length: count }, (_, k) => `d${first + k * spacing}${lane}`);
  return `{${names.join(', ')}}`;
}

/** Alignment in bits of a structure's address; 0: none given. */
function alignment(insn: Insn): number {
  const { name } = insn.encoding!;
  const { a, i, s } = insn;
  const elements = Number(name[3]);
  if (name.endsWith('_multiple')) return a ? 32 << a : 0;
  if (name.endsWith('_all')) {
    if (!a) return 0;
    if (elements === 4) return s === 3 ? 128 : s === 2 ? 64 : 32 << s;
    return elements === 3 ? 0 : (8 << s) * elements;
  }
  if (elements === 1) return s > 0 && i & 1 ? 8 << s : 0;
  if (elements === 2) return i & 1 ? 16 << s : 0;
  if (elements === 3) return 0;
  return s === 2 ? (i & 3 ? 32 << (i & 3) : 0) : i & 1 ? 32 << s : 0;
}

function register(insn: Insn, code: string): string {
  const [four, one] = code[0] === 'D' ? [insn.d, insn.D] : code[0] === 'N' ? [insn.n, insn.N] : [insn.m, insn.M];
  const bits = 8 << insn.s;
  switch (code[1]) {
    case 's':
      return SINGLE(four, one);
    case 'd':
      return WIDE(four, one, 0);
    case 'q':
      return WIDE(four, one, 1);
    case 'w':
      return WIDE(four, one, insn.W);
    case 't':
      return SINGLE(four, one + 1);
    case 'z':
      return insn.z ? SINGLE(four, one) : WIDE(four, one, 0);
    case 'p':
      return insn.z ? WIDE(four, one, 0) : SINGLE(four, one);
    case 'c':
      return insn.s === 1 ? `d${four}[${one}]` : `${WIDE(four, one, 0)}[0]`;
    case 'h':
      return insn.q ? WIDE(four, one, 0) : SINGLE(four, one);
    case 'g':
      return insn.q ? `d${four & 7}[${(one << 1) | (four >> 3)}]` : `s${((four & 7) << 1) | one}[${four >> 3}]`;
    case 'x':
      return bits === 16 ? `d${four & 7}[${(one << 1) | (four >> 3)}]` : `d${four}[${one}]`;
    case 'e': {
      const { i } = insn;
      return `d${NUMBER(four, one)}[${i >> (i & 1 ? 1 : i & 2 ? 2 : 3)}]`;
    }
    case 'l': {
      const { x, y, encoding } = insn;
      const lane = encoding!.name.endsWith('8') ? (x << 2) | y : encoding!.name.endsWith('16') ? (x << 1) | y : x;
      return `d${NUMBER(four, one)}[${lane}]`;
    }
    default:
      // Rows with a precision have it in the pattern; the others are Advanced SIMD.
      if (/101z/.test(insn.encoding!.pattern)) return insn.z ? WIDE(four, one, 0) : SINGLE(four, one);
      return WIDE(four, one, insn.q);
  }
}

function amount(insn: Insn, code: string): string {
  const { i } = insn;
  const bits = width(insn);
  const value = bits === 64 ? i : i & (bits - 1);
  switch (code[1]) {
    case '0':
      return '#0';
    case 'r':
      return `#${bits - value}`;
    case 'l':
      return `#${value}`;
    case 'i':
      return `#${i}`;
    case 'w':
      return `#${bits}`;
    case 'x':
      return `#${64 - i}`;
    case 't':
      return `#${insn.encoding!.name === 'VCADD' ? 90 + 180 * insn.r : 90 * insn.r}`;
    case 'f':
      return `#${(insn.q ? 32 : 16) - ((i << 1) | insn.j)}`;
    case 'v': {
      const view = new DataView(new ArrayBuffer(4));
      view.setInt32(0, expandImmediate(i, 0));
      return `#${view.getFloat32(0).toExponential(6)}`;
    }
    default:
      return modified(insn);
  }
}

/** The constant of a modified immediate as it stands in the source. */
function modified(insn: Insn): string {
  const { k, o, i } = insn;
  const constant = expandModified(k, o, i);
  if (!constant) return `#${i}`;
  const view = new DataView((constant.value as Uint8Array).buffer.slice(0));
  if (k === 15) return `#${view.getFloat32(0, true).toExponential(6)}`;
  if (k === 14) return o ? `#0x${view.getBigUint64(0, true).toString(16)}` : `#0x${i.toString(16)}`;
  const value = k >= 8 && k < 12 ? view.getUint16(0, true) : view.getUint32(0, true);
  return `#0x${value.toString(16)}`;
}

function list(insn: Insn, double: boolean): string {
  const first = double ? NUMBER(insn.d, insn.D) : (insn.d << 1) | insn.D;
  const count = Math.min(double ? insn.i >> 1 : insn.i, 32 - first);
  const letter = double ? 'd' : 's';
  return `{${Array.from({ length: count }, (_, k) => `${letter}${first + k}`).join(', ')}}`;
}

const SYSTEM: Readonly<Record<number, string>> = {
  0: 'fpsid',
  1: 'fpscr',
  5: 'mvfr2',
  6: 'mvfr1',
  7: 'mvfr0',
  8: 'fpexc',
};

/** Operand text; empty where an alias has none. */
function operand(insn: Insn, code: string): string {
  switch (code) {
    case 'T':
      return insn.encoding!.name === 'VMRS' && insn.n === 1 && insn.t === 15 ? 'apsr_nzcv' : CORE(insn.t);
    case 'U':
      return CORE(insn.u);
    case 'R':
      return SYSTEM[insn.n] ?? `#${insn.n}`;
    case 'A':
    case 'Ah': {
      const offset = insn.i << (code === 'Ah' ? 1 : 2);
      const text =
        offset === 0 && insn.U ? '' : `, #${insn.U ? '' : '-'}${offset < 10 ? offset : `0x${offset.toString(16)}`}`;
      return `[${CORE(insn.n)}${text}]`;
    }
    case 'B':
      return /^v(push|pop)/.test(mnemonic(insn)) ? '' : `${CORE(insn.n)}${insn.W ? '!' : ''}`;
    case 'Ls':
      return list(insn, false);
    case 'Ld':
      return list(insn, true);
    case 'K':
      return `{${Array.from({ length: insn.k + 1 }, (_, k) => `d${NUMBER(insn.n, insn.N) + k}`).join(', ')}}`;
    case 'P': {
      const bits = alignment(insn);
      const back = insn.m === 15 ? '' : insn.m === 13 ? '!' : `, ${CORE(insn.m)}`;
      return `[${CORE(insn.n)}${bits ? `:${bits}` : ''}]${back}`;
    }
    default:
      if (code[0] === '#') return amount(insn, code);
      return /^[SEW]\d$/.test(code) ? structure(insn, code) : register(insn, code);
  }
}

/** Mnemonic with its data type, and operands, of an instruction of one of the rows here; `condition` stands between them. */
export function disassembleVector(insn: Insn, condition: string): string {
  const [type = '', codes = ''] = insn.encoding!.operands.split('|');
  const name = mnemonic(insn);
  const written = name === 'vmov' && insn.encoding!.name === 'VORR_reg' ? codes.slice(0, 3) : codes;
  const shown = name === 'vmovl' ? 'Dq Md' : written;
  const operands = shown
    .split(' ')
    .map((code) => operand(insn, code))
    .filter(Boolean);
  return `${name}${condition}${dataType(insn, type)} ${operands.join(', ')}`;
}
