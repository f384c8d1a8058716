// PUSH, POP, PUSHA, POPA, PUSHF, POPF, ENTER, LEAVE in all forms, with the special cases of ESP.

import { EBP, ESP, le16, le32, modrmMem } from '../../../oracle/asm-i386.ts';
import { AC, AF, type InsnCase, MEMORY_MAP, OF, PF, SF, STATUS_FLAGS, ZF } from '../../../oracle/insn-case.ts';
import { type Bits, type CaseOptions, Corpus, regName, WIDE } from './corpus.ts';

const STACKS = [MEMORY_MAP.STACK, MEMORY_MAP.STACK + 1, MEMORY_MAP.SCRATCH_BORDER + 2, MEMORY_MAP.SCRATCH_BORDER + 1];

const prefix16 = (bits: Bits) => (bits === 16 ? [0x66] : []);

/** 64 bytes around a stack pointer. */
function stackMemory(corpus: Corpus, esp: number) {
  return { at: esp - 32, bytes: corpus.random.bytes(64) };
}

function addPushPop(corpus: Corpus): void {
  const { random } = corpus;
  const run = (name: string, code: number[], esp: number, options: CaseOptions = {}) => {
    const regs = options.regs instanceof Uint32Array ? options.regs : corpus.regs();
    regs[ESP] = esp;
    corpus.add(name, code, { ...options, regs, memory: [stackMemory(corpus, esp), ...(options.memory ?? [])] });
  };
  for (const bits of WIDE) {
    const prefix = prefix16(bits);
    for (const esp of STACKS) {
      for (let reg = 0; reg < 8; reg++) {
        run(`push${bits} ${regName(reg, bits)}:`, [...prefix, 0x50 + reg], esp);
        run(`pop${bits} ${regName(reg, bits)}:`, [...prefix, 0x58 + reg], esp);
        run(`push${bits} rm:`, [...prefix, 0xff, 0xf0 + reg], esp);
        run(`pop${bits} rm:`, [...prefix, 0x8f, 0xc0 + reg], esp);
      }
      const imm = random.u32();
      run(`push${bits} imm:`, [...prefix, 0x68, ...le32(imm).slice(0, bits / 8)], esp);
      for (const byte of [0, 0x7f, 0x80, 0xff]) run(`push${bits} imm8:`, [...prefix, 0x6a, byte], esp);
      const pushMemory = (name: string, mem: Parameters<typeof modrmMem>[1], regs = corpus.regs()) =>
        run(`push${bits} m: ${name}`, [...prefix, 0xff, ...modrmMem(6, mem)], esp, { regs });
      const popMemory = (name: string, mem: Parameters<typeof modrmMem>[1], regs = corpus.regs()) =>
        run(`pop${bits} m: ${name}`, [...prefix, 0x8f, ...modrmMem(0, mem)], esp, { regs });
      // PUSH addresses its operand with the old ESP, POP with the new one.
      for (const disp of [0, 4, -4, -8, 8]) {
        pushMemory(`[esp${disp}]`, { base: ESP, disp });
        popMemory(`[esp${disp}]`, { base: ESP, disp });
      }
      const indexed = corpus.regs();
      indexed[1] = 2;
      pushMemory('[esp+ecx*4]', { base: ESP, index: 1, scale: 4 }, indexed);
      popMemory('[esp+ecx*4]', { base: ESP, index: 1, scale: 4 }, indexed.slice());
      pushMemory('absolute', { disp: esp + 6 });
      popMemory('absolute', { disp: esp + 6 });
    }
  }
}

function addAll(corpus: Corpus): void {
  for (const bits of WIDE) {
    for (const esp of [...STACKS, MEMORY_MAP.SCRATCH_BORDER + 16, MEMORY_MAP.SCRATCH_BORDER - 10]) {
      for (const [name, opcode] of [
        ['pusha', 0x60],
        ['popa', 0x61],
      ] as const) {
        const regs = corpus.regs();
        regs[ESP] = esp;
        corpus.add(`${name}${bits}:`, [...prefix16(bits), opcode], { regs, memory: [stackMemory(corpus, esp)] });
      }
    }
  }
}

/** EFLAGS bits a user program may change with POPF, TF apart. */
const USER_FLAGS = STATUS_FLAGS | 0x400 | 0x4000 | AC | 0x200000;

