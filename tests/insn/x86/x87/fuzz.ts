// Compares the x87 helpers with the host CPU on random cases, for as long as one likes.
//
// Usage: bun tests/insn/x86/x87/fuzz.ts [CASES per instruction] [SEED] [NAME the instruction begins with]

import { CASE_KINDS, EXACT, fillCase, type Instruction, Random, TRANSCENDENTAL } from './cases.ts';
import { describe, firstDifference, withinOneUlp } from './compare.ts';
import { HostCpu } from './host.ts';
import { RECORD_SIZE, X87Machine } from './machine.ts';

/** Failures shown per instruction. */
const SHOWN = 3;

const cases = Number(process.argv[2] ?? 10000);
const seed = Number(process.argv[3] ?? 1);
const wanted = process.argv[4] ?? '';

const machine = new X87Machine();
const host = new HostCpu();
const input = new Uint8Array(RECORD_SIZE);
const ours = new Uint8Array(RECORD_SIZE);
const theirs = new Uint8Array(RECORD_SIZE);

/** Runs all cases of one instruction; returns how many differ, and how many in the last bit only. */
function fuzz(instruction: Instruction, exact: boolean): { wrong: number; lastBit: number } {
  let wrong = 0;
  let lastBit = 0;
  for (const kind of CASE_KINDS) {
    const random = new Random(seed);
    for (let n = 0; n < cases; n++) {
      fillCase(random, input, instruction.code, instruction.operand, kind);
      ours.set(input);
      theirs.set(input);
      machine.run(ours);
      host.run(theirs);
      const at = firstDifference(instruction, ours, theirs);
      if (at < 0) continue;
      if (!exact && withinOneUlp(ours, theirs)) {
        lastBit++;
        continue;
      }
      if (wrong++ >= SHOWN) continue;
      console.log(`${instruction.name}: byte ${at}`);
      console.log(`  before ${describe(input)}\n  ours   ${describe(ours)}\n  host   ${describe(theirs)}`);
    }
  }
  return { wrong, lastBit };
}

let total = 0;
let failures = 0;
for (const instruction of [...EXACT, ...TRANSCENDENTAL]) {
  if (!instruction.name.startsWith(wanted)) continue;
  const { wrong, lastBit } = fuzz(instruction, EXACT.includes(instruction));
  total += cases * CASE_KINDS.length;
  failures += wrong;
  if (wrong) console.log(`${instruction.name}: ${wrong} of ${cases * CASE_KINDS.length} differ`);
  if (lastBit)
    console.log(`${instruction.name}: ${lastBit} of ${cases * CASE_KINDS.length} in the last bit or C1 only`);
}
console.log(`${total} cases, ${failures} differ`);
process.exit(failures ? 1 : 0);
