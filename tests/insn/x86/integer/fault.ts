// Instructions that raise exceptions: page faults half-way, #UD, #GP, INT n, INTO, BOUND, alignment checks, TF.

import { EBP, EBX, ECX, ESP, le16, le32, modrmMem } from '../../../oracle/asm-i386.ts';
import { AC, type InsnCase, MEMORY_MAP, OF, STATUS_FLAGS } from '../../../oracle/insn-case.ts';
import { type CaseOptions, Corpus } from './corpus.ts';

type Run = (name: string, code: number[], options?: CaseOptions) => void;

const END = MEMORY_MAP.SCRATCH_END;
const RO = MEMORY_MAP.READ_ONLY;

/** Instructions with a dword memory operand in ModRM; `writes` says whether a read-only page stops them. */
const MEMORY_OPS: [string, number[], number, number[]][] = [
  ['mov r,m', [0x8b], 1, []],
  ['mov m,r', [0x89], 1, []],
  ['mov m,imm', [0xc7], 0, le32(0x12345678)],
  ['mov m16,r16', [0x66, 0x89], 1, []],
  ['add m,r', [0x01], 1, []],
  ['add r,m', [0x03], 1, []],
  ['cmp m,r', [0x39], 1, []],
  ['adc m16,imm', [0x66, 0x81], 2, le16(0x1234)],
  ['inc m', [0xff], 0, []],
  ['neg m', [0xf7], 3, []],
  ['not m', [0xf7], 2, []],
  ['test m,imm', [0xf7], 0, le32(1)],
  ['mul m', [0xf7], 4, []],
  ['div m', [0xf7], 6, []],
  ['shl m,3', [0xc1], 4, [3]],
  ['shl m,0', [0xc1], 4, [0]],
  ['rcl m,cl', [0xd3], 2, []],
  ['shld m,r,4', [0x0f, 0xa4], 1, [4]],
  ['shld m,r,0', [0x0f, 0xa4], 1, [0]],
  ['xchg m,r', [0x87], 1, []],
  ['xadd m,r', [0x0f, 0xc1], 1, []],
  ['cmpxchg m,r', [0x0f, 0xb1], 1, []],
  ['cmpxchg8b m', [0x0f, 0xc7], 1, []],
  ['bt m,imm', [0x0f, 0xba], 4, [3]],
  ['bts m,imm', [0x0f, 0xba], 5, [3]],
  ['bsf r,m', [0x0f, 0xbc], 1, []],
  ['imul r,m,imm8', [0x6b], 1, [5]],
  ['movsx r,m16', [0x0f, 0xbf], 1, []],
  ['push m', [0xff], 6, []],
  ['pop m', [0x8f], 0, []],
  ['call m', [0xff], 2, []],
  ['jmp m', [0xff], 4, []],
  ['les r,m', [0xc4], 1, []],
  ['bound r,m', [0x62], 1, []],
];

/** Every instruction on an unmapped page, across its border at each offset, and on a read-only page. */
function addMemory(corpus: Corpus, run: Run): void {
  const { random } = corpus;
  for (const [name, opcode, reg, tail] of MEMORY_OPS) {
    const at = (what: string, address: number, window: { at: number; bytes: Uint8Array }) => {
      const regs = corpus.regs();
      regs[ECX] = 9;
      regs[EBX] = address - 0x20;
      const stack = { at: MEMORY_MAP.STACK - 8, bytes: random.bytes(16) };
      const code = [...opcode, ...modrmMem(reg, { base: EBX, disp: 0x20 }), ...tail];
      const flagMask = name === 'div m' || name === 'mul m' ? STATUS_FLAGS : name.startsWith('rcl') ? OF : 0;
      run(`${name}: ${what}`, code, { regs, memory: [window, stack], flagMask: flagMask | undefinedFlags(name) });
    };
    const last = () => ({ at: END - 8, bytes: random.bytes(8) });
    const first = () => ({ at: MEMORY_MAP.SCRATCH, bytes: random.bytes(8) });
    at('beyond', END + 0x10, last());
    for (const before of [1, 2, 3]) at(`across end -${before}`, END - before, last());
    for (const before of [1, 2, 3]) at(`across start -${before}`, MEMORY_MAP.SCRATCH - before, first());
    at('null page', 0, last());
    const aroundBorder = { at: RO - 8, bytes: random.bytes(8) };
    at('read-only', RO + 0x20, aroundBorder);
    at('across into read-only', RO - 2, aroundBorder);
    at('across out of read-only', MEMORY_MAP.READ_ONLY_END - 2, {
      at: MEMORY_MAP.READ_ONLY_END,
      bytes: random.bytes(8),
    });
  }
}

