// ADD OR ADC SBB AND SUB XOR CMP, TEST, INC, DEC, NEG, NOT in every form and size.

import { modrmReg } from '../../../oracle/asm-i386.ts';
import { AF, type InsnCase, MEMORY_MAP } from '../../../oracle/insn-case.ts';
import { corners } from '../../../oracle/random.ts';
import { Corpus, immediate, regName, SIZES, setReg, sized, WIDE } from './corpus.ts';

const OPS = ['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp'] as const;
const LOGICAL = new Set<string>(['or', 'and', 'xor']);

/** Operand pairs for register, register: all corner pairs would be 144 per size, so a third of them by turns. */
const RANDOM_PAIRS = 16;
const PER_FORM = 5;

/** Unaligned within a cache line: Linux may delay a process for each locked access across lines (split_lock_detect). */
const LOCKED_PLACE = MEMORY_MAP.DATA + 1;

function addTwoOperand(corpus: Corpus): void {
  const { random } = corpus;
  OPS.forEach((op, row) => {
    const flagMask = LOGICAL.has(op) ? AF : 0;
    for (const bits of SIZES) {
      const pairs: [number, number][] = [];
      corners(bits).forEach((a, i) => {
        corners(bits).forEach((b, j) => {
          if ((i + j + row) % 3 === 0) pairs.push([a, b]);
        });
      });
      for (let i = 0; i < RANDOM_PAIRS; i++) pairs.push([random.value(bits), random.value(bits)]);
      const both = (name: string, opcode: number[], rm: number | 'memory', a: number, b: number, lock = false) => {
        const reg = corpus.anyReg(bits);
        const code = lock ? [0xf0, ...opcode] : opcode;
        const address = lock ? LOCKED_PLACE : undefined;
        corpus.addBinary(name, code, bits, { reg, regValue: b, rm, rmValue: a }, { flagMask, address });
      };
      for (const [a, b] of pairs) both(`${op}${bits} rm,r:`, sized(bits, [row << 3]), corpus.anyReg(bits), a, b);
      for (let i = 0; i < PER_FORM; i++) {
        const value = () => random.value(bits);
        both(`${op}${bits} r,rm:`, sized(bits, [(row << 3) | 2]), corpus.anyReg(bits), value(), value());
        both(`${op}${bits} m,r:`, sized(bits, [row << 3]), 'memory', value(), value());
        both(`${op}${bits} r,m:`, sized(bits, [(row << 3) | 2]), 'memory', value(), value());
        if (op !== 'cmp') both(`lock ${op}${bits} m,r:`, sized(bits, [row << 3]), 'memory', value(), value(), true);
        // AL/AX/EAX, imm
        const regs = corpus.regs();
        setReg(regs, 0, bits, value());
        const imm = immediate(bits, value());
        corpus.add(`${op}${bits} acc,imm:`, [...sized(bits, [(row << 3) | 4]), ...imm], { regs, flagMask });
        for (const where of [corpus.anyReg(bits), 'memory'] as const) {
          const unary = (name: string, opcode: number[], tail: number[]) =>
            corpus.addUnary(name, opcode, row, bits, value(), where, { tail, flagMask });
          unary(`${op}${bits} rm,imm:`, sized(bits, [0x80]), immediate(bits, value()));
          if (bits === 8) unary(`${op}8 rm,imm (82):`, [0x82], [value()]);
          else unary(`${op}${bits} rm,imm8:`, sized(bits, [0x82]), [random.value(8)]);
          if (op !== 'cmp' && where === 'memory') {
            const tail = immediate(bits, value());
            const options = { tail, flagMask, address: LOCKED_PLACE };
            const locked = [0xf0, ...sized(bits, [0x80])];
            corpus.addUnary(`lock ${op}${bits} m,imm:`, locked, row, bits, value(), where, options);
          }
        }
      }
      // ESP and one register as both operands.
      const same = corpus.anyReg(bits);
      const regs = corpus.regs();
      corpus.add(`${op}${bits} same:`, [...sized(bits, [row << 3]), ...modrmReg(same, same)], { regs, flagMask });
      if (bits !== 8) {
        for (const [reg, rm] of [
          [4, 0],
          [0, 4],
          [4, 4],
        ] as const) {
          const code = [...sized(bits, [row << 3]), ...modrmReg(reg, rm)];
          corpus.add(`${op}${bits} esp:`, code, { regs: { esp: random.u32() }, flagMask });
        }
      }
    }
    // Every pair of byte registers: AL..BH share registers in ways a translator can get wrong.
    for (let reg = 0; reg < 8; reg++) {
      for (let rm = 0; rm < 8; rm++) {
        corpus.add(`${op}8 pairs: ${regName(rm, 8)},${regName(reg, 8)}`, [row << 3, ...modrmReg(reg, rm)], {
          flagMask,
        });
      }
    }
  });
}