function addFlags(corpus: Corpus): void {
  const { random } = corpus;
  const memory = () => [stackMemory(corpus, MEMORY_MAP.STACK)];
  for (const bits of WIDE) {
    const prefix = prefix16(bits);
    for (let i = 0; i < 24; i++) {
      const eflags = 2 | (random.u32() & USER_FLAGS);
      corpus.add(`pushf${bits}:`, [...prefix, 0x9c], { eflags, memory: memory() });
    }
    // Every single bit but TF, set and cleared, then random ones: IF, IOPL, RF, VM, VIF, VIP must not change.
    const images = Array.from({ length: 32 }, (_, bit) => 2 ** bit).filter((bit) => bit !== 0x100);
    images.push(...images.map((bit) => (0xfffffeff & ~bit) >>> 0));
    for (let i = 0; i < 16; i++) images.push((random.u32() & ~0x100) >>> 0);
    images.push(0, 0xfffffeff);
    for (const image of images) {
      const stack = stackMemory(corpus, MEMORY_MAP.STACK);
      stack.bytes.set(le32(image), 32);
      const eflags = 2 | (random.u32() & USER_FLAGS & ~AC);
      corpus.add(`popf${bits}: ${image.toString(16)}`, [...prefix, 0x9d], { eflags, memory: [stack] });
      // What PUSHF shows afterwards.
      const code = [...prefix, 0x9d, 0x9c];
      const again = { at: stack.at, bytes: stack.bytes.slice() };
      // PUSHF after POPF would be unaligned with a 16-bit POPF while AC may be set.
      if (bits === 32) corpus.add(`popf pushf: ${image.toString(16)}`, code, { eflags, memory: [again] });
    }
  }
}

const UNDEFINED: Record<string, number> = { imul: SF | ZF | AF | PF, and: AF, shl: AF | OF };

function addFrames(corpus: Corpus): void {
  const { random } = corpus;
  for (const bits of WIDE) {
    const prefix = prefix16(bits);
    for (let nesting = 0; nesting < 36; nesting++) {
      for (const size of nesting < 4 ? [0, 8, 0x1234, 0xffff] : [random.below(0x200)]) {
        const regs = corpus.regs();
        regs[ESP] = MEMORY_MAP.SCRATCH_BORDER + 0x100;
        regs[EBP] = MEMORY_MAP.SCRATCH + 0x300;
        // ENTER checks (by writing) the final stack pointer: keep it mapped by using the large segment.
        if (size > 0x800) regs[ESP] = MEMORY_MAP.SEGMENT + MEMORY_MAP.SEGMENT_BYTES - 0x20;
        corpus.add(`enter${bits}: ${size},${nesting}`, [...prefix, 0xc8, ...le16(size), nesting], {
          regs,
          memory: [
            { at: regs[ESP]! - 0xc0, bytes: random.bytes(0xc8) },
            { at: regs[EBP]! - 0xa0, bytes: random.bytes(0xa8) },
          ],
        });
      }
    }
    for (const frame of [MEMORY_MAP.DATA, MEMORY_MAP.SCRATCH_BORDER - 2, MEMORY_MAP.SCRATCH_BORDER - 1]) {
      const regs = corpus.regs();
      regs[EBP] = frame;
      if (bits === 16) regs[ESP] = frame ^ 0x100;
      corpus.add(`leave${bits}:`, [...prefix, 0xc9], { regs, memory: [{ at: frame - 8, bytes: random.bytes(24) }] });
    }
    // ESP as a plain operand.
    for (const [name, code] of [
      ['add esp,imm8', [0x83, 0xc4, 0xf0]],
      ['sub esp,eax', [0x29, 0xc4]],
      ['mov esp,ebp', [0x89, 0xec]],
      ['xchg esp,eax', [0x94]],
      ['lea esp,[esp+8]', [0x8d, 0x64, 0x24, 0x08]],
      ['and esp,-16', [0x83, 0xe4, 0xf0]],
      ['inc esp', [0x44]],
      ['neg esp', [0xf7, 0xdc]],
      ['imul esp,esp,3', [0x6b, 0xe4, 0x03]],
      ['movzx esp,al', [0x0f, 0xb6, 0xe0]],
      ['shl esp,3', [0xc1, 0xe4, 0x03]],
      ['mov esp,imm', bits === 16 ? [0xbc, 0x34, 0x12] : [0xbc, 0x78, 0x56, 0x34, 0x12]],
    ] as const) {
      const operation = name.slice(0, name.indexOf(' '));
      corpus.add(`esp${bits}: ${name}`, [...prefix, ...code], { flagMask: UNDEFINED[operation] ?? 0 });
    }
  }
}

/** A random walk of pushes and pops, as prologues and epilogues do them. */
function addSequences(corpus: Corpus): void {
  const { random } = corpus;
  for (let i = 0; i < 40; i++) {
    const code: number[] = [];
    let depth = 0;
    for (let k = 0; k < 14; k++) {
      const reg = random.below(8);
      if (depth > 0 && random.bool()) {
        if (reg === ESP) continue;
        code.push(0x58 + reg);
        depth--;
      } else {
        code.push(0x50 + reg);
        depth++;
      }
    }
    const esp = random.pick(STACKS);
    corpus.add('push pop: sequence', code, {
      regs: { esp },
      memory: [{ at: esp - 64, bytes: random.bytes(96) }],
    });
  }
}

export function stackCases(): InsnCase[] {
  const corpus = new Corpus('stack', 0x57ac);
  addPushPop(corpus);
  addAll(corpus);
  addFlags(corpus);
  addFrames(corpus);
  addSequences(corpus);
  return corpus.cases;
}
