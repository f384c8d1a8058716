// Prefixes in unusual numbers, orders and places, and the encodings with two spellings.

import { le32, modrmMem } from '../../../oracle/asm-i386.ts';
import { AF, type InsnCase, MEMORY_MAP } from '../../../oracle/insn-case.ts';
import { Corpus } from './corpus.ts';

export function prefixCases(): InsnCase[] {
  const corpus = new Corpus('prefix', 0x9e);
  const { random } = corpus;
  const at = MEMORY_MAP.DATA;
  const memory = () => [{ at, bytes: random.bytes(16) }];
  const plain: [string, number[]][] = [
    ['add eax,ecx', [0x01, 0xc8]],
    ['add al,cl', [0x00, 0xc8]],
    ['mov ecx,m', [0x8b, 0x0d, ...le32(at)]],
    ['mov m,ecx', [0x89, 0x0d, ...le32(at)]],
    ['adc r,imm8', [0x83, 0xd3, 0x81]],
    ['inc edx', [0x42]],
    ['sub m8,imm', [0x80, 0x2d, ...le32(at), 0x33]],
    ['lea', [0x8d, 0x4c, 0x83, 0x10]],
    ['movzx', [0x0f, 0xb6, 0xc1]],
    ['movzx r,r16', [0x0f, 0xb7, 0xc1]],
    ['sete', [0x0f, 0x94, 0xc1]],
    ['cdq', [0x99]],
    ['cwde', [0x98]],
    ['lahf', [0x9f]],
    ['xchg', [0x93]],
    ['not', [0xf7, 0xd3]],
    ['cmc', [0xf5]],
    ['bswap', [0x0f, 0xc9]],
    ['cmovb', [0x0f, 0x42, 0xc8]],
    ['daa', [0x27]],
    ['imul', [0x6b, 0xc9, 0x7b]],
    ['mov imm', [0xb9, 0x78, 0x56, 0x34, 0x12]],
  ];
  /** Prefix strings that change nothing on an instruction without a string operation, segment or size of its own. */
  const neutral: [string, number[]][] = [
    ['f3', [0xf3]],
    ['f2', [0xf2]],
    ['f2 f3', [0xf2, 0xf3]],
    ['f3 f2', [0xf3, 0xf2]],
    ['f3 f3', [0xf3, 0xf3]],
    ['3e', [0x3e]],
    ['2e 36 26', [0x2e, 0x36, 0x26, 0x3e]],
    ['64', [0x64]],
    ['67', [0x67]],
    ['67 67', [0x67, 0x67]],
    ['f3 67 2e', [0xf3, 0x67, 0x3e]],
  ];
  for (const [name, code] of plain) {
    const hasMemory = /\bm8?\b/.test(name);
    const flagMask = name === 'imul' ? 0xd4 : name === 'daa' ? 0x800 : 0;
    for (const [text, prefix] of neutral) {
      if (hasMemory && (text.includes('64') || text.includes('67'))) continue;
      if (name === 'lea' && text.includes('67')) continue;
      corpus.add(`${text} ${name}:`, [...prefix, ...code], { memory: memory(), flagMask });
    }
    // With 66, once and twice, before and after other prefixes, on the instructions whose length stays the same.
    if (name === 'mov imm') continue;
    const undefinedResult = name === 'bswap';
    for (const [text, prefix] of [
      ['66', [0x66]],
      ['66 66', [0x66, 0x66]],
      ['66 f3', [0x66, 0xf3]],
      ['f2 66', [0xf2, 0x66]],
      ['66 3e 66', [0x66, 0x3e, 0x66]],
    ] as const) {
      corpus.add(`${text} ${name}:`, [...prefix, ...code], { memory: memory(), flagMask, undefinedResult });
    }
  }
  // LOCK anywhere among the prefixes; XACQUIRE and XRELEASE hints are ignored.
  for (const prefix of [
    [0xf0, 0x66],
    [0x66, 0xf0],
    [0x3e, 0xf0],
    [0xf2, 0xf0],
    [0xf0, 0xf3],
    [0xf0, 0xf0],
  ]) {
    const text = prefix.map((byte) => byte.toString(16)).join(' ');
    corpus.add(`${text} add m,r:`, [...prefix, 0x01, ...modrmMem(1, { disp: at })], { memory: memory() });
    corpus.add(`${text} and m,imm8:`, [...prefix, 0x83, ...modrmMem(4, { disp: at }), 0x55], {
      memory: memory(),
      flagMask: AF,
    });
  }
  // Branches: hints and repeat prefixes are ignored.
  for (const prefix of [[0x2e], [0x3e], [0xf2], [0xf3], [0x67], [0x26, 0x64]]) {
    const text = prefix.map((byte) => byte.toString(16)).join(' ');
    for (let i = 0; i < 3; i++) {
      corpus.add(`${text} jcc:`, [...prefix, 0x72, 0x02, 0xb0, 0x01, 0xb4, 0x02]);
      corpus.add(`${text} jcc near:`, [...prefix, 0x0f, 0x84, 2, 0, 0, 0, 0xb0, 0x01, 0xb4, 0x02]);
    }
    corpus.add(`${text} jmp:`, [...prefix, 0xeb, 0x02, 0xb0, 0x01, 0xb4, 0x02]);
    const stack = [{ at: MEMORY_MAP.STACK - 16, bytes: random.bytes(32) }];
    corpus.add(`${text} call:`, [...prefix, 0xe8, 2, 0, 0, 0, 0xb0, 0x01, 0xb4, 0x02], { memory: stack });
  }
  // Instructions that straddle two pages of code, at each byte.
  for (const [name, code] of [
    ['mov r,imm', [0xb8, 0x78, 0x56, 0x34, 0x12]],
    ['add m,imm', [0x81, 0x05, ...le32(at), 0x21, 0x43, 0x65, 0x07]],
    ['66 lock add', [0x66, 0xf0, 0x81, 0x05, ...le32(at), 0x21, 0x43]],
    ['jmp', [0xe9, 2, 0, 0, 0, 0xb0, 0x01]],
    ['movzx', [0x0f, 0xb6, 0x05, ...le32(at)]],
  ] as const) {
    for (let before = 1; before <= code.length; before++) {
      corpus.add(`page straddle: ${name} ${before}`, [...code], { pageOffset: 4096 - before, memory: memory() });
    }
  }
  return corpus.cases;
}
