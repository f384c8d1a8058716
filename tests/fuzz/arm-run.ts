// The fuzz command for ARM: random code under qemu-arm and under wemu; see docs/testing.md.

import { DECODERS, decodeArm, decodeThumb, Insn } from '../../targets/arm/insns.ts';
import { ARM_MODELS, type ArmModel, type Feature } from '../../targets/arm/models.ts';
import { Random } from '../oracle/random.ts';
import { exceptionCase, exclusiveCase, jumpCase, systemCase, withBigEndianData } from './arm-arranged.ts';
import { describeCase, type FuzzSet, isMemoryCase, randomCase, randomMemory, randomSequence } from './arm-cases.ts';
import { compareCases, explainDifference } from './arm-compare.ts';
import type { ArmCase, ByteOrder } from './arm-program.ts';
import { randomVectorCase, vectorRows } from './arm-vector-cases.ts';

/** What cases are made of: rows of the core and of the vector tables, several instructions arranged, sequences. */
export const ARM_GROUPS = [
  ...['integer', 'vectors', 'exclusive', 'jumps', 'system', 'exceptions', 'endian', 'sequences'],
] as const;
export type ArmGroup = (typeof ARM_GROUPS)[number];

/** Shares of the groups in a run of all single cases. */
const SHARES: Readonly<Partial<Record<ArmGroup, number>>> = {
  integer: 40,
  vectors: 40,
  exclusive: 6,
  jumps: 8,
  system: 2,
  exceptions: 4,
  endian: 5,
};

const CORE_SETS = ['A32', 'A32_UNCONDITIONAL', 'T16', 'T32'] as const satisfies readonly FuzzSet[];

/** Every so many-eth batch is for the big-endian guest, BE8 and BE32 in turn. */
const BIG_EVERY = 4;

/** Every other batch is for another model than `max`, each in turn. */
const MODEL_EVERY = 2;
const OTHER_MODELS = ARM_MODELS.filter(({ name }) => name !== 'max' && name !== 'any');

function modelOf(run: ArmFuzzRun, batch: number): ArmModel {
  const named = run.cpus.length > 0 ? run.cpus[batch % run.cpus.length] : undefined;
  if (named !== undefined) return ARM_MODELS.find(({ name }) => name === named)!;
  if (batch % MODEL_EVERY === 0) return ARM_MODELS[0]!;
  return OTHER_MODELS[Math.floor(batch / MODEL_EVERY) % OTHER_MODELS.length]!;
}

/** Byte orders in turn; BE8 came with ARMv6. */
function orderOf(batch: number, { features }: ArmModel): ByteOrder {
  if (batch % BIG_EVERY !== BIG_EVERY - 1) return 'little';
  return batch % (2 * BIG_EVERY) === BIG_EVERY - 1 && features.includes('v6') ? 'be8' : 'be32';
}

/** The arguments of a run. */
export interface ArmFuzzRun {
  readonly seed: number;
  readonly cases: number;
  readonly groups: readonly ArmGroup[];
  /** Names that rows begin with; empty for all. */
  readonly rows: readonly string[];
  /** Options for wemu. */
  readonly options: readonly string[];
  /** CPU models, in turn; empty for all, `max` most. */
  readonly cpus: readonly string[];
  /** Byte order; undefined for little-endian and, by turns, the others. */
  readonly order: ByteOrder | undefined;
  readonly batch: number;
  readonly keepGoing: boolean;
  readonly progress?: (text: string) => void;
}

/** What a run gave. */
export interface ArmFuzzResult {
  readonly agreed: number;
  /** Cases the oracle did not come back from; they are not among those that agreed. */
  readonly strayed: number;
  /** Differences by row, with a few spelled out. */
  readonly differences: ReadonlyMap<string, readonly string[]>;
}

/** Names of the rows of a case. */
function rowNames(one: ArmCase): string {
  const insn = new Insn();
  const names: string[] = [];
  for (let at = 0; at < one.code.length && names.length < 4; at++) {
    const word = one.code[at]!;
    if (!one.thumb) decodeArm(insn, word);
    else if (word < 0xe800) decodeThumb(insn, word, false);
    else decodeThumb(insn, ((word << 16) | one.code[++at]!) >>> 0, true);
    const name = insn.encoding?.name ?? 'undefined';
    if (name !== 'IT' && name !== 'SETEND') names.push(name);
  }
  return names.join(' ');
}

/** What qemu-arm 7.2 executes on models that have it not: fused operations of Advanced SIMD, VLDR of halves, hints of 16 bits. */
function isOraclesOwnRow(name: string, features: readonly Feature[]): boolean {
  if (/^VFM[AS]_f$/.test(name)) return !features.includes('vfp4') && features.includes('neon');
  if (/^V(LDR|STR)_h$/.test(name)) return !features.includes('fp16') && features.includes('vfp2');
  return name === 'NOP' && !features.includes('v6t2');
}

