// ROL ROR RCL RCR SHL SHR SAR in all forms and counts, SHLD and SHRD.

import { ECX } from '../../../oracle/asm-i386.ts';
import { AF, CF, type InsnCase, OF, STATUS_FLAGS } from '../../../oracle/insn-case.ts';
import { type Bits, Corpus, SIZES, setReg, sized, WIDE, wholeReg } from './corpus.ts';

/** By ModRM.reg; /6 is an undocumented second SHL. */
const OPS = ['rol', 'ror', 'rcl', 'rcr', 'shl', 'shr', 'sal', 'sar'] as const;

/** Flags left undefined by SDM vol. 2, "RCL/RCR/ROL/ROR" and "SAL/SAR/SHL/SHR". */
function shiftMask(op: number, bits: Bits, count: number): number {
  const masked = count & 31;
  if (masked === 0) return 0;
  let mask = masked > 1 ? OF : 0;
  if (op >= 4) {
    mask |= AF;
    if (masked >= bits && op !== 7) mask |= CF;
  }
  return mask;
}

function addShifts(corpus: Corpus): void {
  const { random } = corpus;
  OPS.forEach((name, op) => {
    for (const bits of SIZES) {
      const options = (count: number) => ({ flagMask: shiftMask(op, bits, count) });
      const notCl = () => {
        for (;;) {
          const reg = corpus.anyReg(bits);
          if (wholeReg(reg, bits) !== ECX) return reg;
        }
      };
      for (let i = 0; i < 10; i++) {
        corpus.addUnary(`${name}${bits} by 1:`, sized(bits, [0xd0]), op, bits, random.value(bits), notCl(), options(1));
      }
      corpus.addUnary(`${name}${bits} by 1:`, sized(bits, [0xd0]), op, bits, random.value(bits), 'memory', options(1));
      const counts = Array.from({ length: 36 }, (_, i) => i);
      counts.push(63, 64, 65, 0x80, 0x9f, 0xe1, 0xff);
      for (const count of counts) {
        const regs = () => {
          const values = corpus.regs();
          setReg(values, ECX, 8, count);
          return values;
        };
        const withCl = (where: number | 'memory', value: number) =>
          corpus.addUnary(`${name}${bits} by cl ${count}:`, sized(bits, [0xd2]), op, bits, value, where, {
            regs: regs(),
            ...options(count),
          });
        withCl(notCl(), random.value(bits));
        withCl(notCl(), random.u32());
        if (count % 3 === 0) withCl('memory', random.value(bits));
        const byImmediate = (where: number | 'memory', value: number) =>
          corpus.addUnary(`${name}${bits} by ${count}:`, sized(bits, [0xc0]), op, bits, value, where, {
            tail: [count],
            ...options(count),
          });
        byImmediate(corpus.anyReg(bits), random.value(bits));
        byImmediate(corpus.anyReg(bits), random.u32());
        if (count % 4 === 0) byImmediate('memory', random.value(bits));
      }
      // CL or ECX itself is shifted by CL.
      for (const count of [0, 1, 5, 8, 17, 31]) {
        const regs = corpus.regs();
        const code = [...sized(bits, [0xd2]), 0xc0 | (op << 3) | ECX];
        setReg(regs, ECX, 8, count | 0x40);
        corpus.add(`${name}${bits} cl by cl ${count}:`, code, { regs, ...options(count) });
      }
    }
  });
}

/** SHLD/SHRD: everything is undefined when the count exceeds the operand size (SDM vol. 2). */
function doubleShift(bits: Bits, count: number) {
  const masked = count & 31;
  if (masked === 0) return { flagMask: 0 };
  if (masked > bits) return { flagMask: STATUS_FLAGS, undefinedResult: true };
  return { flagMask: masked > 1 ? AF | OF : AF };
}

function addDoubleShifts(corpus: Corpus): void {
  const { random } = corpus;
  for (const [name, opcode] of [
    ['shld', 0xa4],
    ['shrd', 0xac],
  ] as const) {
    for (const bits of WIDE) {
      const prefix = bits === 16 ? [0x66] : [];
      for (const count of [...Array.from({ length: 34 }, (_, i) => i), 63, 0x81, 0xff]) {
        for (let i = 0; i < 3; i++) {
          const options = doubleShift(bits, count);
          const rm = i === 2 ? 'memory' : corpus.freeReg(ECX);
          const operands = {
            reg: corpus.freeReg(ECX),
            regValue: random.value(bits),
            rm,
            rmValue: random.value(bits),
          } as const;
          const immediate = { tail: [count], ...options };
          corpus.addBinary(`${name}${bits} by ${count}:`, [...prefix, 0x0f, opcode], bits, operands, immediate);
          const regs = corpus.regs();
          setReg(regs, ECX, 8, count);
          const byCl = { regs, ...options };
          corpus.addBinary(`${name}${bits} by cl ${count}:`, [...prefix, 0x0f, opcode | 1], bits, operands, byCl);
        }
      }
      // Source and destination are one register; ECX is an operand as well as the count.
      for (const count of [1, 7, 15, 16, 24, 31]) {
        const regs = corpus.regs();
        setReg(regs, ECX, 8, count);
        for (const modrm of [0xc0 | (ECX << 3) | ECX, 0xc0 | ECX, 0xc0 | (ECX << 3), 0xdb]) {
          corpus.add(`${name}${bits} overlap by cl ${count}:`, [...prefix, 0x0f, opcode | 1, modrm], {
            regs: regs.slice(),
            ...doubleShift(bits, count),
          });
        }
      }
    }
  }
}

export function shiftCases(): InsnCase[] {
  const corpus = new Corpus('shift', 0x5417);
  addShifts(corpus);
  addDoubleShifts(corpus);
  return corpus.cases;
}
