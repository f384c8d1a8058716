// The fuzz command: random code natively (i386) or under qemu-arm (ARM) and under wemu, over all groups; see docs/testing.md.
//
//   npm run fuzz -- --guest arm [--cases N] [--seed N] [--kind single|sequences|all] [--groups 'integer vectors exclusive ...']
//       [--rows 'VADD LDM'] [--cpu 'max arm926'] [--order little|be8|be32] [--options '-engine interp'] [--batch N] [--keep-going]
//   npm run fuzz -- [--cases N] [--seed N] [--kind single|chains|sequences|all] [--groups 'x87 sse2'] [--cpu MODEL]
//       [--options '-engine interp'] [--command 'qemu-i386'] [--batch N] [--keep-going] [--list]

import { ARM_MODELS, noModel } from '../../targets/arm/models.ts';
import type { X86Feature, X86Mnemonic } from '../../targets/x86/insns.ts';
import { selectModel } from '../../targets/x86/model-option.ts';
import { modelAt, modelHas } from '../../targets/x86/models.ts';
import { handlerOf } from '../../targets/x86/translate/handlers.ts';
import { unimplemented } from '../../targets/x86/translate/system.ts';
import { hostFeatures } from '../insn/x86/integer/optional.ts';
import { compareOutcomes, type Difference, formatDifference } from '../oracle/compare.ts';
import type { CaseResult, InsnCase } from '../oracle/insn-case.ts';
import { isDeath, NATIVE, nativeUnavailable, type Outcome, runOracle, wemuCommand } from '../oracle/runner.ts';
import { oraclePath } from '../setup/oracles.ts';
import { BYTE_ORDERS, type ByteOrder } from './arm-program.ts';
import { ARM_GROUPS, type ArmGroup, armReport, fuzzArm } from './arm-run.ts';
import { allOpenings, OPENING_GROUPS, type Opening } from './x86-openings.ts';
import { fuzzSequences } from './x86-sequences.ts';
import {
  drawChains,
  drawSingles,
  hostHas,
  ignoreFpuByte,
  isAccident,
  NOT_COMPARED,
  type SingleOptions,
} from './x86-single.ts';

/** The arguments of a run. */
export interface FuzzRun {
  readonly seed: number;
  readonly cases: number;
  readonly cpu: string;
  /** Groups of openings; empty for all. */
  readonly groups: readonly string[];
  /** The emulator command, followed by the program. */
  readonly command: readonly string[];
  readonly batch: number;
  /** Go on behind a difference and count them. */
  readonly keepGoing: boolean;
  readonly progress?: (text: string) => void;
}

/** What both sides execute, and wemu has a handler for. */
export function commonOpenings(cpu: string, groups: readonly string[]): Opening[] {
  const has = commonFeature(cpu);
  return allOpenings().filter(({ feature, group, mnemonic }) => {
    if (groups.length > 0 && !groups.includes(group)) return false;
    if (mnemonic in NOT_COMPARED || !has(feature)) return false;
    return executes(mnemonic as X86Mnemonic);
  });
}

/** Whether there is a handler; undefined opcodes and privileged instructions need none. */
function executes(mnemonic: X86Mnemonic): boolean {
  const handler = handlerOf(mnemonic);
  return handler !== unimplemented && (handler !== undefined || !VECTOR_NAMES.has(mnemonic));
}

const VECTOR_NAMES = new Set<string>(
  allOpenings()
    .filter(({ group }) => group !== 'integer' && group !== 'system')
    .map(({ mnemonic }) => mnemonic),
);

function commonFeature(cpu: string): (feature: X86Feature) => boolean {
  const model = modelAt(selectModel(cpu).index);
  const host = hostFeatures();
  return (feature) => modelHas(model, feature) && hostHas(feature, host);
}

