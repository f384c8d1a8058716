// BT BTS BTR BTC with offsets in and beyond the operand, BSF, BSR, BSWAP.

import { EAX } from '../../../oracle/asm-i386.ts';
import { AF, CF, type InsnCase, MEMORY_MAP, OF, PF, SF } from '../../../oracle/insn-case.ts';
import { corners } from '../../../oracle/random.ts';
import { type Bits, Corpus, setReg, WIDE, wide } from './corpus.ts';

const TEST_UNDEFINED = OF | SF | AF | PF;
const SCAN_UNDEFINED = CF | OF | SF | AF | PF;

/** By the two low bits of ModRM.reg of 0F BA. */
const TESTS = ['bt', 'bts', 'btr', 'btc'] as const;

function addMemoryOffsets(
  corpus: Corpus,
  name: string,
  code: (lock: boolean) => number[],
  bits: Bits,
  rmw: boolean,
): void {
  const { random } = corpus;
  const center = MEMORY_MAP.DATA + 0x40;
  const reach = 0x80;
  const offsets = [0, 1, bits - 1, bits, bits + 1, -1, -bits, -bits - 1, 63, 64, 511, -512, 777 % 512, -333];
  for (let i = 0; i < 6; i++) offsets.push(random.range(-512, 511));
  for (const offset of offsets) {
    for (const lock of rmw ? [false, true] : [false]) {
      const regs = corpus.regs();
      const reg = corpus.freeReg();
      setReg(regs, reg, bits, offset);
      const operand = corpus.place(regs, center, reg);
      const { base, disp } = operand.mem;
      const modrm = [0x40 | (reg << 3) | base!, disp! & 0xff];
      corpus.add(`${lock ? 'lock ' : ''}${name} m,r: offset ${offset}`, [...code(lock), ...modrm], {
        regs,
        memory: [{ at: center - reach, bytes: random.bytes(2 * reach) }],
        flagMask: TEST_UNDEFINED,
      });
    }
  }
  // Far away: 16-bit offsets reach 4 KiB each way, 32-bit ones 256 MiB. The access is at the word that holds the bit.
  const far: [number, number][] =
    bits === 16
      ? [
          [-32768, -0x1000],
          [32767, 0xffe],
        ]
      : [
          [-0x8000, -0x1000],
          [0x7fff, 0xffc],
        ];
  for (const [offset, bytes] of far) {
    const regs = corpus.regs();
    const from = MEMORY_MAP.SCRATCH_BORDER + (offset < 0 ? 0x40 : -0x40);
    setReg(regs, EAX, bits, offset);
    regs[3] = from;
    corpus.add(`${name} m,r: far offset ${offset}`, [...code(false), 0x03], {
      regs,
      memory: [{ at: (from + bytes) & ~3, bytes: random.bytes(8) }],
      flagMask: TEST_UNDEFINED,
    });
  }
}

function addBitTests(corpus: Corpus): void {
  const { random } = corpus;
  TESTS.forEach((name, row) => {
    for (const bits of WIDE) {
      const opcode = wide(bits, [0x0f, 0xa3 | (row << 3)]);
      const flagMask = TEST_UNDEFINED;
      for (const offset of [0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 63, 0xff, 0x8000, 0xfffff, random.u32(), -1, -17]) {
        for (let i = 0; i < 2; i++) {
          const reg = corpus.freeReg();
          const rm = i === 1 && random.below(3) === 0 ? reg : corpus.freeReg(reg);
          const operands = { reg, regValue: offset, rm, rmValue: random.value(bits) };
          corpus.addBinary(`${name}${bits} r,r: offset ${offset}`, opcode, bits, operands, { flagMask });
        }
      }
      const immediateForm = wide(bits, [0x0f, 0xba]);
      for (const offset of [0, 1, 7, 8, 15, 16, 31, 32, 0x7f, 0x80, 0xff]) {
        const run = (prefix: number[], where: number | 'memory', address?: number) =>
          corpus.addUnary(
            `${prefix.length ? 'lock ' : ''}${name}${bits} rm,${offset}:`,
            [...prefix, ...immediateForm],
            4 | row,
            bits,
            random.value(bits),
            where,
            { tail: [offset], flagMask, address },
          );
        run([], corpus.freeReg());
        run([], 'memory');
        if (name !== 'bt') run([0xf0], 'memory', MEMORY_MAP.DATA + 1);
      }
      const code = (lock: boolean) => (lock ? [0xf0, ...opcode] : opcode);
      addMemoryOffsets(corpus, `${name}${bits}`, code, bits, name !== 'bt');
    }
  });
}

function addScans(corpus: Corpus): void {
  const { random } = corpus;
  for (const [name, opcode] of [
    ['bsf', 0xbc],
    ['bsr', 0xbd],
  ] as const) {
    for (const bits of WIDE) {
      const values = [0, 0, 0, ...corners(bits), ...Array.from({ length: bits }, (_, i) => 2 ** i)];
      for (let i = 0; i < 12; i++) values.push(random.u32() >>> random.below(32));
      for (const value of values) {
        const rm = random.below(4) === 0 ? 'memory' : corpus.freeReg();
        const operands = { reg: corpus.freeReg(), regValue: random.u32(), rm, rmValue: value } as const;
        // With a zero source the destination is unchanged: AMD documents it, Intel does since 2023, all CPUs do it.
        corpus.addBinary(`${name}${bits}:`, wide(bits, [0x0f, opcode]), bits, operands, { flagMask: SCAN_UNDEFINED });
      }
    }
  }
}

function addSwaps(corpus: Corpus): void {
  const { random } = corpus;
  for (let reg = 0; reg < 8; reg++) {
    for (const value of [0x12345678, 0xff000000, random.u32()]) {
      const regs = corpus.regs();
      regs[reg] = value;
      corpus.add('bswap32:', [0x0f, 0xc8 + reg], { regs });
      // Undefined by both manuals.
      corpus.add('bswap16:', [0x66, 0x0f, 0xc8 + reg], { regs: regs.slice(), undefinedResult: true });
    }
  }
}

export function bitCases(): InsnCase[] {
  const corpus = new Corpus('bit', 0xb17);
  addBitTests(corpus);
  addScans(corpus);
  addSwaps(corpus);
  return corpus.cases;
}
