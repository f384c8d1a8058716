// MOV in all forms, MOVZX, MOVSX, conversions, XLAT, LAHF, SAHF, flag instructions.

import { EAX, EBX, le32, modrmMem, modrmReg, REG32 } from '../../../oracle/asm-i386.ts';
import { CF, type InsnCase, MEMORY_MAP } from '../../../oracle/insn-case.ts';
import { corners } from '../../../oracle/random.ts';
import { type Bits, Corpus, immediate, regName, SIZES, setReg, sized, WIDE } from './corpus.ts';

function addMov(corpus: Corpus): void {
  const { random } = corpus;
  for (const bits of SIZES) {
    for (let reg = 0; reg < 8; reg++) {
      for (let rm = 0; rm < 8; rm++) {
        const esp = bits === 8 ? MEMORY_MAP.STACK : random.u32();
        const name = `${regName(rm, bits)},${regName(reg, bits)}`;
        corpus.add(`mov${bits} rm,r: ${name}`, [...sized(bits, [0x88]), ...modrmReg(reg, rm)], { regs: { esp } });
        const back = [...sized(bits, [0x88])];
        back[back.length - 1]! |= 2;
        corpus.add(`mov${bits} r,rm: ${name}`, [...back, ...modrmReg(reg, rm)], { regs: { esp } });
      }
      const load = sized(bits, [0x8a]);
      const operands = { reg, regValue: random.u32(), rm: 'memory', rmValue: random.u32() } as const;
      if (bits === 8 || reg !== 4) {
        corpus.addBinary(`mov${bits} r,m:`, load, bits, operands);
        corpus.addBinary(`mov${bits} m,r:`, sized(bits, [0x88]), bits, operands);
      }
      const value = random.value(bits);
      const short = bits === 8 ? [0xb0 + reg] : bits === 16 ? [0x66, 0xb8 + reg] : [0xb8 + reg];
      corpus.add(`mov${bits} r,imm short:`, [...short, ...immediate(bits, value)]);
      const tail = immediate(bits, random.value(bits));
      corpus.addUnary(`mov${bits} rm,imm:`, sized(bits, [0xc6]), 0, bits, value, reg, { tail });
      corpus.addUnary(`mov${bits} rm,imm:`, sized(bits, [0xc6]), 0, bits, value, 'memory', { tail });
    }
    for (const at of [MEMORY_MAP.DATA, MEMORY_MAP.SCRATCH_BORDER - 1, MEMORY_MAP.SCRATCH_BORDER - 2]) {
      for (const [name, opcode] of [
        ['acc,moffs', 0xa0],
        ['moffs,acc', 0xa2],
      ] as const) {
        corpus.add(`mov${bits} ${name}:`, [...sized(bits, [opcode]), ...le32(at)], { memory: [corpus.around(at)] });
      }
    }
  }
  // The 16-bit moffs form: two bytes of offset.
  for (const bits of SIZES) {
    for (const opcode of [0xa0, 0xa2]) {
      const code = [0x64, 0x67, ...sized(bits, [opcode]), 0x34, 0x12];
      corpus.add(`mov${bits} moffs16:`, code, {
        segments: { fs: 'based' },
        memory: [{ at: MEMORY_MAP.SEGMENT + 0x1230, bytes: random.bytes(16) }],
      });
    }
  }
}

function addExtend(corpus: Corpus): void {
  const { random } = corpus;
  for (const [name, opcode] of [
    ['movzx', 0xb6],
    ['movsx', 0xbe],
  ] as const) {
    for (const from of [8, 16] as Bits[]) {
      for (const to of WIDE) {
        const code = [...(to === 16 ? [0x66] : []), 0x0f, opcode | (from === 16 ? 1 : 0)];
        for (const value of [...corners(from), random.value(from)]) {
          for (const rm of [corpus.anyReg(from), 'memory'] as const) {
            const operands = { reg: corpus.freeReg(), regValue: random.u32(), rm, rmValue: value };
            corpus.addBinary(`${name} r${to},rm${from}:`, code, to, operands, { rmBits: from });
          }
        }
        // All register pairs by turns, the source part of the destination included.
        for (let reg = 0; reg < 8; reg++) {
          const rm = (reg * 3 + 1) & 7;
          for (const source of [rm, from === 8 ? reg & 3 : reg, from === 8 ? (reg & 3) | 4 : reg]) {
            const names = `${REG32[reg]},${regName(source, from)}`;
            corpus.add(`${name} r${to},rm${from}: ${names}`, [...code, ...modrmReg(reg, source)]);
          }
        }
      }
    }
  }
  for (const [name, code] of [
    ['cbw', [0x66, 0x98]],
    ['cwde', [0x98]],
    ['cwd', [0x66, 0x99]],
    ['cdq', [0x99]],
  ] as const) {
    for (const value of [0, 0x7f, 0x80, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, random.u32()]) {
      corpus.add(`${name}:`, [...code], { regs: { eax: value } });
    }
  }
}