/** Cases of single instructions that differ, without those that only seem to. */
function differing(cases: InsnCase[], command: string[]): Difference[] {
  const native = runOracle(cases, NATIVE, { maxDeaths: 1 });
  const death = native.findIndex((outcome) => !outcome || isDeath(outcome));
  if (death >= 0) {
    const how = native[death] as { died: string } | undefined;
    throw new Error(
      `a case ends the native process (${how?.died}):\n${formatDifference({ index: death, insn: cases[death]!, lines: [], parts: [] })}`,
    );
  }
  const actual = runOracle(cases, command, { maxDeaths: 3 });
  return compareOutcomes(cases, native, actual, { ignoreFpuByte }).filter(({ index }) => {
    const outcome = actual[index] as Outcome;
    return isDeath(outcome) || !isAccident(cases[index]!, native[index] as CaseResult, outcome);
  });
}

/** Simpler cases: one register, flag image or memory window plain. */
function simpler(insn: InsnCase): InsnCase[] {
  const found: InsnCase[] = [];
  for (let n = 0; n < 8; n++) {
    if (insn.regs[n] === 0 || n === 4) continue;
    const regs = insn.regs.slice();
    regs[n] = 0;
    found.push({ ...insn, regs });
  }
  if (insn.eflags !== 2) found.push({ ...insn, eflags: 2 });
  insn.memory.forEach(({ at, bytes }, n) => {
    if (bytes.some((byte) => byte !== 0))
      found.push({ ...insn, memory: insn.memory.with(n, { at, bytes: new Uint8Array(bytes.length) }) });
  });
  if (Object.keys(insn.segments ?? {}).length > 0) found.push({ ...insn, segments: {} });
  return found;
}

/** Makes a differing case plain, one part after another, while it differs. */
function shrink(difference: Difference, command: string[]): Difference {
  let best = difference;
  for (;;) {
    const candidates = simpler(best.insn);
    if (candidates.length === 0) return best;
    const found = differing(candidates, command)[0];
    if (!found) return best;
    best = found;
  }
}

/** Runs single instructions, or what `draw` gives; the report of the first difference (or all, counted), or undefined. */
export function fuzzSingles(run: FuzzRun, draw: typeof drawSingles = drawSingles): string | undefined {
  const openings = commonOpenings(run.cpu, run.groups);
  const has = commonFeature(run.cpu);
  const options: SingleOptions = { openings, has, executes, fpu: has('FXSR') ? 'fxsave' : 'fsave' };
  const command = [...run.command];
  const counts = new Map<string, number>();
  const shown: string[] = [];
  for (let done = 0, n = 0; done < run.cases; n++) {
    const count = Math.min(run.batch, run.cases - done);
    const cases = draw(run.seed + n, count, options).map(({ insn }) => insn);
    const found = differing(cases, command);
    for (const difference of found) {
      const { name } = difference.insn;
      const before = counts.get(name) ?? 0;
      counts.set(name, before + 1);
      if (before > 0) continue;
      const text = `seed ${run.seed + n}:\n${formatDifference(shrink(difference, command))}`;
      if (!run.keepGoing) return text;
      shown.push(text);
    }
    done += count;
    run.progress?.(`${done} cases`);
  }
  if (counts.size === 0) return undefined;
  return [...shown, [...counts].map(([name, count]) => `${name} ${count}`).join(', ')].join('\n');
}

function argument(argv: string[], name: string): string | undefined {
  const at = argv.indexOf(`--${name}`);
  return at >= 0 ? argv[at + 1] : undefined;
}

const words = (text: string | undefined) => (text ?? '').split(/[ ,]+/).filter((word) => word !== '');