function undefinedFlags(name: string): number {
  if (/^(bts?|bsf|imul|shl m,3|shld m,r,4)/.test(name)) return STATUS_FLAGS;
  return 0;
}

/** Stack instructions at the lower and upper end of the stack's pages. */
function addStack(corpus: Corpus, run: Run): void {
  const { random } = corpus;
  const low = MEMORY_MAP.SCRATCH;
  const rows: [string, number[]][] = [
    ['push eax', [0x50]],
    ['push16 ax', [0x66, 0x50]],
    ['push imm', [0x68, 1, 2, 3, 4]],
    ['pushf', [0x9c]],
    ['pusha', [0x60]],
    ['pusha16', [0x66, 0x60]],
    ['call', [0xe8, 0, 0, 0, 0]],
    ['enter 8,0', [0xc8, 8, 0, 0]],
    ['enter 0,3', [0xc8, 0, 0, 3]],
    ['push m', [0xff, 0x35, ...le32(MEMORY_MAP.DATA)]],
    ['push esp', [0x54]],
  ];
  for (const [name, code] of rows) {
    for (const room of [0, 1, 2, 3, 4, 7, 12, 20]) {
      const regs = corpus.regs();
      regs[ESP] = low + room;
      regs[EBP] = MEMORY_MAP.DATA;
      // Whether the pushes before the one that faults are visible in memory differs between CPUs.
      const undefinedResult = name.startsWith('pusha');
      run(`${name}: room ${room}`, code, { regs, memory: [{ at: low, bytes: random.bytes(32) }], undefinedResult });
    }
    const regs = corpus.regs();
    regs[ESP] = RO + 2;
    regs[EBP] = MEMORY_MAP.DATA;
    const undefinedResult = name.startsWith('pusha');
    run(`${name}: read-only`, code, { regs, memory: [{ at: RO - 32, bytes: random.bytes(32) }], undefinedResult });
  }
  const pops: [string, number[]][] = [
    ['pop eax', [0x58]],
    ['pop esp', [0x5c]],
    ['pop m', [0x8f, 0x05, ...le32(MEMORY_MAP.DATA)]],
    ['pop m bad', [0x8f, 0x05, ...le32(END + 8)]],
    ['popf', [0x9d]],
    ['popa', [0x61]],
    ['popa16', [0x66, 0x61]],
    ['ret', [0xc3]],
    ['ret imm', [0xc2, 8, 0]],
    ['leave', [0xc9]],
    ['pop ds', [0x1f]],
    ['iret', [0xcf]],
    ['retf', [0xcb]],
  ];
  for (const [name, code] of pops) {
    for (const room of [0, 1, 2, 3, 8, 20]) {
      if (room >= 8 && /ret|popf|pop ds|pop esp/.test(name)) continue; // would pop random values
      const regs = corpus.regs();
      regs[ESP] = END - room;
      regs[EBP] = END - room;
      run(`${name}: room ${room}`, code, {
        regs,
        memory: [
          { at: END - 32, bytes: random.bytes(32) },
          { at: MEMORY_MAP.DATA, bytes: random.bytes(8) },
        ],
        segments: {},
        hostSpecific: /^iret|^retf/.test(name) ? "the order of the stack reads is the microcode's own" : undefined,
      });
    }
  }
  // The final value of a POP or CALL operand fault leaves ESP alone.
  run('call m: stack fault', [0xff, 0x15, ...le32(MEMORY_MAP.DATA)], {
    regs: { esp: low },
    memory: [{ at: MEMORY_MAP.DATA, bytes: Uint8Array.from(le32(MEMORY_MAP.NO_EXECUTE)) }],
  });
}