function addTranslate(corpus: Corpus): void {
  const { random } = corpus;
  for (let i = 0; i < 8; i++) {
    const regs = corpus.regs();
    const at = MEMORY_MAP.SCRATCH_BORDER - 0x80;
    regs[EBX] = at;
    corpus.add('xlat:', [0xd7], { regs, memory: [{ at, bytes: random.bytes(256) }] });
    // [bx+al] with wrap-around at 64 KiB.
    const based = corpus.regs();
    const offset = i < 4 ? 0xff80 : 0x1000;
    setReg(based, EBX, 16, offset);
    corpus.add('xlat: a16', [0x65, 0x67, 0xd7], {
      regs: based,
      segments: { gs: 'based' },
      memory: [
        { at: MEMORY_MAP.SEGMENT, bytes: random.bytes(0x100) },
        { at: MEMORY_MAP.SEGMENT + offset, bytes: random.bytes(0x100) },
      ],
    });
  }
}

function addFlagMoves(corpus: Corpus): void {
  const { random } = corpus;
  for (let flags = 0; flags < 256; flags++) {
    const eax = (random.u32() & 0xffff00ff) | (flags << 8);
    corpus.add('sahf:', [0x9e], { regs: { eax } });
  }
  for (let i = 0; i < 32; i++) corpus.add('lahf:', [0x9f]);
}

/** CMC, CLC, STC, CLD, STD with every carry. */
function addFlagInstructions(corpus: Corpus): void {
  for (const [name, opcode] of [
    ['cmc', 0xf5],
    ['clc', 0xf8],
    ['stc', 0xf9],
    ['cld', 0xfc],
    ['std', 0xfd],
  ] as const) {
    for (let i = 0; i < 6; i++) {
      corpus.add(`${name}:`, [opcode], { eflags: (corpus.flags() & ~CF) | (i & 1 ? CF : 0) | (i & 2 ? 0x400 : 0) });
    }
  }
}

/** SALC, undocumented by Intel until 2016: AL becomes 0xff or 0 by CF. */
function addSetAlFromCarry(corpus: Corpus): void {
  for (const carry of [0, CF]) corpus.add('salc:', [0xd6], { eflags: (corpus.flags() & ~CF) | carry });
}

/** NOP and the reserved no-operation encodings. */
function addNoOperation(corpus: Corpus): void {
  corpus.add('nop:', [0x90]);
  corpus.add('nop: 66', [0x66, 0x90]);
  corpus.add('pause:', [0xf3, 0x90]);
  for (const mem of [{ base: EAX }, { base: EAX, disp: 1 }, { base: 4, index: 0, scale: 4, disp: 0x12345678 }]) {
    // The address is not accessed.
    corpus.add('nop rm:', [0x0f, 0x1f, ...modrmMem(0, mem)], { regs: { eax: 0x1000 } });
    corpus.add('nop rm: 66', [0x66, 0x0f, 0x1f, ...modrmMem(0, mem)]);
  }
  corpus.add('nop rm: reg', [0x0f, 0x1f, 0xc0]);
  for (let hint = 0; hint < 4; hint++) corpus.add('prefetch:', [0x0f, 0x18, (hint << 3) | 0x01], { regs: { ecx: 16 } });
}

export function moveCases(): InsnCase[] {
  const corpus = new Corpus('move', 0x305e);
  addMov(corpus);
  addExtend(corpus);
  addTranslate(corpus);
  addFlagMoves(corpus);
  addFlagInstructions(corpus);
  addSetAlFromCarry(corpus);
  addNoOperation(corpus);
  return corpus.cases;
}
