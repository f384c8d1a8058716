// DAA, DAS, AAA, AAS over every AL and input flag, AAM and AAD with many bases.

import { AF, CF, type InsnCase, OF, PF, SF, STATUS_FLAGS, ZF } from '../../../oracle/insn-case.ts';
import { Corpus } from './corpus.ts';

export function bcdCases(): InsnCase[] {
  const corpus = new Corpus('bcd', 0xbcd);
  const { random } = corpus;
  for (const [name, opcode] of [
    ['daa', 0x27],
    ['das', 0x2f],
  ] as const) {
    for (let al = 0; al < 256; al++) {
      for (const carry of [0, CF]) {
        for (const adjust of [0, AF]) {
          const eflags = (corpus.flags() & ~(CF | AF)) | carry | adjust;
          const eax = (random.u32() & 0xffffff00) | al;
          corpus.add(`${name}: al=${al.toString(16)}`, [opcode], { regs: { eax }, eflags, flagMask: OF });
        }
      }
    }
  }
  for (const [name, opcode] of [
    ['aaa', 0x37],
    ['aas', 0x3f],
  ] as const) {
    for (let al = 0; al < 256; al++) {
      for (const adjust of [0, AF]) {
        const eflags = (corpus.flags() & ~AF) | adjust;
        // Also AH values whose carry or borrow leaves AX.
        const ah = random.below(3) === 0 ? random.pick([0, 0xff, 0xfe]) : random.below(256);
        const eax = (random.u32() & 0xffff0000) | (ah << 8) | al;
        const flagMask = OF | SF | ZF | PF;
        corpus.add(`${name}: ax=${(eax & 0xffff).toString(16)}`, [opcode], { regs: { eax }, eflags, flagMask });
      }
    }
  }
  for (const base of [10, 1, 2, 7, 16, 100, 127, 128, 255, random.range(3, 250)]) {
    for (let i = 0; i < 14; i++) {
      const eax = (random.u32() & 0xffff0000) | (random.value(8) << 8) | random.value(8);
      const options = { regs: { eax }, flagMask: OF | AF | CF };
      corpus.add(`aam: base ${base}`, [0xd4, base], options);
      corpus.add(`aad: base ${base}`, [0xd5, base], options);
    }
  }
  for (let i = 0; i < 4; i++) {
    corpus.add('aad: base 0', [0xd5, 0], { flagMask: OF | AF | CF });
    corpus.add('aam: fault base 0', [0xd4, 0], { flagMask: STATUS_FLAGS, faults: true });
  }
  return corpus.cases;
}
