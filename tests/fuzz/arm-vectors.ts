// Fuzzer: random instructions of ARM floating point and Advanced SIMD, on qemu-arm and wemu-arm.
//
//   bun tests/fuzz/arm-vectors.ts [--seed N] [--cases N] [--row NAMES] [--options '-engine interp']
//
// Prints the differences by row and how many cases agreed; exits with 1 when there were any.

import { decodeArm, decodeThumb, Insn } from '../../targets/arm/insns.ts';
import { Random } from '../oracle/random.ts';
import { describeCase } from './arm-cases.ts';
import { compareCases, explainDifference } from './arm-compare.ts';
import { type ArmCase, BUFFER_WORDS } from './arm-program.ts';
import { randomVectorCase, vectorRows } from './arm-vector-cases.ts';

const BATCH = 3000;

function option(name: string, otherwise: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : (process.argv[at + 1] ?? otherwise);
}

const seed = Number(option('seed', '1'));
const total = Number(option('cases', '3000'));
const only = option('row', '').split(',').filter(Boolean);
const extra = option('options', '').split(' ').filter(Boolean);

/** Name of the row a case's last instruction belongs to. */
function rowName(one: ArmCase): string {
  const insn = new Insn();
  const code = one.thumb ? one.code.slice(-2) : one.code;
  if (!one.thumb) decodeArm(insn, code[code.length > 1 ? 1 : 0]!);
  else decodeThumb(insn, ((code[0]! << 16) | code[1]!) >>> 0, true);
  return insn.encoding?.name ?? 'undefined';
}

const rows = vectorRows().filter(({ name }) => only.length === 0 || only.some((part) => name.startsWith(part)));
let agreed = 0;
const bad = new Map<string, string[]>();
for (let done = 0, batch = 0; done < total; batch++) {
  const random = new Random(seed * 7919 + batch);
  const memory = Array.from({ length: BUFFER_WORDS }, () => random.u32());
  const cases: ArmCase[] = [];
  while (cases.length < Math.min(BATCH, total - done)) {
    const one = randomVectorCase(random, rows);
    if (one) cases.push(one);
  }
  const differences = compareCases(cases, memory, extra);
  agreed += cases.length - differences.length;
  for (const difference of differences) {
    const name = rowName(difference.one);
    const list = bad.get(name) ?? [];
    bad.set(name, list);
    list.push(
      `${describeCase(difference.one)} fpscr ${difference.one.fpscr?.toString(16)}\n${explainDifference(difference)}`,
    );
  }
  done += cases.length;
}
for (const [name, list] of [...bad].sort((a, b) => b[1].length - a[1].length)) {
  console.log(`${name}: ${list.length} differences, for example`);
  for (const text of list.slice(0, 2)) console.log(text);
}
console.log(
  `${agreed} cases agreed, ${[...bad.values()].reduce((sum, list) => sum + list.length, 0)} did not; seed ${seed}`,
);
process.exit(bad.size > 0 ? 1 : 0);
