// Jcc, SETcc, CMOVcc over every flag combination, JMP, CALL, RET, LOOPcc, JECXZ, far transfers, 16-bit branches.

import { CC, EAX, EBX, EDX, le16, le32, modrmMem, modrmReg } from '../../../oracle/asm-i386.ts';
import { AF, CF, type CodeReference, type InsnCase, MEMORY_MAP, OF, PF, SF, ZF } from '../../../oracle/insn-case.ts';
import { type CaseOptions, Corpus, SIZES, setReg, sized, WIDE } from './corpus.ts';

/** mov al, imm8: leaves a mark of the path taken. */
const mark = (value: number) => [0xb0, value];
const MARK_BYTES = 2;

/** The code fills AL with 1 when `branch` (of `length` bytes, built from its displacement) falls through, 2 when taken. */
function twoWays(branch: (displacement: number) => number[]): number[] {
  const skipped = [...mark(1), 0xeb, MARK_BYTES]; // mov al,1; jmp over the second mark
  return [...branch(skipped.length), ...skipped, ...mark(2)];
}

function addConditions(corpus: Corpus): void {
  const { random } = corpus;
  const bits = [CF, PF, ZF, SF, OF];
  CC.forEach((name, cc) => {
    for (let combination = 0; combination < 32; combination++) {
      let eflags = 2 | (random.bool() ? AF : 0);
      bits.forEach((bit, i) => {
        if (combination & (1 << i)) eflags |= bit;
      });
      corpus.add(
        `j${name} rel8:`,
        twoWays((disp) => [0x70 | cc, disp]),
        { eflags },
      );
      corpus.add(
        `j${name} rel32:`,
        twoWays((disp) => [0x0f, 0x80 | cc, ...le32(disp)]),
        { eflags },
      );
      const reg = random.below(8);
      corpus.add(`set${name} r:`, [0x0f, 0x90 | cc, ...modrmReg(random.below(8), reg)], { eflags });
      const size = WIDE[combination & 1]!;
      const prefix = size === 16 ? [0x66] : [];
      const operands = { reg: corpus.freeReg(), regValue: random.u32(), rm: corpus.freeReg(), rmValue: random.u32() };
      corpus.addBinary(`cmov${name}${size}:`, [...prefix, 0x0f, 0x40 | cc], size, operands, { eflags });
      if (combination % 8 === cc % 8) {
        corpus.addUnary(`set${name} m:`, [0x0f, 0x90 | cc], 0, 8, random.u32(), 'memory', { eflags });
        const fromMemory = { ...operands, rm: 'memory' } as const;
        corpus.addBinary(`cmov${name}${size} m:`, [...prefix, 0x0f, 0x40 | cc], size, fromMemory, { eflags });
      }
    }
    // The source is read even when the condition is false.
    const at = MEMORY_MAP.SCRATCH_END - 2;
    for (const eflags of [2, 2 | CF | PF | ZF | SF | OF]) {
      corpus.add(`cmov${name} m: fault`, [0x0f, 0x40 | cc, ...modrmMem(1, { disp: at })], { eflags, faults: true });
    }
  });
}

/** Operations on AL or (E)AX, and (E)BX: opcode of the byte form, ModRM. */
const SETTERS: [string, number, number][] = [
  ['add', 0x00, 0xd8],
  ['adc', 0x10, 0xd8],
  ['sub', 0x28, 0xd8],
  ['sbb', 0x18, 0xd8],
  ['cmp', 0x38, 0xd8],
  ['and', 0x20, 0xd8],
  ['inc', 0xfe, 0xc0],
  ['dec', 0xfe, 0xc8],
  ['neg', 0xf6, 0xd8],
  ['shl1', 0xd0, 0xe0],
  ['shr1', 0xd0, 0xe8],
  ['sar1', 0xd0, 0xf8],
];

