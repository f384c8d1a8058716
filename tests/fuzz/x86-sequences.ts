// Fuzzer: random sequences of i386 integer instructions, built from the encoding rows, on the host CPU and an emulator.
//
//   bun tests/fuzz/x86-sequences.ts [--seed N] [--cases N] [--batch N] [--command 'qemu-i386'] [--options '-d x']
//       [--without 'TEST/1 BSWAP'] [--repeat N] [--list]
//
// Straight-line pieces of 5-30 instructions with forward skips, counted loops, calls and indirect jumps around some of
// them. A difference is shrunk to the shortest sequence that still differs. Flags that the rows call undefined are
// followed through the sequence: no instruction reads one (a CMP goes before it), and the last ones are not compared.
// With --repeat each sequence runs N times over, so that an emulator comes to treat it as hot; it pushes nothing then.

import fc from 'fast-check';
import { EBP, ESP, le32 } from '../oracle/asm-i386.ts';
import { differencesFromNative, formatDifference, hexBytes } from '../oracle/compare.ts';
import { type CodeReference, DF, type InsnCase, STATUS_FLAGS, ZF } from '../oracle/insn-case.ts';
import { Random } from '../oracle/random.ts';
import { isDeath, NATIVE, qemuCommand, runOracle, wemuCommand } from '../oracle/runner.ts';
import {
  buildPiece,
  buildTemplates,
  conditionTests,
  DATA_AFTER,
  DATA_BASE,
  DATA_BEFORE,
  type Piece,
  popFlagsPiece,
  STACK_BASE,
  type Template,
  templateName,
} from './x86-pieces.ts';

/** A step of a sequence: an instruction, or control flow around a few. */
export type Unit =
  | { kind: 'piece'; piece: Piece }
  /** A conditional jump over the body. */
  | { kind: 'skip'; condition: number; body: Piece[] }
  /** LOOPNE, LOOPE, LOOP or JECXZ (E0-E3) over the body. */
  | { kind: 'count'; opcode: number; body: Piece[] }
  /** The body `times` times, counted in memory. */
  | { kind: 'loop'; times: number; body: Piece[] }
  /** The body as a subroutine. */
  | { kind: 'call'; body: Piece[] }
  /** push target; ret, over bytes that are never run. */
  | { kind: 'indirect'; junk: number[] };

export interface Sequence {
  seed: number;
  units: Unit[];
}

/** The loop counter's address: outside the window that instructions may write. */
const COUNTER = DATA_BASE + DATA_AFTER + 0x100;
/** The counter of repetitions. */
const REPETITIONS = COUNTER + 4;
const STACK_BELOW = 0x420;
const STACK_ABOVE = 0x80;

/** What fast-check draws: the shape of a sequence; operands follow from the seeds. */
interface Shape {
  kind: 'piece' | 'popf' | 'skip' | 'count' | 'loop' | 'call' | 'indirect';
  seed: number;
  templates: number[];
}