/** Jumps to pages that cannot be executed, code that runs into an unmapped page. */
function addFetch(corpus: Corpus, run: Run): void {
  for (const target of [0, 0x1000, MEMORY_MAP.SCRATCH_END, MEMORY_MAP.NO_EXECUTE + 0x10, 0xc0000000, 0xffffff00]) {
    const stack = () => [{ at: MEMORY_MAP.STACK - 8, bytes: corpus.random.bytes(16) }];
    run(`jmp r: to ${target.toString(16)}`, [0xff, 0xe0], { regs: { eax: target }, memory: stack() });
    run(`call r: to ${target.toString(16)}`, [0xff, 0xd0], { regs: { eax: target }, memory: stack() });
    run(`ret: to ${target.toString(16)}`, [0x68, ...le32(target), 0xc3], { memory: stack() });
  }
  const beforeUnmapped = true;
  run('end of page: falls off', [0x40, 0x41, 0x42], { beforeUnmapped });
  run('end of page: cut mov', [0x40, 0xb8, 1, 2], { beforeUnmapped });
  run('end of page: cut after prefix', [0x40, 0x66], { beforeUnmapped });
  run('end of page: cut modrm', [0x40, 0x8b], { beforeUnmapped });
  run('end of page: cut disp32', [0x40, 0x8b, 0x05, 0, 0, 0], { beforeUnmapped });
  run('end of page: cut two-byte opcode', [0x40, 0x0f], { beforeUnmapped });
  run('end of page: cut invalid', [0x40, 0xf0, 0x90], { beforeUnmapped });
  run('end of page: taken jump never reads on', [0xeb, 0x00], { beforeUnmapped });
  run('end of page: ud2', [0x0f, 0x0b], { beforeUnmapped });
  run('end of page: int3', [0xcc], { beforeUnmapped });
  // The load faults although the next instruction could not be fetched either.
  run('end of page: load fault first', [0x8b, 0x00], { regs: { eax: 16 }, beforeUnmapped });
  run('end of page: call', [0xe8, 0, 0, 0, 0], { beforeUnmapped });
}

function addSoftware(corpus: Corpus, run: Run): void {
  const { random } = corpus;
  run('int3:', [0xcc]);
  run('int 3:', [0xcd, 3]);
  for (const eflags of [2, 2 | OF, STATUS_FLAGS | 2]) {
    run('into:', [0xce, 0x40], { eflags });
    run('int 4:', [0xcd, 4], { eflags });
  }
  for (const vector of [0, 1, 5, 6, 13, 14, 0x20, 0x81, 0xff]) run(`int ${vector}:`, [0xcd, vector]);
  run('int1:', [0xf1], { hostSpecific: 'the saved EIP depends on the hypervisor' });
  const bounds = (low: number, high: number) => [
    { at: MEMORY_MAP.DATA, bytes: Uint8Array.from([...le32(low), ...le32(high)]) },
  ];
  for (const [index, low, high] of [
    [5, 0, 10],
    [0, 0, 10],
    [10, 0, 10],
    [11, 0, 10],
    [-1, 0, 10],
    [-5, -10, -1],
    [-11, -10, -1],
    [0x80000000, 0, 1],
    [3, 5, 1],
  ] as const) {
    const regs = { eax: index };
    run(`bound: ${index} in ${low}..${high}`, [0x62, 0x05, ...le32(MEMORY_MAP.DATA)], {
      regs,
      memory: bounds(low, high),
    });
    const packed = (high << 16) | (low & 0xffff);
    run(`bound16: ${index} in ${low}..${high}`, [0x66, 0x62, 0x05, ...le32(MEMORY_MAP.DATA)], {
      regs,
      memory: bounds(packed, 0),
    });
  }
  for (let i = 0; i < 2; i++) run('div: by zero', [0xf7, 0xf1], { regs: { ecx: 0, eax: random.u32() } });
}

