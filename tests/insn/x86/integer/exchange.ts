// XCHG, XADD, CMPXCHG, CMPXCHG8B with and without LOCK, unaligned and across pages.

import { EAX, EBX, ECX, EDX, leBytes, modrmMem } from '../../../oracle/asm-i386.ts';
import { type InsnCase, MEMORY_MAP, STATUS_FLAGS } from '../../../oracle/insn-case.ts';
import { Corpus, PLACES, regName, SIZES, setReg, sized, WIDE } from './corpus.ts';

/** Only a few locked accesses cross a cache line or page: Linux may delay each of them. */
const LOCKED_PLACES = [MEMORY_MAP.DATA, MEMORY_MAP.DATA, MEMORY_MAP.DATA + 1, MEMORY_MAP.DATA + 2];

function addExchange(corpus: Corpus): void {
  const { random } = corpus;
  for (const bits of SIZES) {
    const rows: [string, number[]][] = [
      ['xchg', [0x86]],
      ['xadd', [0x0f, 0xc0]],
    ];
    for (const [name, opcode] of rows) {
      for (let i = 0; i < 16; i++) {
        const reg = corpus.anyReg(bits);
        const rm = i < 3 ? reg : i < 11 ? corpus.anyReg(bits) : 'memory';
        const operands = { reg, regValue: random.value(bits), rm, rmValue: random.value(bits) } as const;
        corpus.addBinary(`${name}${bits}:`, sized(bits, opcode), bits, operands);
      }
      for (let i = 0; i < 6; i++) {
        const operands = {
          reg: corpus.anyReg(bits),
          regValue: random.u32(),
          rm: 'memory',
          rmValue: random.u32(),
        } as const;
        const address = random.pick(LOCKED_PLACES);
        corpus.addBinary(`lock ${name}${bits}:`, [0xf0, ...sized(bits, opcode)], bits, operands, { address });
      }
    }
    for (const address of [MEMORY_MAP.SCRATCH_BORDER - 1, MEMORY_MAP.SCRATCH_BORDER - 3]) {
      const operands = { reg: 1, regValue: random.u32(), rm: 'memory', rmValue: random.u32() } as const;
      corpus.addBinary(`lock xadd${bits}: across pages`, [0xf0, ...sized(bits, [0x0f, 0xc0])], bits, operands, {
        address,
      });
    }
  }
  for (const bits of WIDE) {
    for (let reg = 0; reg < 8; reg++) {
      const code = bits === 16 ? [0x66, 0x90 + reg] : [0x90 + reg];
      corpus.add(`xchg${bits} acc,${regName(reg, bits)}:`, code, reg === 4 ? { regs: { esp: random.u32() } } : {});
    }
  }
  // XADD with ESP on either side.
  for (const modrm of [0xc4, 0xe0, 0xe4])
    corpus.add('xadd32: esp', [0x0f, 0xc1, modrm], { regs: { esp: random.u32() } });
}

function addCompareExchange(corpus: Corpus): void {
  const { random } = corpus;
  for (const bits of SIZES) {
    for (let i = 0; i < 36; i++) {
      const regs = corpus.regs();
      const accumulator = random.value(bits);
      setReg(regs, EAX, bits, accumulator);
      const rmValue = i % 2 ? accumulator : random.value(bits);
      const inMemory = i % 4 >= 2;
      const rm = inMemory ? 'memory' : i % 12 < 2 ? 0 : corpus.anyReg(bits);
      const reg = i % 16 === 5 ? 0 : corpus.freeReg(0);
      const locked = inMemory && i % 3 === 0;
      const code = locked ? [0xf0, ...sized(bits, [0x0f, 0xb0])] : sized(bits, [0x0f, 0xb0]);
      const name = `${locked ? 'lock ' : ''}cmpxchg${bits}:`;
      const regValue = reg === 0 ? accumulator : random.value(bits);
      const address = locked ? random.pick(LOCKED_PLACES) : undefined;
      corpus.addBinary(name, code, bits, { reg, regValue, rm, rmValue }, { regs, address });
    }
  }
  for (let i = 0; i < 48; i++) {
    const equal = i % 2 === 0;
    const locked = i % 3 === 0;
    const old = random.bytes(8);
    const view = new DataView(old.buffer);
    const regs = corpus.regs();
    regs[EAX] = view.getUint32(0, true);
    regs[EDX] = view.getUint32(4, true);
    if (!equal) regs[i % 4 === 1 ? EAX : EDX]! ^= 1 << random.below(32);
    const at = locked ? random.pick(LOCKED_PLACES) : random.pick(PLACES);
    // Also [ebx+disp] and [ecx+disp]: the new value's registers may address the operand.
    const base = i % 5 === 0 ? EBX : i % 5 === 1 ? ECX : corpus.freeReg(EAX, EDX, EBX, ECX);
    regs[base] = at - 0x10;
    const code = [0x0f, 0xc7, ...modrmMem(1, { base, disp: 0x10 })];
    corpus.add(`${locked ? 'lock ' : ''}cmpxchg8b: ${equal ? 'equal' : 'different'}`, locked ? [0xf0, ...code] : code, {
      regs,
      memory: [
        { at: at - 4, bytes: Uint8Array.from([...leBytes(random.u32(), 4), ...old, ...leBytes(random.u32(), 4)]) },
      ],
      eflags: i % 7 ? corpus.flags() : STATUS_FLAGS | 2,
    });
  }
}

export function exchangeCases(): InsnCase[] {
  const corpus = new Corpus('exchange', 0xe8c);
  addExchange(corpus);
  addCompareExchange(corpus);
  return corpus.cases;
}