function sequences(templates: Template[]) {
  const template = fc.nat(templates.length - 1);
  const shape: fc.Arbitrary<Shape> = fc.oneof(
    {
      weight: 30,
      arbitrary: fc.record({ kind: fc.constant('piece' as const), seed: fc.nat(), templates: fc.tuple(template) }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constantFrom('skip' as const, 'skip' as const, 'count' as const, 'loop' as const, 'call' as const),
        seed: fc.nat(),
        templates: fc.array(template, { minLength: 1, maxLength: 4 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constantFrom('popf' as const, 'indirect' as const),
        seed: fc.nat(),
        templates: fc.constant([] as number[]),
      }),
    },
  );

  return fc.record({ seed: fc.nat(), shapes: fc.array(shape, { minLength: 5, maxLength: 30 }) });
}

function unitOf({ kind, seed, templates: indices }: Shape, templates: Template[]): Unit {
  const random = new Random(seed);
  const pieces = indices.map((index) => buildPiece(templates[index]!, random));
  switch (kind) {
    case 'piece':
      return { kind, piece: pieces[0]! };
    case 'popf':
      return { kind: 'piece', piece: popFlagsPiece(random) };
    case 'skip':
      return { kind, condition: random.below(16), body: pieces };
    case 'count':
      return { kind, opcode: 0xe0 + random.below(4), body: pieces };
    case 'loop':
      // What a loop pushes is never popped: such pieces would walk out of the window.
      return { kind, times: random.range(1, 5), body: pieces.filter(({ usesStack }) => !usesStack) };
    case 'call':
      return { kind, body: pieces.filter(({ usesStack }) => !usesStack) };
    case 'indirect':
      return { kind, junk: Array.from(random.bytes(random.below(12))) };
  }
}

/** The sequences of a seed. */
export function drawSequences(seed: number, count: number, templates: Template[] = buildTemplates()): Sequence[] {
  return fc.sample(sequences(templates), { seed, numRuns: count }).map((drawn) => ({
    seed: drawn.seed,
    units: drawn.shapes.map((shape) => unitOf(shape, templates)),
  }));
}

/** Makes a case of a sequence, `repeat` times over, keeping account of undefined flags. */
export function assemble({ seed, units }: Sequence, name: string, repeat = 1): InsnCase {
  const random = new Random(seed);
  const regs = Uint32Array.from({ length: 8 }, () => random.value(32));
  regs[EBP] = DATA_BASE;
  regs[ESP] = STACK_BASE;
  const eflags = 2 | (random.u32() & (STATUS_FLAGS | (random.below(4) ? 0 : DF)));
  const code: number[] = [];
  const codeReferences: CodeReference[] = [];
  let undefinedFlags = 0;
  const need = (flags: number) => {
    if (!(undefinedFlags & flags)) return;
    code.push(0x39, 0xd1); // cmp ecx,edx
    undefinedFlags = 0;
  };
  const emit = (piece: Piece) => {
    // What is pushed time after time would run out of the window.
    if (repeat > 1 && piece.usesStack) return;
    need(piece.tested);
    code.push(...piece.bytes);
    undefinedFlags = (undefinedFlags & ~piece.killed) | piece.undefined;
  };
  const emitAll = (body: Piece[]) => {
    for (const piece of body) emit(piece);
  };
  /** Reserves a one-byte displacement and returns the function that fills it with the distance to here. */
  const forward = () => {
    const at = code.length;
    code.push(0);
    return () => {
      code[at] = code.length - at - 1;
      if (code[at]! > 127) throw new Error('the body is too long for a short jump');
    };
  };
  if (repeat > 1) code.push(0xc7, 0x05, ...le32(REPETITIONS), ...le32(repeat)); // mov dword [REPETITIONS],repeat
  const start = code.length;
  for (const unit of units) {
    switch (unit.kind) {
      case 'piece':
        emit(unit.piece);
        break;
      case 'skip':
      case 'count': {
        need(unit.kind === 'skip' ? conditionTests(unit.condition) : ZF);
        code.push(unit.kind === 'skip' ? 0x70 | unit.condition : unit.opcode);
        const land = forward();
        const before = undefinedFlags;
        emitAll(unit.body);
        undefinedFlags |= before;
        land();
        break;
      }
      case 'loop': {
        code.push(0xc7, 0x05, ...le32(COUNTER), ...le32(unit.times)); // mov dword [COUNTER],times
        const head = code.length;
        emitAll(unit.body);
        code.push(0x83, 0x2d, ...le32(COUNTER), 1); // sub dword [COUNTER],1
        undefinedFlags = 0;
        code.push(0x0f, 0x85, ...le32(head - (code.length + 6))); // jne head
        break;
      }
      case 'call': {
        code.push(0xe8, 2, 0, 0, 0, 0xeb); // call +2; jmp over the routine
        const land = forward();
        emitAll(unit.body);
        code.push(0xc3);
        land();
        break;
      }
      case 'indirect': {
        const at = code.length;
        const target = at + 6 + unit.junk.length;
        code.push(0x68, ...le32(target), 0xc3, ...unit.junk); // push target; ret
        codeReferences.push({ in: 'code', offset: at + 1 });
        break;
      }
    }
  }
  if (repeat > 1) {
    code.push(0x83, 0x2d, ...le32(REPETITIONS), 1); // sub dword [REPETITIONS],1
    undefinedFlags = 0;
    code.push(0x0f, 0x85, ...le32(start - (code.length + 6))); // jne start
  }
  return {
    name,
    code: Uint8Array.from(code),
    regs,
    eflags,
    memory: [
      { at: DATA_BASE - DATA_BEFORE, bytes: random.bytes(DATA_BEFORE + DATA_AFTER) },
      { at: STACK_BASE - STACK_BELOW, bytes: random.bytes(STACK_BELOW + STACK_ABOVE) },
    ],
    flagMask: undefinedFlags,
    codeReferences,
  };
}

/** All sequences with one unit, one half, or one piece of a body less, shortest first. */
function smaller({ seed, units }: Sequence): Sequence[] {
  const candidates: Unit[][] = [];
  const half = units.length >> 1;
  if (half > 0) candidates.push(units.slice(0, half), units.slice(half));
  const quarter = units.length >> 2;
  if (quarter > 0) {
    for (let at = 0; at + quarter <= units.length; at += quarter) candidates.push(units.toSpliced(at, quarter));
  }
  units.forEach((unit, i) => {
    if (units.length > 1) candidates.push(units.toSpliced(i, 1));
    if (!('body' in unit)) return;
    candidates.push(units.toSpliced(i, 1, ...unit.body.map((piece): Unit => ({ kind: 'piece', piece }))));
    unit.body.forEach((_, k) => {
      if (unit.body.length > 1) candidates.push(units.toSpliced(i, 1, { ...unit, body: unit.body.toSpliced(k, 1) }));
    });
    if (unit.kind === 'loop' && unit.times > 1)
      candidates.push(units.toSpliced(i, 1, { ...unit, times: unit.times - 1 }));
  });
  return candidates.map((candidate) => ({ seed, units: candidate }));
}

/** The first sequence among `sequences` on which the two sides differ, or undefined. */
function findDifference(sequences: Sequence[], command: string[], repeat: number) {
  const cases = sequences.map((candidate, i) => assemble(candidate, `sequence ${i}`, repeat));
  const native = runOracle(cases, NATIVE);
  const faulty = native.findIndex((outcome) => !outcome || isDeath(outcome) || outcome.signal);
  if (faulty >= 0) {
    const outcome = native[faulty];
    const how = outcome && !isDeath(outcome) ? outcome.signal : outcome;
    throw new Error(`a generated sequence faults natively: ${JSON.stringify(how)}\n${listing(sequences[faulty]!)}`);
  }
  const [found] = differencesFromNative(cases, runOracle(cases, command, { maxDeaths: 1 }));
  return found && { difference: found, sequence: sequences[found.index]! };
}

/** The units of a sequence, one a line. */
export function listing({ units }: Sequence): string {
  const piece = ({ text, bytes }: Piece) => `${text.padEnd(40)} ${hexBytes(Uint8Array.from(bytes))}`;
  return units
    .map((unit) => {
      switch (unit.kind) {
        case 'piece':
          return piece(unit.piece);
        case 'indirect':
          return `indirect jump over ${hexBytes(Uint8Array.from(unit.junk)) || 'nothing'}`;
        default: {
          const { kind, body, ...rest } = unit;
          const details = Object.entries(rest).map(([name, value]) => ` ${name} ${value.toString(16)}`);
          return [`${kind}${details}`, ...body.map((line) => `  ${piece(line)}`)].join('\n  ');
        }
      }
    })
    .map((line) => `  ${line}`)
    .join('\n');
}

export interface FuzzOptions {
  seed: number;
  cases: number;
  /** The emulator command, followed by the program. */
  command: string[];
  /** Sequences in one program. */
  batch?: number;
  /** Names of instruction rows to leave out, as templateName writes them. */
  without?: string[];
  /** How often each sequence runs. */
  repeat?: number;
  /** Told after each program. */
  progress?: (text: string) => void;
}

/** Runs the fuzzer; returns a report of the first difference, shrunk, or undefined when there is none. */
export function fuzzSequences(options: FuzzOptions): string | undefined {
  const { seed, cases, command, batch = 500, without = [], repeat = 1 } = options;
  const templates = buildTemplates().filter((template) => !without.includes(templateName(template)));
  // Drawn in parts: all of a long run would not fit into memory.
  for (let start = 0; start < cases; start += batch) {
    const count = Math.min(batch, cases - start);
    const sequences = drawSequences(seed + start / batch, count, templates);
    options.progress?.(`${start} sequences`);
    let found = findDifference(sequences, command, repeat);
    if (!found) continue;
    const original = found.sequence;
    for (;;) {
      const next = findDifference(smaller(found.sequence), command, repeat);
      if (!next) break;
      found = next;
    }
    return [
      `seed ${seed + start / batch}: sequence ${sequences.indexOf(original)} of ${original.units.length} units differs; shrunk to:`,
      listing(found.sequence),
      formatDifference(found.difference),
    ].join('\n');
  }
  return undefined;
}

function optionValue(argv: string[], name: string): string | undefined {
  const at = argv.indexOf(`--${name}`);
  return at >= 0 ? argv[at + 1] : undefined;
}

function main(argv: string[]): number {
  if (argv.includes('--list')) {
    console.log([...new Set(buildTemplates().map(templateName))].join(' '));
    return 0;
  }
  const number = (name: string, fallback: number) => Number(optionValue(argv, name) ?? fallback);
  const seed = number('seed', Date.now() % 2 ** 31);
  const cases = number('cases', 2000);
  const words = (text: string | undefined) => (text ? text.split(' ').filter((word) => word) : []);
  let command = words(optionValue(argv, 'command'));
  if (command.length === 0) {
    const wemu = wemuCommand(words(optionValue(argv, 'options')));
    const found = 'command' in wemu ? wemu : qemuCommand();
    if ('missing' in wemu) console.log(`${wemu.missing}; comparing with qemu-i386`);
    if ('missing' in found) {
      console.log(found.missing);
      return 2;
    }
    command = found.command;
  }
  console.log(`seed ${seed}, ${cases} sequences, ${command.join(' ')}`);
  const without = words(optionValue(argv, 'without'));
  const report = fuzzSequences({
    seed,
    cases,
    command,
    batch: number('batch', 500),
    without,
    repeat: number('repeat', 1),
  });
  console.log(report ?? 'no difference');
  return report ? 1 : 0;
}

if (import.meta.main) process.exit(main(process.argv.slice(2)));
