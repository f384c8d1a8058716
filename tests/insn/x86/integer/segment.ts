// Segment register moves, far pointer loads, ARPL, VERR, VERW, LAR, LSL, with the selectors a Linux process has.

import { DS, ES, ESP, FS, GS, le32, SS } from '../../../oracle/asm-i386.ts';
import { type InsnCase, MEMORY_MAP, ZF } from '../../../oracle/insn-case.ts';
import { type CaseOptions, Corpus, setReg } from './corpus.ts';

const SEGMENT_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];

/** Selectors of Linux's 32-bit user code and data segments on a 64-bit kernel. */
const USER_CS = 0x23;
const USER_DS = 0x2b;

/** Every case may change FS and GS, so all of them declare segments. */
const segments = {};

function addMoves(corpus: Corpus): void {
  const { random } = corpus;
  const run = (name: string, code: number[], options: CaseOptions = {}) =>
    corpus.add(name, code, { segments, ...options });
  for (const seg of [ES, SS, DS, FS, GS]) {
    const name = SEGMENT_NAMES[seg]!;
    for (const selector of [USER_DS, 0, 1, 2, 3]) {
      if (seg === SS && selector !== USER_DS) continue;
      const regs = { eax: (random.u32() & 0xffff0000) | selector };
      run(`mov ${name},r: ${selector}`, [0x8e, 0xc0 | (seg << 3)], { regs });
      const memory = [{ at: MEMORY_MAP.DATA, bytes: Uint8Array.from([...le32(regs.eax), 0, 0, 0, 0]) }];
      run(`mov ${name},m: ${selector}`, [0x8e, (seg << 3) | 5, ...le32(MEMORY_MAP.DATA)], { memory });
      // 16-bit operand size makes no difference.
      run(`mov ${name},r: o16 ${selector}`, [0x66, 0x8e, 0xc0 | (seg << 3)], { regs });
      run(`pop ${name}: ${selector}`, [...popSegment(seg)], { memory: stack(corpus, regs.eax) });
      run(`pop ${name}: o16 ${selector}`, [0x66, ...popSegment(seg)], { memory: stack(corpus, regs.eax) });
    }
  }
  for (const [index, name] of SEGMENT_NAMES.entries()) {
    for (let reg = 0; reg < 8; reg++) {
      run(`mov r,${name}:`, [0x8c, 0xc0 | (index << 3) | reg]);
      run(`mov r16,${name}:`, [0x66, 0x8c, 0xc0 | (index << 3) | reg]);
    }
    const memory = () => [{ at: MEMORY_MAP.DATA, bytes: random.bytes(8) }];
    // The memory form writes two bytes whatever the operand size.
    run(`mov m,${name}:`, [0x8c, (index << 3) | 5, ...le32(MEMORY_MAP.DATA)], { memory: memory() });
    run(`mov m,${name}: o16`, [0x66, 0x8c, (index << 3) | 5, ...le32(MEMORY_MAP.DATA)], { memory: memory() });
    // Zeros below the stack pointer: a 32-bit PUSH of a segment register writes 16 or 32 bits, depending on the CPU.
    const zeros = () => [{ at: MEMORY_MAP.STACK - 8, bytes: new Uint8Array(16) }];
    run(`push ${name}:`, pushSegment(index), { memory: zeros() });
    run(`push ${name}: o16`, [0x66, ...pushSegment(index)], { memory: zeros() });
  }
  // Reading back what was loaded, and loading SS with the instruction after it (interrupt shadow).
  run('mov ss,r: then pop', [0x8e, 0xd0, 0x58], { regs: { eax: USER_DS }, memory: stack(corpus, 0x1234) });
  run('mov es,ds: via stack', [0x1e, 0x07, 0x8c, 0xc0], { memory: stack(corpus, 0) });
  run('mov gs,r: read back', [0x8e, 0xe8, 0x8c, 0xe9], { regs: { eax: USER_DS } });
}

function pushSegment(seg: number): number[] {
  return seg < 4 ? [0x06 | (seg << 3)] : [0x0f, seg === FS ? 0xa0 : 0xa8];
}

function popSegment(seg: number): number[] {
  return seg < 4 ? [0x07 | (seg << 3)] : [0x0f, seg === FS ? 0xa1 : 0xa9];
}

function stack(corpus: Corpus, top: number) {
  const bytes = corpus.random.bytes(24);
  bytes.set(le32(top), 8);
  return [{ at: MEMORY_MAP.STACK - 8, bytes }];
}

function addFarPointers(corpus: Corpus): void {
  const { random } = corpus;
  const rows: [string, number[], boolean][] = [
    ['les', [0xc4], true],
    ['lds', [0xc5], true],
    ['lss', [0x0f, 0xb2], false],
    ['lfs', [0x0f, 0xb4], true],
    ['lgs', [0x0f, 0xb5], true],
  ];
  for (const [name, opcode, mayBeNull] of rows) {
    for (const selector of mayBeNull ? [USER_DS, 0, 3] : [USER_DS]) {
      for (const reg of [0, 3, 7, ...(name === 'lss' ? [ESP] : [])]) {
        const offset = reg === ESP ? MEMORY_MAP.STACK : random.u32();
        for (const at of [MEMORY_MAP.DATA, MEMORY_MAP.SCRATCH_BORDER - 4, MEMORY_MAP.SCRATCH_BORDER - 3]) {
          const pointer = [...le32(offset), selector & 0xff, selector >> 8, 0x77, 0x77];
          const code = [...opcode, (reg << 3) | 5, ...le32(at)];
          corpus.add(`${name}: ${selector}`, code, { segments, memory: [{ at, bytes: Uint8Array.from(pointer) }] });
          if (reg === ESP) continue;
          const short = [pointer[0]!, pointer[1]!, selector & 0xff, selector >> 8];
          corpus.add(`${name}16: ${selector}`, [0x66, ...code], {
            segments,
            memory: [{ at, bytes: Uint8Array.from(short) }],
          });
        }
      }
    }
  }
}

