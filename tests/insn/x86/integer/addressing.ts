// Every 32-bit and 16-bit addressing form, LEA, segment overrides, and the default segment of each form.

import { le16, le32, leBytes, REG32 } from '../../../oracle/asm-i386.ts';
import { type InsnCase, MEMORY_MAP, regsFrom } from '../../../oracle/insn-case.ts';
import type { Random } from '../../../oracle/random.ts';
import { Corpus } from './corpus.ts';

/** One addressing form: the ModRM byte without its reg field, and the SIB byte. */
interface Form {
  mod: number;
  rm: number;
  sib?: number;
}

function allForms(): Form[] {
  const forms: Form[] = [];
  for (let mod = 0; mod < 3; mod++) {
    for (let rm = 0; rm < 8; rm++) {
      if (rm !== 4) forms.push({ mod, rm });
      else for (let sib = 0; sib < 256; sib++) forms.push({ mod, rm, sib });
    }
  }
  return forms;
}

/** The multiplicative inverse of an odd number modulo 2^32 (Newton's iteration). */
function inverse(odd: number): number {
  let x = odd;
  for (let i = 0; i < 5; i++) x = Math.imul(x, 2 - Math.imul(odd, x));
  return x;
}

interface Solved {
  encoding: (reg: number) => number[];
  regs: Uint32Array;
  text: string;
  /** Registers that take part in the address. */
  used: number[];
}

/** Chooses registers and a displacement such that the form addresses `target` (which is even). */
function solve(form: Form, target: number, random: Random): Solved {
  const regs = Uint32Array.from({ length: 8 }, () => random.u32());
  regs[4] = MEMORY_MAP.STACK;
  const scale = form.sib === undefined ? 0 : 1 << (form.sib >> 6);
  const index = form.sib === undefined || ((form.sib >> 3) & 7) === 4 ? -1 : (form.sib >> 3) & 7;
  let base = form.sib === undefined ? form.rm : form.sib & 7;
  if (base === 5 && form.mod === 0) base = -1;
  const dispBytes = form.mod === 1 ? 1 : form.mod === 2 || base === -1 ? 4 : 0;
  let disp = 0;
  if (dispBytes === 1) disp = random.range(-128, 127);
  if (dispBytes === 4) disp = random.u32() | 0;
  if (base === index && base !== -1) {
    // (1 + scale) * reg + disp = target
    const factor = 1 + scale;
    if (factor === 2) {
      disp &= ~1;
      regs[base] = (target - disp) >>> 1;
      if (random.bool()) regs[base]! |= 0x80000000;
    } else regs[base] = Math.imul(target - disp, inverse(factor));
  } else if (base !== -1) {
    const scaled = index === -1 ? 0 : Math.imul(regs[index]!, scale);
    regs[base] = target - scaled - disp;
  } else {
    disp = (target - (index === -1 ? 0 : Math.imul(regs[index]!, scale))) | 0;
  }
  const used = [base, index].filter((reg) => reg !== -1);
  const parts = [
    base === -1 ? '' : REG32[base],
    index === -1 ? '' : `${REG32[index]}*${scale}`,
    dispBytes ? `disp${dispBytes * 8}` : '',
  ].filter((part) => part);
  return {
    encoding: (reg) => [
      (form.mod << 6) | (reg << 3) | form.rm,
      ...(form.sib === undefined ? [] : [form.sib]),
      ...leBytes(disp, dispBytes),
    ],
    regs,
    text: `[${parts.join('+')}]${form.sib !== undefined && index === -1 ? ' sib' : ''}`,
    used,
  };
}

function add32(corpus: Corpus): void {
  const { random } = corpus;
  for (const form of allForms()) {
    const target = MEMORY_MAP.DATA + random.below(64) * 2;
    const memory = () => [{ at: target - 4, bytes: random.bytes(12) }];
    const load = solve(form, target, random);
    corpus.add(`mov r,m: ${load.text}`, [0x8b, ...load.encoding(random.below(8))], {
      regs: load.regs,
      memory: memory(),
    });
    const store = solve(form, target, random);
    const code = [0x89, ...store.encoding(random.below(8))];
    corpus.add(`mov m,r: ${store.text}`, code, { regs: store.regs, memory: memory() });
    const rmw = solve(form, target, random);
    corpus.add(`add m8,r8: ${rmw.text}`, [0x00, ...rmw.encoding(random.below(8))], {
      regs: rmw.regs,
      memory: memory(),
    });
    const lea = solve(form, random.u32() & ~1, random);
    const prefix = random.below(4) === 0 ? [0x66] : [];
    corpus.add(
      `lea: ${prefix.length ? '16-bit ' : ''}${lea.text}`,
      [...prefix, 0x8d, ...lea.encoding(random.below(8))],
      {
        regs: lea.regs,
      },
    );
    // The destination of the load is part of the address, and an immediate follows the displacement.
    if (load.used.length) {
      const again = solve(form, target, random);
      corpus.add(`mov r,m: same register ${again.text}`, [0x8b, ...again.encoding(again.used[0]!)], {
        regs: again.regs,
        memory: memory(),
      });
    }
    if (random.below(3) === 0) {
      const imm = solve(form, target, random);
      corpus.add(`mov m,imm32: ${imm.text}`, [0xc7, ...imm.encoding(0), ...le32(random.u32())], {
        regs: imm.regs,
        memory: memory(),
      });
    }
  }
}