/** Every condition right behind what sets the flags, where a translator makes one comparison of the two. */
function addComparedConditions(corpus: Corpus): void {
  const { random } = corpus;
  for (const [name, opcode, modrm] of SETTERS) {
    const flagMask = /^s[ha]|^and/.test(name) ? AF : 0;
    for (const bits of SIZES) {
      CC.forEach((condition, cc) => {
        for (let n = 0; n < 4; n++) {
          const code = [...sized(bits, [opcode]), modrm, 0x0f, 0x90 | cc, 0xc2]; // setcc dl
          const regs = { eax: random.value(bits), ebx: random.value(bits), edx: random.u32(), esp: MEMORY_MAP.STACK };
          corpus.add(`${name}${bits} set${condition}:`, code, { regs, eflags: corpus.flags(), flagMask });
        }
      });
    }
  }
}

function addLoops(corpus: Corpus): void {
  for (const [name, opcode] of [
    ['loopne', 0xe0],
    ['loope', 0xe1],
    ['loop', 0xe2],
    ['jecxz', 0xe3],
  ] as const) {
    for (const zero of [0, ZF]) {
      for (const ecx of [0, 1, 2, 0x10000, 0x10001, 0xffff, 0xffff0000, 0x12340001, 0xffffffff]) {
        const eflags = (corpus.flags() & ~ZF) | zero;
        corpus.add(
          `${name}: ecx=${ecx.toString(16)}`,
          twoWays((disp) => [opcode, disp]),
          { regs: { ecx }, eflags },
        );
        const code = twoWays((disp) => [0x67, opcode, disp]);
        corpus.add(`${name}: a16 ecx=${ecx.toString(16)}`, code, { regs: { ecx }, eflags });
      }
    }
  }
  // Real loops, backwards: ECX iterations of add eax, edx.
  for (const ecx of [1, 2, 5, 300]) {
    corpus.add('loop: backwards', [0x01, 0xd0, 0xe2, 0xfc], { regs: { ecx } });
    corpus.add('loop: dec jnz', [0x01, 0xd0, 0x49, 0x75, 0xfb], { regs: { ecx } });
    corpus.add('loopne: backwards', [0x2d, ...le32(3), 0xe0, 0xf9], { regs: { ecx, eax: 12 } });
    corpus.add('loop: to itself', [0xe2, 0xfe], { regs: { ecx } });
  }
}

