// Fuzzer: single random ARM instructions from the encoding rows, on qemu-arm and wemu-arm.
//
//   bun tests/fuzz/arm-single.ts [--seed N] [--cases N] [--set A32|T16|T32|VFP|NEON] [--row NAME] [--options '-d x']
//       [--sequences]
//
// With --sequences, several instructions in a row with conditions and IT blocks. Prints the differences by row and how many cases agreed; exits with 1 when there were any.

import { DECODERS, decodeArm, decodeThumb, Insn } from '../../targets/arm/insns.ts';
import { Random } from '../oracle/random.ts';
import { describeCase, type FuzzSet, randomCase, randomMemory, randomSequence } from './arm-cases.ts';
import { compareCases, explainDifference } from './arm-compare.ts';
import type { ArmCase } from './arm-program.ts';

const BATCH = 3000;

function option(name: string, otherwise: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : (process.argv[at + 1] ?? otherwise);
}

const seed = Number(option('seed', '1'));
const total = Number(option('cases', '3000'));
const sets = option('set', 'A32,T16,T32').split(',') as FuzzSet[];
const only = option('row', '');
const sequences = process.argv.includes('--sequences');
const extra = option('options', '').split(' ').filter(Boolean);

/** Name of the row a case's last instruction belongs to. */
function rowName(one: ArmCase): string {
  const insn = new Insn();
  const code = one.thumb && (one.code[0]! & 0xff00) === 0xbf00 && one.code[0]! & 15 ? one.code.slice(1) : one.code;
  if (!one.thumb) decodeArm(insn, code[0]!);
  else decodeThumb(insn, code.length > 1 ? ((code[0]! << 16) | code[1]!) >>> 0 : code[0]!, code.length > 1);
  return insn.encoding?.name ?? 'undefined';
}

let agreed = 0;
const bad = new Map<string, string[]>();
for (let done = 0, batch = 0; done < total; batch++) {
  const random = new Random(seed * 7919 + batch);
  const memory = randomMemory(random);
  const cases: ArmCase[] = [];
  const wanted = Math.min(BATCH, total - done);
  for (let tries = 0; cases.length < wanted && tries < wanted * 1000; tries++) {
    const set = random.pick(sets);
    const rows = DECODERS[set].rows().filter((row) => only === '' || row.name === only);
    const one = sequences
      ? randomSequence(set as 'A32' | 'T16' | 'T32', random)
      : rows.length > 0
        ? randomCase(set, random, rows)
        : null;
    if (one) cases.push(one);
  }
  if (cases.length === 0) throw new Error('no case could be made');
  const differences = compareCases(cases, memory, extra);
  agreed += cases.length - differences.length;
  for (const difference of differences) {
    const name = rowName(difference.one);
    const list = bad.get(name) ?? [];
    bad.set(name, list);
    list.push(`${describeCase(difference.one)}\n${explainDifference(difference)}`);
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