/** Undefined opcodes and operand forms. */
function addUndefined(_corpus: Corpus, run: Run): void {
  const rows: [string, number[]][] = [
    ['ud2', [0x0f, 0x0b]],
    ['ud1', [0x0f, 0xb9, 0xc0]],
    ['fe /2', [0xfe, 0xd0]],
    ['fe /7', [0xfe, 0xf8]],
    ['ff /7', [0xff, 0xf8]],
    ['call far r', [0xff, 0xd8]],
    ['jmp far r', [0xff, 0xe8]],
    ['c6 /1', [0xc6, 0xc8, 0]],
    ['c7 /4', [0xc7, 0xe0, 0, 0, 0, 0]],
    ['lea r,r', [0x8d, 0xc0]],
    ['cmpxchg8b r', [0x0f, 0xc7, 0xc8]],
    ['0f c7 /0', [0x0f, 0xc7, 0x00]],
    ['0f ba /0', [0x0f, 0xba, 0x00, 1]],
    ['0f ba /3', [0x0f, 0xba, 0xd8, 1]],
    ['lss r,r', [0x0f, 0xb2, 0xc0]],
    ['lfs r,r', [0x0f, 0xb4, 0xc0]],
    ['0f 04', [0x0f, 0x04]],
    ['0f 0a', [0x0f, 0x0a]],
    ['0f 24', [0x0f, 0x24, 0xc0]],
    ['0f 36', [0x0f, 0x36]],
    ['0f a6', [0x0f, 0xa6, 0xc0]],
    ['0f a7', [0x0f, 0xa7, 0xc0]],
    ['0f ff', [0x0f, 0xff, 0xc0]],
    ['sldt /6', [0x0f, 0x00, 0xf0]],
    ['lock nop', [0xf0, 0x90]],
    ['lock mov m,r', [0xf0, 0x89, 0x01]],
    ['lock add r,r', [0xf0, 0x01, 0xc8]],
    ['lock add r,m', [0xf0, 0x03, 0x01]],
    ['lock cmp m,r', [0xf0, 0x39, 0x01]],
    ['lock test m,r', [0xf0, 0x85, 0x01]],
    ['lock bt m,r', [0xf0, 0x0f, 0xa3, 0x01]],
    ['lock xchg r,r', [0xf0, 0x87, 0xc8]],
    ['lock inc eax', [0xf0, 0x40]],
    ['lock shl m', [0xf0, 0xd1, 0x21]],
    ['lock push', [0xf0, 0x50]],
    ['lock movs', [0xf0, 0xa5]],
    ['lock jmp', [0xf0, 0xeb, 0x00]],
    ['lock mul m', [0xf0, 0xf7, 0x21]],
  ];
  const memory = () => [{ at: MEMORY_MAP.DATA, bytes: Uint8Array.from(le32(0x55)) }];
  for (const [name, code] of rows) {
    run(`${name}:`, code, { regs: { ecx: MEMORY_MAP.DATA, eax: MEMORY_MAP.DATA }, memory: memory() });
  }
  // 15 bytes are the longest instruction: nop with 14 prefixes runs, with 15 it is #GP.
  run('length 15:', [...new Array(14).fill(0x66), 0x90]);
  run('length 16:', [...new Array(15).fill(0x66), 0x90]);
  run('length 15: mov', [...new Array(8).fill(0x3e), 0x66, 0x8b, 0x84, 0x24, ...le32(0)].slice(0, 15), {
    memory: [{ at: MEMORY_MAP.STACK, bytes: Uint8Array.from(le32(0x1234567)) }],
  });
  run('length 16: mov', [...new Array(9).fill(0x3e), 0x8b, 0x84, 0x24, ...le32(0)].slice(0, 16));
  run('length 16: add imm', [...new Array(6).fill(0x2e), 0x81, 0x84, 0x24, ...le32(0), ...le32(1)]);
}

/** Privileged and I/O instructions: #GP for a user program (IOPL 0, no I/O bitmap). */
function addPrivileged(_corpus: Corpus, run: Run): void {
  const rows: [string, number[]][] = [
    ['hlt', [0xf4]],
    ['cli', [0xfa]],
    ['sti', [0xfb]],
    ['in al,imm', [0xe4, 0x80]],
    ['in eax,dx', [0xed]],
    ['out imm,al', [0xe6, 0x80]],
    ['out dx,eax', [0xef]],
    ['insb', [0x6c]],
    ['outsd', [0x6f]],
    ['rep insb', [0xf3, 0x6c]],
    ['rep outsb', [0xf3, 0x6e]],
    ['mov eax,cr0', [0x0f, 0x20, 0xc0]],
    ['mov cr3,eax', [0x0f, 0x22, 0xd8]],
    ['mov eax,dr7', [0x0f, 0x21, 0xf8]],
    ['mov dr0,eax', [0x0f, 0x23, 0xc0]],
    ['clts', [0x0f, 0x06]],
    ['lgdt', [0x0f, 0x01, 0x15, ...le32(MEMORY_MAP.DATA)]],
    ['lidt', [0x0f, 0x01, 0x1d, ...le32(MEMORY_MAP.DATA)]],
    ['lldt', [0x0f, 0x00, 0xd0]],
    ['ltr', [0x0f, 0x00, 0xd8]],
    ['lmsw', [0x0f, 0x01, 0xf0]],
    ['invlpg', [0x0f, 0x01, 0x3d, ...le32(MEMORY_MAP.DATA)]],
    ['invd', [0x0f, 0x08]],
    ['wbinvd', [0x0f, 0x09]],
    ['wrmsr', [0x0f, 0x30]],
    ['rdmsr', [0x0f, 0x32]],
  ];
  for (const [name, code] of rows) {
    for (const ecx of [0, 1])
      run(`${name}: ecx ${ecx}`, code, { regs: { ecx, edx: 0x80, esi: MEMORY_MAP.DATA, edi: MEMORY_MAP.DATA } });
  }
}