const FORMS16 = ['bx+si', 'bx+di', 'bp+si', 'bp+di', 'si', 'di', 'bp', 'bx'];
const PARTS16 = [[3, 6], [3, 7], [5, 6], [5, 7], [6], [7], [5], [3]];

/** A 16-bit form: registers such that it addresses `target` (0 .. 0xffff), upper halves random. */
function solve16(mod: number, rm: number, target: number, random: Random) {
  const regs = Uint32Array.from({ length: 8 }, () => random.u32());
  regs[4] = MEMORY_MAP.STACK;
  const direct = mod === 0 && rm === 6;
  const dispBytes = direct || mod === 2 ? 2 : mod === 1 ? 1 : 0;
  let disp = dispBytes === 1 ? random.range(-128, 127) : dispBytes === 2 ? random.below(0x10000) : 0;
  if (direct) disp = target;
  else {
    const parts = PARTS16[rm]!;
    const first = parts[0]!;
    const rest = parts.length > 1 ? regs[parts[1]!]! : 0;
    regs[first] = (regs[first]! & 0xffff0000) | ((target - disp - rest) & 0xffff);
  }
  return {
    encoding: (reg: number) => [(mod << 6) | (reg << 3) | rm, ...le16(disp).slice(0, dispBytes)],
    regs,
    text: `[${direct ? 'disp16' : FORMS16[rm]}${dispBytes && !direct ? `+disp${dispBytes * 8}` : ''}]`,
  };
}

function add16(corpus: Corpus): void {
  const { random } = corpus;
  for (let mod = 0; mod < 3; mod++) {
    for (let rm = 0; rm < 8; rm++) {
      for (let i = 0; i < 3; i++) {
        // The top of the 64 KiB included: an access there goes on past 0xffff, it does not wrap (32-bit code segment).
        const offset = i === 2 ? 0xfffe : random.range(4, 0xfff0);
        const at = MEMORY_MAP.SEGMENT + offset;
        const memory = () => [{ at: at - 4, bytes: random.bytes(12) }];
        const segment = random.bool() ? { prefix: 0x64, name: 'fs' as const } : { prefix: 0x65, name: 'gs' as const };
        const segments = { [segment.name]: 'based' } as const;
        const run = (name: string, code: (encoding: (reg: number) => number[]) => number[]) => {
          const form = solve16(mod, rm, offset, random);
          const text = `${name} ${segment.name}:${form.text}`;
          corpus.add(text, [segment.prefix, 0x67, ...code(form.encoding)], {
            regs: form.regs,
            memory: memory(),
            segments,
          });
        };
        run('mov r,m16:', (encoding) => [0x8b, ...encoding(random.below(8))]);
        run('mov m16,r:', (encoding) => [0x89, ...encoding(random.below(8))]);
        run('add m16,r16:', (encoding) => [0x66, 0x01, ...encoding(random.below(8))]);
        const lea = solve16(mod, rm, random.below(0x10000), random);
        const prefix = i === 1 ? [0x66] : [];
        const code = [0x67, ...prefix, 0x8d, ...lea.encoding(random.below(8))];
        corpus.add(`lea a16: ${prefix.length ? '16-bit ' : ''}${lea.text}`, code, { regs: lea.regs });
      }
      // Without an override the access is in the unmapped first 64 KiB: si_addr is the effective address.
      const form = solve16(mod, rm, random.range(16, 0xffff), random);
      corpus.add(`mov r,m16: fault ${form.text}`, [0x67, 0x8b, ...form.encoding(0)], { regs: form.regs, faults: true });
    }
  }
}

const OVERRIDES: [number, string][] = [
  [0x26, 'es'],
  [0x2e, 'cs'],
  [0x36, 'ss'],
  [0x3e, 'ds'],
  [0x64, 'fs'],
  [0x65, 'gs'],
];