function addSelectorChecks(corpus: Corpus): void {
  const { random } = corpus;
  for (let i = 0; i < 24; i++) {
    const regs = corpus.regs();
    setReg(regs, 0, 16, (random.u32() & 0xfffc) | (i & 3));
    setReg(regs, 1, 16, (random.u32() & 0xfffc) | ((i >> 2) & 3));
    corpus.add('arpl r:', [0x63, 0xc8], { regs, eflags: corpus.flags() ^ (i & 16 ? ZF : 0) });
  }
  const m = corpus.around(MEMORY_MAP.DATA);
  corpus.add('arpl m:', [0x63, 0x0d, ...le32(MEMORY_MAP.DATA)], { memory: [m], regs: { ecx: 3 } });
  // VERR, VERW, LAR, LSL on the null selector, the user segments, and selectors beyond the table.
  for (const selector of [0, 3, USER_CS, USER_DS, 0xfff8, 0xffff]) {
    for (const [name, code] of [
      ['verr', [0x0f, 0x00, 0xe0]],
      ['verw', [0x0f, 0x00, 0xe8]],
      ['lar', [0x0f, 0x02, 0xc8]],
      ['lsl', [0x0f, 0x03, 0xc8]],
      ['lar16', [0x66, 0x0f, 0x02, 0xc8]],
      ['lsl16', [0x66, 0x0f, 0x03, 0xc8]],
    ] as const) {
      corpus.add(`${name}: ${selector.toString(16)}`, [...code], {
        regs: { eax: selector },
        eflags: corpus.flags() ^ ZF,
        // Bits 16-19 of LAR's result are undefined (SDM vol. 2).
        undefinedResult: name === 'lar' && selector > 3,
      });
    }
  }
}

function addInvalidSelectors(corpus: Corpus): void {
  const run = (name: string, code: number[], options: CaseOptions = {}) =>
    corpus.add(`${name}: fault`, code, { segments, faults: true, ...options });
  // Beyond the table, privileged data, privileged code, a local selector without a local table.
  const bad: Record<string, number> = { beyond: 0xfff8, 'kernel data': 0x18, 'kernel code': 0x10, local: 0x0f };
  for (const [what, selector] of Object.entries(bad)) {
    for (const seg of [ES, DS, FS, GS, SS]) {
      run(`mov ${SEGMENT_NAMES[seg]},${what}`, [0x8e, 0xc0 | (seg << 3)], { regs: { eax: selector } });
      run(`pop ${SEGMENT_NAMES[seg]},${what}`, popSegment(seg), { memory: stack(corpus, selector) });
    }
    const pointer = Uint8Array.from([1, 2, 3, 4, selector & 0xff, selector >> 8, 0, 0]);
    run(`les ${what}`, [0xc4, 0x0d, ...le32(MEMORY_MAP.DATA)], { memory: [{ at: MEMORY_MAP.DATA, bytes: pointer }] });
    run(`jmp far ${what}`, [0xea, 0, 0, 0, 0, selector & 0xff, selector >> 8]);
    run(`call far ${what}`, [0x9a, 0, 0, 0, 0, selector & 0xff, selector >> 8]);
    run(`retf ${what}`, [0xcb], {
      memory: [{ at: MEMORY_MAP.STACK, bytes: Uint8Array.from([0, 0, 0, 0, ...le32(selector)]) }],
    });
  }
  run('mov ss,null', [0x8e, 0xd0], { regs: { eax: 0 } });
  run('pop ss,null', [0x17], { memory: stack(corpus, 0) });
  run('mov ss,rpl 0', [0x8e, 0xd0], { regs: { eax: USER_DS & ~3 } });
  run('mov ss,code', [0x8e, 0xd0], { regs: { eax: USER_CS } });
  run('mov cs,r', [0x8e, 0xc8], { regs: { eax: USER_CS } });
  run('mov seg 6', [0x8e, 0xf0]);
  run('mov r,seg 7', [0x8c, 0xf8]);
  // Using a null segment.
  run('null ds load', [0xa1, ...le32(MEMORY_MAP.DATA)], { segments: { ds: 'null' } });
  run('null ds store', [0xa3, ...le32(MEMORY_MAP.DATA)], { segments: { ds: 'null' } });
  run('null es stos', [0xaa], { segments: { es: 'null' }, regs: { edi: MEMORY_MAP.DATA } });
  run('null fs load', [0x64, 0xa1, ...le32(MEMORY_MAP.DATA)]);
  run('cs store', [0x2e, 0xa3, ...le32(MEMORY_MAP.DATA)]);
  run('cs add', [0x2e, 0x01, 0x05, ...le32(MEMORY_MAP.DATA)]);
}

export function segmentCases(): InsnCase[] {
  const corpus = new Corpus('segment', 0x5e6);
  addMoves(corpus);
  addFarPointers(corpus);
  addSelectorChecks(corpus);
  addInvalidSelectors(corpus);
  return corpus.cases;
}
