// MUL, IMUL in all forms, DIV and IDIV with and without #DE.

import { EAX, EDX } from '../../../oracle/asm-i386.ts';
import { AF, type InsnCase, PF, SF, STATUS_FLAGS, ZF } from '../../../oracle/insn-case.ts';
import { corners } from '../../../oracle/random.ts';
import { type Bits, Corpus, immediate, SIZES, setReg, sized, WIDE, wide } from './corpus.ts';

const MULTIPLY_UNDEFINED = SF | ZF | AF | PF;

function addMultiply(corpus: Corpus): void {
  const { random } = corpus;
  const flagMask = MULTIPLY_UNDEFINED;
  for (const [name, extension] of [
    ['mul', 4],
    ['imul', 5],
  ] as const) {
    for (const bits of SIZES) {
      const run = (a: number, b: number, where: number | 'memory') => {
        const regs = corpus.regs();
        setReg(regs, EAX, bits, a);
        corpus.addUnary(`${name}${bits} rm:`, sized(bits, [0xf6]), extension, bits, b, where, { regs, flagMask });
      };
      const values = corners(bits);
      values.forEach((a, i) => {
        for (const b of values.filter((_, j) => (i + j) % 3 === 0)) run(a, b, bits === 8 ? 1 : 3);
      });
      for (let i = 0; i < 20; i++) run(random.value(bits), random.value(bits), corpus.anyReg(bits));
      for (let i = 0; i < 6; i++) run(random.value(bits), random.value(bits), 'memory');
    }
  }
  for (const bits of WIDE) {
    const values = corners(bits);
    const pairs: [number, number][] = values.flatMap((a, i) =>
      values.filter((_, j) => (i + j) % 3 === 1).map((b): [number, number] => [a, b]),
    );
    for (let i = 0; i < 16; i++) pairs.push([random.value(bits), random.value(bits)]);
    for (const [a, b] of pairs) {
      const rm = random.below(5) === 0 ? 'memory' : corpus.freeReg();
      const operands = { reg: corpus.freeReg(), regValue: a, rm, rmValue: b } as const;
      corpus.addBinary(`imul${bits} r,rm:`, wide(bits, [0x0f, 0xaf]), bits, operands, { flagMask });
      const tail = immediate(bits, a);
      corpus.addBinary(`imul${bits} r,rm,imm:`, wide(bits, [0x69]), bits, operands, { flagMask, tail });
      const short = [random.value(8)];
      corpus.addBinary(`imul${bits} r,rm,imm8:`, wide(bits, [0x6b]), bits, operands, { flagMask, tail: short });
    }
  }
}

/** Sets the dividend of a size: AX, DX:AX or EDX:EAX. */
function setDividend(regs: Uint32Array, bits: Bits, value: bigint): void {
  if (bits === 8) setReg(regs, EAX, 16, Number(value & 0xffffn));
  else {
    setReg(regs, EAX, bits, Number(BigInt.asUintN(bits, value)));
    setReg(regs, EDX, bits, Number(BigInt.asUintN(bits, value >> BigInt(bits))));
  }
}

function addDivide(corpus: Corpus): void {
  const { random } = corpus;
  for (const [name, extension] of [
    ['div', 6],
    ['idiv', 7],
  ] as const) {
    const signed = extension === 7;
    for (const bits of SIZES) {
      const width = BigInt(bits);
      const low = signed ? -(1n << (width - 1n)) : 0n;
      const high = signed ? (1n << (width - 1n)) - 1n : (1n << width) - 1n;
      const run = (dividend: bigint, divisor: bigint, where: number | 'memory') => {
        const faults = divisor === 0n || dividend / divisor > high || dividend / divisor < low;
        const regs = corpus.regs();
        const value = Number(BigInt.asUintN(bits, divisor));
        setDividend(regs, bits, dividend);
        if (where !== 'memory') setReg(regs, where, bits, value);
        corpus.addUnary(
          `${name}${bits}:${faults ? ' fault' : ''}`,
          sized(bits, [0xf6]),
          extension,
          bits,
          value,
          where,
          {
            regs,
            flagMask: STATUS_FLAGS,
            faults,
          },
        );
      };
      const asValue = (value: number) => {
        const big = BigInt(value);
        return signed ? BigInt.asIntN(bits, big) : big;
      };
      // CL, CX, ECX and so on: not part of the dividend.
      const divisorReg = () => (bits === 8 ? random.pick([1, 2, 3, 5, 6, 7]) : random.pick([1, 3, 5, 6, 7]));
      const divisors = [...corners(bits), ...Array.from({ length: 12 }, () => random.value(bits))];
      for (const divisor of divisors.map(asValue)) {
        // Quotients at both ends and just beyond, and random ones, with every kind of remainder.
        const quotients = [
          0n,
          1n,
          high,
          high + 1n,
          low,
          low - 1n,
          asValue(random.value(bits)),
          asValue(random.value(bits)),
        ];
        for (const quotient of quotients) {
          const magnitude = divisor < 0n ? -divisor : divisor;
          let remainder = magnitude > 0n ? BigInt(random.u32()) % magnitude : BigInt(random.u32() & 0xff);
          if (quotient < 0n !== divisor < 0n) remainder = -remainder;
          let dividend = quotient * divisor + remainder;
          const double = width * 2n;
          dividend = signed ? BigInt.asIntN(Number(double), dividend) : BigInt.asUintN(Number(double), dividend);
          run(dividend, divisor, random.below(6) === 0 ? 'memory' : divisorReg());
        }
      }
      for (let i = 0; i < 16; i++) {
        const double = BigInt.asUintN(bits * 2, (BigInt(random.u32()) << 32n) | BigInt(random.u32()));
        const dividend = signed ? BigInt.asIntN(bits * 2, double) : double;
        run(dividend >> BigInt(random.below(bits)), asValue(random.u32() % 2 ** bits), divisorReg());
      }
      // The divisor is part of the dividend: always in range or #DE, the host decides which.
      for (const where of bits === 8 ? [0, 4] : [0, 2, 4]) {
        for (const value of [0, 1, 2, 3, random.value(bits)]) {
          const regs = corpus.regs();
          if (where === 4 && bits !== 8) regs[4] = random.u32();
          setDividend(regs, bits, BigInt(random.below(2)) << width);
          corpus.addUnary(`${name}${bits} by its dividend:`, sized(bits, [0xf6]), extension, bits, value, where, {
            regs,
            flagMask: STATUS_FLAGS,
            faults: true,
          });
        }
      }
    }
  }
}

export function multiplyDivideCases(): InsnCase[] {
  const corpus = new Corpus('multiply-divide', 0xd1f);
  addMultiply(corpus);
  addDivide(corpus);
  return corpus.cases;
}
