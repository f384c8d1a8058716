// x87 cases for whole programs: one instruction or a few from a given FNSAVE image, with memory operands that may fault.

import { type InsnCase, MEMORY_MAP, regsFrom } from '../../../oracle/insn-case.ts';
import { CASE_KINDS, EXACT, fillCase, type Instruction, Random, TRANSCENDENTAL } from './cases.ts';
import { AT_EAX, AT_EFLAGS, AT_OPERAND, RECORD_SIZE } from './machine.ts';

const FSAVE_BYTES = 108;
/** Bytes of the record's memory operand. */
const OPERAND_BYTES = 128;
const { DATA, READ_ONLY, SCRATCH_BORDER, SCRATCH_END, STACK } = MEMORY_MAP;

/** FISTTP is SSE3's, which wemu's CPU models do not have. */
const INSTRUCTIONS = EXACT.filter(({ name }) => !name.startsWith('fisttp'));
/** Loading random control words and images would make most of a sequence trap. */
const LATER = INSTRUCTIONS.filter(({ name }) => !/^(fldenv|frstor|fldcw)/.test(name));

function record(r: Random, { code, operand }: Instruction, kind: number): Uint8Array {
  const bytes = new Uint8Array(RECORD_SIZE);
  fillCase(r, bytes, code, operand, CASE_KINDS[kind]!);
  return bytes;
}

/** A case from a record; its operand lies at [ecx] = `at`, which need not be where its bytes can go. */
function fromRecord(name: string, code: readonly number[], bytes: Uint8Array, at: number = DATA): InsnCase {
  const view = new DataView(bytes.buffer);
  const regs = regsFrom({ eax: view.getUint32(AT_EAX, true), ecx: at, edx: 2, ebx: 3, ebp: 5, esi: 6, edi: 7 });
  regs[4] = STACK;
  return {
    name,
    code: Uint8Array.from(code),
    regs,
    eflags: view.getUint32(AT_EFLAGS, true),
    memory:
      at === DATA
        ? [{ at, bytes: bytes.slice(AT_OPERAND, AT_OPERAND + OPERAND_BYTES) }]
        : [{ at: SCRATCH_BORDER, bytes: bytes.slice(AT_OPERAND, AT_OPERAND + OPERAND_BYTES) }],
    fpu: { format: 'fsave', image: bytes.slice(0, FSAVE_BYTES) },
    flagMask: 0,
    faults: true,
  };
}

/** Every instruction alone, `count` times for each kind of state. */
export function singleCases(count: number, instructions: readonly Instruction[] = INSTRUCTIONS): InsnCase[] {
  return instructions.flatMap((instruction, n) =>
    CASE_KINDS.flatMap((_, kind) => {
      const r = new Random(1000 + 7 * kind + n);
      return Array.from({ length: count }, () =>
        fromRecord(`${instruction.name}: kind ${kind}`, instruction.code, record(r, instruction, kind)),
      );
    }),
  );
}

export function transcendentalCases(count: number): InsnCase[] {
  return singleCases(count, TRANSCENDENTAL);
}

/** An instruction and up to three others behind it: pending exceptions, and what FNSTENV says of the last one. */
export function sequenceCases(count: number): InsnCase[] {
  return INSTRUCTIONS.flatMap((first, n) => {
    const r = new Random(5000 + n);
    return Array.from({ length: count }, (_, i) => {
      const kind = 1 + (i % 3);
      const names = [first.name];
      const code = [...first.code];
      for (let k = r.below(3); k >= 0; k--) {
        const next = LATER[r.below(LATER.length)]!;
        names.push(next.name);
        code.push(...next.code);
      }
      return fromRecord(`${names.join('; ')}: kind ${kind}`, code, record(r, first, kind));
    });
  });
}

/** Memory operands that cannot be read or written, in whole or in part, of every instruction that has one. */
export function faultCases(): InsnCase[] {
  const places: [string, number][] = [
    ['beyond', SCRATCH_END],
    ['across the end', SCRATCH_END - 1],
    ['last bytes across', SCRATCH_END - 9],
    ['read-only', READ_ONLY + 8],
    ['across into read-only', READ_ONLY - 1],
  ];
  return INSTRUCTIONS.filter(hasMemory).flatMap((instruction, n) => {
    const r = new Random(9000 + n);
    return places.map(([where, at], i) =>
      fromRecord(`${instruction.name}: ${where}`, instruction.code, record(r, instruction, i % 4), at),
    );
  });
}

function hasMemory({ code }: Instruction): boolean {
  return code.at(-1)! < 0xc0;
}