/**
 * Makes one case; null when chance gave nothing usable. Without Thumb-2 a word that begins a wide instruction is another one on
 * each side, and jumps into Thumb code are less than they became with ARMv7: these are drawn for models that have them.
 */
function draw(
  group: ArmGroup,
  random: Random,
  order: ByteOrder,
  rows: readonly string[],
  { features }: ArmModel,
): ArmCase | null {
  const wide = features.includes('v6t2');
  const big = order !== 'little';
  const wanted = (name: string): boolean =>
    (rows.length === 0 || rows.some((part) => name.startsWith(part))) && !isOraclesOwnRow(name, features);
  switch (group) {
    case 'integer': {
      const set = random.pick(CORE_SETS);
      if ((set === 'T32' && !wide) || (set === 'T16' && !features.includes('v5'))) return null;
      const chosen = DECODERS[set].rows().filter(({ name }) => wanted(name));
      const one = chosen.length === 0 ? null : randomCase(set, random, chosen, wide);
      // The breakpoint of Thumb, which qemu-arm looks for in a word of BE32 that it takes for a halfword.
      return one?.thumb && order === 'be32' && one.code.includes(0xde01) ? null : one;
    }
    case 'vectors': {
      const one = randomVectorCase(
        random,
        VECTOR_ROWS.filter(({ name }) => wanted(name)),
      );
      if (one?.thumb && !wide) return null;
      // In the big-endian guest SETEND LE is not the state that the frame around the case needs.
      return one && big && one.code.length > 2 && !one.thumb ? null : one;
    }
    case 'exclusive':
      return features.includes('v6k') && wide ? exclusiveCase(random) : null;
    case 'jumps':
      return wide ? jumpCase(random, order) : null;
    case 'system':
      return wide ? systemCase(random, order) : null;
    case 'exceptions':
      return exceptionCase(random, wide);
    case 'endian': {
      if (big || !wide) return null;
      const set = random.pick(CORE_SETS);
      const one = randomCase(set, random);
      return one && isMemoryCase(one) ? withBigEndianData(one) : null;
    }
    default: {
      const set = wide ? random.pick(['A32', 'T16', 'T32'] as const) : 'A32';
      return randomSequence(set, random);
    }
  }
}

const VECTOR_ROWS = vectorRows();

/** Runs cases until all are done or, without `keepGoing`, until a batch has differences. */
export function fuzzArm(run: ArmFuzzRun): ArmFuzzResult {
  const differences = new Map<string, string[]>();
  let agreed = 0;
  let strayed = 0;
  const shares = run.groups.flatMap((group) => Array<ArmGroup>(SHARES[group] ?? 10).fill(group));
  for (let done = 0, batch = 0; done < run.cases; batch++) {
    const seed = run.seed * 7919 + batch;
    const random = new Random(seed);
    const both = run.groups.some((group) => group !== 'endian');
    const model = modelOf(run, batch);
    const order = run.order ?? (both ? orderOf(batch, model) : 'little');
    const memory = randomMemory(random);
    const cases: ArmCase[] = [];
    const wanted = Math.min(run.batch, run.cases - done);
    for (let tries = 0; cases.length < wanted && tries < wanted * 1000; tries++) {
      const one = draw(random.pick(shares), random, order, run.rows, model);
      if (one) cases.push(one);
    }
    if (cases.length === 0) throw new Error('no case could be made');
    let left = 0;
    const found = compareCases(cases, memory, {
      options: run.options,
      order,
      cpu: model.name,
      strayed: (one, text) => {
        left++;
        run.progress?.(`left out, qemu-arm does not come back: ${describeCase(one)}: ${text}\n`);
      },
    });
    strayed += left;
    agreed += cases.length - found.length - left;
    for (const difference of found) {
      const name = rowNames(difference.one);
      const list = differences.get(name) ?? [];
      differences.set(name, list);
      const where = `seed ${run.seed}, batch ${batch}, ${model.name}, ${order}`;
      list.push(`${describeCase(difference.one)} (${where})\n${explainDifference(difference)}`);
    }
    done += cases.length;
    run.progress?.(`${done} cases, ${differences.size} rows differ\n`);
    if (found.length > 0 && !run.keepGoing) break;
  }
  return { agreed, strayed, differences };
}

/** The report of a run: differences by row with some of them, and how many cases agreed. */
export function armReport({ agreed, strayed, differences }: ArmFuzzResult, seed: number): string {
  const lines: string[] = [];
  let count = 0;
  for (const [name, list] of [...differences].sort((a, b) => b[1].length - a[1].length)) {
    lines.push(`${name}: ${list.length} differences, for example`, ...list.slice(0, 2));
    count += list.length;
  }
  const stray = strayed > 0 ? `, ${strayed} without an answer of qemu-arm` : '';
  lines.push(`${agreed} cases agreed, ${count} did not${stray}; seed ${seed}`);
  return lines.join('\n');
}