/** The command with `--guest arm`. */
function armMain(argv: string[]): number {
  const groups = words(argument(argv, 'groups'));
  const unknown = groups.find((group) => !(ARM_GROUPS as readonly string[]).includes(group));
  if (unknown !== undefined || argv.includes('--list')) {
    if (unknown !== undefined) console.error(`no group '${unknown}'`);
    console.log(`groups: ${ARM_GROUPS.join(' ')}`);
    return unknown === undefined ? 0 : 2;
  }
  if (!oraclePath('qemu-user')) {
    console.error('qemu-arm is missing');
    return 2;
  }
  const cpus = words(argument(argv, 'cpu'));
  const noCpu = cpus.find((cpu) => !ARM_MODELS.some(({ name }) => name === cpu));
  if (noCpu !== undefined) {
    console.error(noModel(noCpu));
    return 2;
  }
  const kind = argument(argv, 'kind') ?? 'all';
  const order = argument(argv, 'order');
  if (order !== undefined && !(BYTE_ORDERS as readonly string[]).includes(order)) {
    console.error(`no byte order '${order}'; there are: ${BYTE_ORDERS.join(' ')}`);
    return 2;
  }
  const chosen = groups.length > 0 ? (groups as ArmGroup[]) : ARM_GROUPS;
  const seed = Number(argument(argv, 'seed') ?? Date.now() % 2 ** 31);
  const result = fuzzArm({
    seed,
    cases: Number(argument(argv, 'cases') ?? 20000),
    groups: chosen.filter((group) => kind === 'all' || (kind === 'sequences') === (group === 'sequences')),
    rows: words(argument(argv, 'rows')),
    cpus,
    options: words(argument(argv, 'options')),
    order: order as ByteOrder | undefined,
    batch: Number(argument(argv, 'batch') ?? 3000),
    keepGoing: argv.includes('--keep-going'),
    progress: (text) => process.stderr.write(text),
  });
  console.log(armReport(result, seed));
  return result.differences.size > 0 ? 1 : 0;
}

function main(argv: string[]): number {
  const guest = argument(argv, 'guest') ?? 'i386';
  if (guest === 'arm') return armMain(argv);
  if (guest !== 'i386') {
    console.error(`no guest '${guest}' to fuzz; there are: i386 arm`);
    return 2;
  }
  const cpu = argument(argv, 'cpu') ?? 'max';
  const groups = words(argument(argv, 'groups'));
  const unknown = groups.find((group) => !(OPENING_GROUPS as readonly string[]).includes(group));
  if (unknown !== undefined) {
    console.error(`no group '${unknown}'; there are: ${OPENING_GROUPS.join(' ')}`);
    return 2;
  }
  if (argv.includes('--list')) {
    for (const group of OPENING_GROUPS) {
      const names = new Set(commonOpenings(cpu, [group]).map(({ mnemonic }) => mnemonic));
      console.log(`${group} (${names.size}): ${[...names].join(' ')}`);
    }
    return 0;
  }
  const missing = nativeUnavailable();
  if (missing !== undefined) {
    console.error(missing);
    return 2;
  }
  const seed = Number(argument(argv, 'seed') ?? Date.now() % 2 ** 31);
  const cases = Number(argument(argv, 'cases') ?? 20000);
  const kind = argument(argv, 'kind') ?? 'all';
  const other = words(argument(argv, 'command'));
  const wemu = wemuCommand(['-cpu', cpu, ...words(argument(argv, 'options'))]);
  if ('missing' in wemu) {
    console.error(wemu.missing);
    return 2;
  }
  const command = other.length > 0 ? other : wemu.command;
  console.log(`seed ${seed}, ${cases} cases, ${command.join(' ')}`);
  const start = performance.now();
  const progress = (text: string) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${text} `);
  };
  const batch = Number(argument(argv, 'batch') ?? 3000);
  const keepGoing = argv.includes('--keep-going');
  const share = kind === 'all' ? Math.ceil(cases / 3) : cases;
  let report: string | undefined;
  const run = { seed, cases: share, cpu, groups, command, batch, keepGoing, progress };
  if (kind === 'single' || kind === 'all') report = fuzzSingles(run);
  if (kind === 'chains' || (kind === 'all' && (report === undefined || keepGoing))) {
    report = [report, fuzzSingles(run, drawChains)].filter((text) => text !== undefined).join('\n') || undefined;
  }
  if (kind === 'sequences' || (kind === 'all' && (report === undefined || keepGoing))) {
    const found = fuzzSequences({ seed, cases: share, command, batch: 2000, progress });
    report = [report, found].filter((text) => text !== undefined).join('\n') || undefined;
  }
  const seconds = (performance.now() - start) / 1000;
  console.log(report ?? 'no difference');
  console.log(`${(cases / seconds).toFixed(0)} cases per second`);
  return report === undefined ? 0 : 1;
}

if (import.meta.main) process.exit(main(process.argv.slice(2)));