/** #AC: Linux sets CR0.AM, so a program that sets EFLAGS.AC gets SIGBUS for unaligned accesses. */
function addAlignment(corpus: Corpus, run: Run): void {
  const { random } = corpus;
  const eflags = 2 | AC;
  for (const offset of [0, 1, 2, 3]) {
    const at = MEMORY_MAP.DATA + offset;
    const memory = () => [{ at: MEMORY_MAP.DATA, bytes: random.bytes(16) }];
    run(`ac mov r,m: +${offset}`, [0x8b, 0x0d, ...le32(at)], { eflags, memory: memory() });
    run(`ac mov m,r: +${offset}`, [0x89, 0x0d, ...le32(at)], { eflags, memory: memory() });
    run(`ac mov r16,m: +${offset}`, [0x66, 0x8b, 0x0d, ...le32(at)], { eflags, memory: memory() });
    run(`ac mov r8,m: +${offset}`, [0x8a, 0x0d, ...le32(at)], { eflags, memory: memory() });
    run(`ac add m,r: +${offset}`, [0x01, 0x0d, ...le32(at)], { eflags, memory: memory() });
    run(`ac push: +${offset}`, [0x50], { eflags, regs: { esp: at + 8 }, memory: memory() });
    run(`ac rep movs: +${offset}`, [0xf3, 0xa5], {
      eflags,
      regs: { ecx: 2, esi: MEMORY_MAP.DATA + 8, edi: at },
      memory: memory(),
    });
    // Unaligned and unmapped: the page fault or the alignment check?
    run(`ac mov r,m: unmapped +${offset}`, [0x8b, 0x0d, ...le32(END + offset)], { eflags });
    run(`ac mov r,m: across end +${offset}`, [0x8b, 0x0d, ...le32(END - 4 + offset)], { eflags });
  }
}

/** POPF sets TF: one instruction runs, then #DB. */
function addTrap(corpus: Corpus, run: Run): void {
  const stack = () => [{ at: MEMORY_MAP.STACK - 16, bytes: corpus.random.bytes(32) }];
  const setTrap = [0x68, ...le32(0x102), 0x9d];
  const rows: [string, number[]][] = [
    ['nop', [0x90]],
    ['add', [0x01, 0xc8]],
    ['jmp', [0xeb, 0x00]],
    ['taken jcc', [0x73, 0x00]],
    ['rep stos', [0xf3, 0xab]],
    ['rep stos none', [0xf3, 0xaa]],
    ['push', [0x50]],
    ['mov ss', [0x8e, 0xd3, 0x40, 0x41]],
    ['div fault', [0xf7, 0xf6]],
    ['pushf', [0x9c]],
    ['int3', [0xcc]],
    ['popf clears', [0x6a, 0x02, 0x9d]],
    ['call', [0xe8, 0, 0, 0, 0]],
  ];
  for (const [name, code] of rows) {
    const regs = { ecx: name.endsWith('none') ? 0 : 3, edi: MEMORY_MAP.DATA, esi: 0, ebx: 0x2b };
    const flagMask = name === 'div fault' ? STATUS_FLAGS : 0;
    run(`tf: ${name}`, [...setTrap, ...code, 0x90, 0x90], {
      regs,
      memory: [...stack(), { at: MEMORY_MAP.DATA, bytes: corpus.random.bytes(16) }],
      flagMask,
    });
  }
}

export function faultCases(): InsnCase[] {
  const corpus = new Corpus('fault', 0xfa);
  const run: Run = (name, code, options = {}) => {
    corpus.add(name, code, { faults: true, ...options });
  };
  addMemory(corpus, run);
  addStack(corpus, run);
  addFetch(corpus, run);
  addSoftware(corpus, run);
  addUndefined(corpus, run);
  addPrivileged(corpus, run);
  addAlignment(corpus, run);
  addTrap(corpus, run);
  return corpus.cases;
}
