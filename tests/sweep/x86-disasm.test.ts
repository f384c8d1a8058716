/** Every opening of the x86 opcode maps against capstone and objdump: the same bytes are instructions, of the same length. */

import { beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArrayCode, DecodeFault, type DecodeMode, decodeInto, FLAT_32, Insn } from '../../targets/x86/decode.ts';
import { testWith } from '../setup/needs.ts';
import { CapstoneX86 } from './x86-disasm-capstone.ts';
import { ALL_BYTES, eachOpening, hex, SEQUENCE_BYTES, type Sequence } from './x86-disasm-cases.ts';
import { EXCEPTIONS, type Exception, type Oracle, type Verdict } from './x86-disasm-exceptions.ts';

const ADDRESS = 0x1000;
const CODE_16: DecodeMode = { code32: false, stack32: false };

/** Collects what the exceptions do not explain. */
class Disputes {
  readonly unexplained = new Map<string, number>();
  readonly used = new Set<Exception>();
  private readonly oracle: Oracle;
  private readonly byOpening = new Map<string, Exception[]>();
  private readonly source = new ArrayCode(new Uint8Array(0), ADDRESS);
  private readonly insn = new Insn();

  constructor(oracle: Oracle) {
    this.oracle = oracle;
    for (const exception of this.exceptions()) {
      for (const opening of exception.openings) {
        const list = this.byOpening.get(opening);
        if (list) list.push(exception);
        else this.byOpening.set(opening, [exception]);
      }
    }
  }

  exceptions(): Exception[] {
    return EXCEPTIONS.filter((exception) => exception.of.includes(this.oracle));
  }

  unused(): string[] {
    return this.exceptions().flatMap((exception) => (this.used.has(exception) ? [] : [exception.why]));
  }

  /** @param theirs the oracle's length, 0 when it finds no instruction */
  compare(sequence: Sequence, mode: DecodeMode, theirs: number): void {
    this.source.bytes = sequence.bytes;
    decodeInto(this.insn, this.source, ADDRESS, mode);
    const ours = this.insn.fault === DecodeFault.None ? this.insn.length : 0;
    if (ours === theirs) return;
    const verdicts: Verdict[] = ours === 0 ? ['lax', 'absent'] : theirs === 0 ? ['strict'] : ['length'];
    const exception = this.byOpening
      .get(sequence.opening)
      ?.find((one) => verdicts.includes(one.verdict) && (one.when === undefined || one.when(sequence)));
    if (exception !== undefined) {
      this.used.add(exception);
      return;
    }
    const what = `${hex(sequence.prefixes)} ${sequence.opening} ${hex([sequence.modrm])}: ${ours} bytes, not ${theirs}`;
    const key = `${hex(sequence.prefixes)} ${sequence.opening} ${verdicts[0]}, as ${what}`;
    const seen = [...this.unexplained.keys()].find((known) => known.startsWith(key.slice(0, key.indexOf(','))));
    this.unexplained.set(seen ?? key, (this.unexplained.get(seen ?? key) ?? 0) + 1);
  }
}

describe('capstone', () => {
  const PREFIX_SETS = [[], [0x66], [0xf3], [0xf2], [0x67], [0xf0], [0x2e], [0x65, 0x66], [0x66, 0xf3], [0x66, 0xf2]];
  const TAIL = [0x25, 0x36, 0x47, 0x58, 0x69, 0x7a, 0x8b, 0x9c];
  let disputes: Disputes;

  beforeAll(async () => {
    await CapstoneX86.load();
    disputes = new Disputes('capstone');
  });

  test('decodes the same openings to the same lengths, 32-bit code', () => {
    const capstone = new CapstoneX86(true);
    for (const prefixes of PREFIX_SETS) {
      eachOpening(prefixes, ALL_BYTES, TAIL, (sequence) => {
        disputes.compare(sequence, FLAT_32, capstone.length(sequence.bytes, ADDRESS));
      });
    }
    expect([...disputes.unexplained]).toEqual([]);
  });

  test('decodes the same openings to the same lengths, 16-bit code', () => {
    const capstone = new CapstoneX86(false);
    for (const prefixes of PREFIX_SETS) {
      eachOpening(prefixes, ALL_BYTES, TAIL, (sequence) => {
        // Capstone does not take 66 for a mandatory prefix in 16-bit code; objdump does, below.
        if (prefixes.includes(0x66) && sequence.opening.length > 2) return;
        disputes.compare(sequence, CODE_16, capstone.length(sequence.bytes, ADDRESS));
      });
    }
    expect([...disputes.unexplained]).toEqual([]);
  });

  test('every exception is needed', () => {
    expect(disputes.unused()).toEqual([]);
  });
});

describe('objdump', () => {
  const PREFIX_SETS = [[], [0x66], [0xf2], [0xf3]];
  const MODRMS = [0x00, 0x4c, 0x95, 0xa6, 0xc1, 0xca, 0xd3, 0xdc, 0xe5, 0xee, 0xf7, 0xf8];
  /** One-byte instructions, so that objdump is back in step at the next sequence. */
  const NOPS = [0x90];
  const disputes = new Disputes('objdump');

  /** Length of the instruction at the start of each sequence of the file, 0 for none. */
  function lengths(file: string, machine: string): Map<number, number> {
    const run = Bun.spawnSync(['objdump', '-D', '-z', '-w', '-b', 'binary', '-m', machine, file], {
      maxBuffer: 2 ** 30,
    });
    const found = new Map<number, number>();
    for (const line of run.stdout.toString().split('\n')) {
      const [address, bytes, text] = line.split('\t');
      if (text === undefined) continue;
      const at = Number.parseInt(address!, 16);
      if (at % SEQUENCE_BYTES !== 0) continue;
      found.set(at / SEQUENCE_BYTES, text.includes('(bad)') ? 0 : bytes!.trim().split(' ').length);
    }
    return found;
  }

  function sweep(machine: string, mode: DecodeMode): void {
    const folder = mkdtempSync(join(tmpdir(), 'wemu-x86-disasm-'));
    try {
      const all: number[] = [];
      const everySequence = (visit: (sequence: Sequence) => void): void => {
        for (const prefixes of PREFIX_SETS) eachOpening(prefixes, MODRMS, NOPS, visit);
      };
      everySequence((sequence) => all.push(...sequence.bytes));
      const file = join(folder, 'sequences');
      writeFileSync(file, new Uint8Array(all));
      const found = lengths(file, machine);
      let number = 0;
      everySequence((sequence) => disputes.compare(sequence, mode, found.get(number++) ?? -1));
      expect(found.size).toBe(number);
    } finally {
      rmSync(folder, { recursive: true });
    }
    expect([...disputes.unexplained]).toEqual([]);
  }

  testWith(['objdump'], 'decodes the same openings to the same lengths, 32-bit code', () => sweep('i386', FLAT_32));
  testWith(['objdump'], 'decodes the same openings to the same lengths, 16-bit code', () => sweep('i8086', CODE_16));
  testWith(['objdump'], 'every exception is needed', () => {
    expect(disputes.unused()).toEqual([]);
  });
});