function addJumps(corpus: Corpus): void {
  const { random } = corpus;
  corpus.add(
    'jmp rel8:',
    twoWays((disp) => [0xeb, disp]),
  );
  corpus.add(
    'jmp rel32:',
    twoWays((disp) => [0xe9, ...le32(disp)]),
  );
  // Forward over a backward jump: 0: jmp 5; 2: mov al,1; ... 7: jmp 2
  corpus.add('jmp: back and forth', [0xeb, 0x04, ...mark(1), 0xeb, 0x02, 0xeb, 0xfa, ...mark(2)]);
  corpus.add('jmp: into an instruction', [0xeb, 0x01, 0xb8, 0xb0, 0x05, 0x90, 0x90]);

  const target = (branch: number[], at: 'reg' | 'memory', options: CaseOptions = {}) => {
    // branch; mov al,1; jmp +2; target: mov al,2
    const code = [...branch, ...mark(1), 0xeb, MARK_BYTES, ...mark(2)];
    const offset = branch.length + 4;
    const references: CodeReference[] =
      at === 'reg' ? [{ in: 'reg', reg: 'ebx' }] : [{ in: 'memory', window: 0, offset: 4 }];
    return { code, offset, options: { ...options, codeReferences: references } };
  };
  const throughReg = (name: string, branch: number[]) => {
    const { code, offset, options } = target(branch, 'reg');
    const stack = [{ at: MEMORY_MAP.STACK - 16, bytes: random.bytes(32) }];
    corpus.add(name, code, { ...options, regs: { ebx: offset }, memory: stack });
  };
  const throughMemory = (name: string, opcode: number[], reg: number, address: number) => {
    const branch = [...opcode, ...modrmMem(reg, { base: EDX, disp: 4 })];
    const { code, offset, options } = target(branch, 'memory');
    const bytes = random.bytes(12);
    bytes.set(le32(offset), 4);
    const memory = [
      { at: address, bytes },
      { at: MEMORY_MAP.STACK - 16, bytes: random.bytes(32) },
    ];
    corpus.add(name, code, { ...options, regs: { edx: address }, memory });
  };
  throughReg('jmp r:', [0xff, ...modrmReg(4, EBX)]);
  throughReg('call r:', [0xff, ...modrmReg(2, EBX)]);
  for (const address of [MEMORY_MAP.DATA, MEMORY_MAP.SCRATCH_BORDER - 6]) {
    throughMemory('jmp m:', [0xff], 4, address);
    throughMemory('call m:', [0xff], 2, address);
    throughMemory('jmp m: notrack', [0x3e, 0xff], 4, address);
  }
  const stackWindow = () => [{ at: MEMORY_MAP.STACK - 16, bytes: random.bytes(48) }];
  corpus.add(
    'call rel32:',
    twoWays((disp) => [0xe8, ...le32(disp)]),
    { memory: stackWindow() },
  );
  // call to a routine that returns: 0: call 7; 5: jmp 10; 7: mov al,9; ret; 10:
  corpus.add('call: and ret', [0xe8, ...le32(2), 0xeb, 0x03, ...mark(9), 0xc3], { memory: stackWindow() });
  for (const bytes of [0, 4, 8, 1, 3, 16]) {
    const code = [0xe8, ...le32(2), 0xeb, 0x05, ...mark(9), 0xc2, ...le16(bytes)];
    corpus.add(`call: and ret ${bytes}`, code, { memory: stackWindow() });
  }
  corpus.add('ret: imm 0xfffc', [0x68, ...le32(8), 0xc2, ...le16(0xfffc), ...mark(3)], {
    memory: stackWindow(),
    codeReferences: [{ in: 'code', offset: 1 }],
  });
  corpus.add('ret: rep', [0x68, ...le32(7), 0xf3, 0xc3, ...mark(3)], {
    memory: stackWindow(),
    codeReferences: [{ in: 'code', offset: 1 }],
  });
  // CALL [ESP+n] computes the address before it pushes; RET from a stack across two pages.
  for (const esp of [MEMORY_MAP.STACK, MEMORY_MAP.SCRATCH_BORDER + 2, MEMORY_MAP.SCRATCH_BORDER + 1]) {
    const bytes = random.bytes(32);
    bytes.set(le32(8), 16 + 4);
    corpus.add('call m: [esp+4]', [0xff, 0x54, 0x24, 0x04, ...mark(1), 0xeb, 0x02, ...mark(2)], {
      regs: { esp },
      memory: [{ at: esp - 16, bytes }],
      codeReferences: [{ in: 'memory', window: 0, offset: 20 }],
    });
    const ret = random.bytes(32);
    ret.set(le32(5), 16);
    corpus.add('ret: stack place', [0xc3, ...mark(1), 0xeb, 0x02, ...mark(2)], {
      regs: { esp },
      memory: [{ at: esp - 16, bytes: ret }],
      codeReferences: [{ in: 'memory', window: 0, offset: 16 }],
    });
  }
  // CALL to the next instruction and POP: the usual way to read EIP.
  corpus.add('call: pop', [0xe8, ...le32(0), 0x58], { memory: stackWindow() });
}