function addSegments(corpus: Corpus): void {
  const { random } = corpus;
  const offset = 0x2340;
  const flat = MEMORY_MAP.DATA;
  const based = MEMORY_MAP.SEGMENT + offset;
  const run = (name: string, code: number[], segments: InsnCase['segments'], disp: number, options = {}) => {
    const full = [...code, ...le32(disp)];
    corpus.add(name, full, {
      segments,
      memory: [
        { at: flat, bytes: random.bytes(8) },
        { at: based, bytes: random.bytes(8) },
      ],
      ...options,
    });
  };
  for (const [prefix, name] of OVERRIDES) {
    const loads = name === 'fs' || name === 'gs' ? 'based' : 'flat';
    const disp = loads === 'based' ? offset : flat;
    const segments = { fs: 'based', gs: 'based' } as const;
    for (const [op, code] of [
      ['mov r,m', [0x8b, 0x1d]],
      ['add r,m', [0x03, 0x0d]],
      ['mov r8,m8', [0x8a, 0x25]],
      ['moffs', [0xa1]],
      ['moffs8', [0xa0]],
      ['moffs16', [0x66, 0xa1]],
    ] as const) {
      run(`${op}: ${name} override`, [prefix, ...code], segments, disp);
    }
    if (name === 'cs') continue; // CS is not writable
    run(`mov m,r: ${name} override`, [prefix, 0x89, 0x1d], segments, disp);
    run(`add m,r: ${name} override`, [prefix, 0x01, 0x0d], segments, disp);
    run(`push m: ${name} override`, [prefix, 0xff, 0x35], segments, disp);
    run(`moffs store: ${name} override`, [prefix, 0xa3], segments, disp);
  }
  // The last of several overrides counts.
  run('two overrides:', [0x3e, 0x64, 0x8b, 0x1d], { fs: 'based' }, offset);
  run('two overrides:', [0x64, 0x3e, 0x8b, 0x1d], { fs: 'based' }, flat);
  run('three overrides:', [0x26, 0x65, 0x64, 0x66, 0x8b, 0x1d], { fs: 'based', gs: 'null' }, offset);
  // DS and ES with a base: which forms use DS by default, and which SS.
  const baseForms: [string, number[], Uint32Array][] = [];
  for (let reg = 0; reg < 8; reg++) {
    const stackBased = reg === 4 || reg === 5;
    const regs = Uint32Array.from({ length: 8 }, () => random.u32());
    regs[reg] = stackBased ? flat : offset;
    const modrm = reg === 4 ? [0x5c, 0x24, 0] : [0x58 | reg, 0];
    baseForms.push([`[${REG32[reg]}]`, modrm, regs]);
  }
  baseForms.push(['[ebp+esi]', [0x5c, 0x35, 0], regsFrom({ ebp: 0x100, esi: flat - 0x100, esp: MEMORY_MAP.STACK })]);
  baseForms.push(['[esi+ebp]', [0x5c, 0x2e, 0], regsFrom({ ebp: 0x100, esi: offset - 0x100, esp: MEMORY_MAP.STACK })]);
  baseForms.push(['[ebp*2]', [0x1c, 0x6d, ...le32(0)], regsFrom({ ebp: offset / 2, esp: MEMORY_MAP.STACK })]);
  baseForms.push(['[esp+eax]', [0x5c, 0x04, 0], regsFrom({ eax: 8, esp: flat - 8 })]);
  for (const [name, modrm, regs] of baseForms) {
    for (const opcode of [0x8b, 0x03]) {
      corpus.add(`default segment: ${opcode === 0x8b ? 'mov' : 'add'} ebx,${name}`, [opcode, ...modrm], {
        regs,
        segments: { ds: 'based' },
        memory: [
          { at: flat, bytes: random.bytes(8) },
          { at: based, bytes: random.bytes(8) },
        ],
      });
    }
  }
  // 16-bit forms with DS based: BP forms use SS, the others DS.
  for (const rm of [0, 1, 4, 5, 7]) {
    const form = solve16(0, rm, offset, random);
    corpus.add(`default segment: mov r,${form.text}`, [0x67, 0x8b, ...form.encoding(1)], {
      regs: form.regs,
      segments: { ds: 'based' },
      memory: [{ at: based, bytes: random.bytes(8) }],
    });
  }
  for (const rm of [2, 3, 6]) {
    const form = solve16(1, rm, offset, random);
    corpus.add(`default segment: fault mov r,${form.text}`, [0x67, 0x8b, ...form.encoding(1)], {
      regs: form.regs,
      segments: { ds: 'based' },
      faults: true,
    });
  }
  // Address arithmetic wraps at 4 GiB before the segment base is added, and the sum wraps too.
  for (const [base, disp] of [
    [0xffffff00, 0x100 + offset],
    [offset + 0x80000000, -0x80000000],
    [0xf0000000 + 0x20, 0],
  ] as const) {
    const at = MEMORY_MAP.SEGMENT + ((base + disp) >>> 0);
    const target = at % 2 ** 32;
    const mapped = target >= MEMORY_MAP.SEGMENT;
    corpus.add(`segment base wrap: ${base.toString(16)}`, [0x64, 0x8b, 0x9e, ...le32(disp)], {
      regs: { esi: base },
      segments: { fs: 'based' },
      memory: mapped
        ? [{ at: target, bytes: random.bytes(4) }]
        : [{ at: MEMORY_MAP.SCRATCH + 0x20, bytes: random.bytes(4) }],
    });
  }
}

export function addressingCases(): InsnCase[] {
  const corpus = new Corpus('addressing', 0xadd2);
  add32(corpus);
  add16(corpus);
  addSegments(corpus);
  return corpus.cases;
}