function addTest(corpus: Corpus): void {
  const { random } = corpus;
  for (const bits of SIZES) {
    for (let i = 0; i < 12; i++) {
      const value = () => random.value(bits);
      const options = { flagMask: AF };
      for (const rm of [corpus.anyReg(bits), 'memory'] as const) {
        const operands = { reg: corpus.anyReg(bits), regValue: value(), rm, rmValue: value() };
        corpus.addBinary(`test${bits} rm,r:`, sized(bits, [0x84]), bits, operands, options);
        // /1 is the same instruction, undocumented by Intel (AMD APM vol. 3, table A-6 lists it).
        for (const extension of [0, 1]) {
          const tail = immediate(bits, value());
          corpus.addUnary(`test${bits} rm,imm /${extension}:`, sized(bits, [0xf6]), extension, bits, value(), rm, {
            tail,
            ...options,
          });
        }
      }
      const regs = corpus.regs();
      setReg(regs, 0, bits, value());
      corpus.add(`test${bits} acc,imm:`, [...sized(bits, [0xa8]), ...immediate(bits, value())], { regs, ...options });
    }
  }
}

function addOneOperand(corpus: Corpus): void {
  const { random } = corpus;
  const rows: [string, number, number][] = [
    ['inc', 0xfe, 0],
    ['dec', 0xfe, 1],
    ['not', 0xf6, 2],
    ['neg', 0xf6, 3],
  ];
  for (const [op, opcode, extension] of rows) {
    for (const bits of SIZES) {
      for (const value of corners(bits)) {
        corpus.addUnary(`${op}${bits} r:`, sized(bits, [opcode]), extension, bits, value, corpus.anyReg(bits));
      }
      for (let i = 0; i < 6; i++) {
        const value = random.value(bits);
        corpus.addUnary(`${op}${bits} m:`, sized(bits, [opcode]), extension, bits, value, 'memory');
        const locked = [0xf0, ...sized(bits, [opcode])];
        const address = LOCKED_PLACE;
        corpus.addUnary(`lock ${op}${bits} m:`, locked, extension, bits, value, 'memory', { address });
      }
    }
  }
  for (const bits of WIDE) {
    for (let reg = 0; reg < 8; reg++) {
      for (const value of [0, 0xffffffff, 0x7fffffff, 0x80000000, 0x7fff, 0x8000, 0xffff, random.u32()]) {
        const regs = corpus.regs();
        regs[reg] = value;
        const prefix = bits === 16 ? [0x66] : [];
        corpus.add(`inc${bits} short:`, [...prefix, 0x40 + reg], { regs });
        corpus.add(`dec${bits} short:`, [...prefix, 0x48 + reg], { regs: regs.slice() });
      }
    }
  }
}

export function aluCases(): InsnCase[] {
  const corpus = new Corpus('alu', 0xa10);
  addTwoOperand(corpus);
  addTest(corpus);
  addOneOperand(corpus);
  return corpus.cases;
}