/** Far transfers to the same code segment, whose selector the code pushes itself. */
function addFar(corpus: Corpus): void {
  const { random } = corpus;
  const memory = () => [
    { at: MEMORY_MAP.DATA, bytes: random.bytes(8) },
    { at: MEMORY_MAP.STACK - 24, bytes: random.bytes(48) },
  ];
  const codeReferences: CodeReference[] = [{ in: 'code', offset: 2 }];
  // push cs; push target; retf
  corpus.add('retf:', [0x0e, 0x68, ...le32(11), 0xcb, ...mark(1), 0xeb, 0x00, ...mark(2)], {
    memory: memory(),
    codeReferences,
  });
  corpus.add('retf: imm', [0x0e, 0x68, ...le32(13), 0xca, 8, 0, ...mark(1), 0xeb, 0x00, ...mark(2)], {
    memory: memory(),
    codeReferences,
  });
  // pushf; push cs; push target; iret
  for (let i = 0; i < 8; i++) {
    corpus.add('iret:', [0x9c, 0x0e, 0x68, ...le32(8), 0xcf, ...mark(2)], {
      memory: memory(),
      codeReferences: [{ in: 'code', offset: 3 }],
    });
  }
  // mov [data+4], cs; jmp/call far [data], the target being the end of the code
  const storeCs = [0x8c, 0x0d, ...le32(MEMORY_MAP.DATA + 4)];
  for (const [name, reg] of [
    ['jmp far m', 5],
    ['call far m', 3],
  ] as const) {
    const code = [...storeCs, 0xff, ...modrmMem(reg, { disp: MEMORY_MAP.DATA }), ...mark(1), ...mark(2)];
    const [data, stack] = memory();
    data!.bytes.set(le32(code.length - MARK_BYTES));
    corpus.add(`${name}:`, code, {
      memory: [data!, stack!],
      codeReferences: [{ in: 'memory', window: 0, offset: 0 }],
    });
  }
  // Far transfers with the selector of Linux's 32-bit user code segment on a 64-bit kernel in the instruction.
  const USER_CS = 0x23;
  corpus.add('jmp far imm:', [0xea, ...le32(9), ...le16(USER_CS), ...mark(1), ...mark(2)], {
    codeReferences: [{ in: 'code', offset: 1 }],
    memory: memory(),
  });
  corpus.add('call far imm:', [0x9a, ...le32(9), ...le16(USER_CS), ...mark(1), ...mark(2)], {
    codeReferences: [{ in: 'code', offset: 1 }],
    memory: memory(),
  });
}

/**
 * Branches with an operand-size prefix truncate EIP to 16 bits, so a taken one faults in the unmapped first 64 KiB;
 * the signal frame shows the truncated EIP (relative to the code: compare sees the same number on both sides).
 */
function add16BitBranches(corpus: Corpus): void {
  const { random } = corpus;
  const stack = () => [{ at: MEMORY_MAP.STACK - 16, bytes: random.bytes(32) }];
  const run = (name: string, code: number[], options: CaseOptions = {}) =>
    corpus.add(`o16 ${name}:`, code, { faults: true, memory: stack(), ...options });
  for (const eflags of [2, 2 | ZF]) {
    const taken = eflags & ZF ? 'taken' : 'not taken';
    run(`je rel8 ${taken}`, [0x66, 0x74, 0x10, ...mark(1)], { eflags });
    run(`je rel16 ${taken}`, [0x66, 0x0f, 0x84, ...le16(0x1234), ...mark(1)], { eflags });
    run(`loope ${taken}`, [0x66, 0xe1, 0x10, ...mark(1)], { eflags });
    run(`loope a16 ${taken}`, [0x66, 0x67, 0xe1, 0x10, ...mark(1)], { eflags });
  }
  for (const ecx of [0, 0x10000, 1]) run('jecxz', [0x66, 0xe3, 0x10, ...mark(1)], { regs: { ecx } });
  run('jmp rel8', [0x66, 0xeb, 0x10]);
  run('jmp rel16', [0x66, 0xe9, ...le16(0x8000)]);
  run('call rel16', [0x66, 0xe8, ...le16(0x7fff)]);
  for (let i = 0; i < 3; i++) {
    const regs = corpus.regs();
    setReg(regs, EAX, 16, 0x4000 + random.below(0x4000));
    run('jmp r16', [0x66, 0xff, ...modrmReg(4, EAX)], { regs });
    run('call r16', [0x66, 0xff, ...modrmReg(2, EAX)], { regs: regs.slice() });
  }
  run('ret', [0x66, 0xc3]);
  run('ret imm', [0x66, 0xc2, 8, 0]);
}

export function branchCases(): InsnCase[] {
  const corpus = new Corpus('branch', 0xb4a);
  addConditions(corpus);
  addComparedConditions(corpus);
  addLoops(corpus);
  addJumps(corpus);
  addFar(corpus);
  add16BitBranches(corpus);
  return corpus.cases;
}
