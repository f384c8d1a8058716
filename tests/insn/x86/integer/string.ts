// MOVS CMPS SCAS LODS STOS with every repeat prefix, both directions, overlaps, 16-bit addresses, page borders.

import { EAX, ECX, EDI, ESI } from '../../../oracle/asm-i386.ts';
import { DF, type InsnCase, MEMORY_MAP } from '../../../oracle/insn-case.ts';
import { type Bits, type CaseOptions, Corpus, flagsWithDirection, SIZES, setReg, sized } from './corpus.ts';

interface StringRow {
  name: string;
  opcode: number;
  source: boolean;
  destination: boolean;
}

const ROWS: StringRow[] = [
  { name: 'movs', opcode: 0xa4, source: true, destination: true },
  { name: 'cmps', opcode: 0xa6, source: true, destination: true },
  { name: 'stos', opcode: 0xaa, source: false, destination: true },
  { name: 'lods', opcode: 0xac, source: true, destination: false },
  { name: 'scas', opcode: 0xae, source: false, destination: true },
];

const REPEATS: [string, number[]][] = [
  ['', []],
  ['rep ', [0xf3]],
  ['repne ', [0xf2]],
];

/** Cases compare about this many bytes at most. */
const WINDOW = 0x100;
const SOURCE = MEMORY_MAP.SCRATCH + 0x200;
/** Its window spans the two scratch pages. */
const DESTINATION = MEMORY_MAP.SCRATCH_BORDER - 0x80;

/** Window contents in which scans and compares run for a while: few different values, a difference now and then. */
function contents(corpus: Corpus, row: StringRow, bits: Bits, element: number): [Uint8Array, Uint8Array] {
  const { random } = corpus;
  const source = random.bytes(WINDOW);
  if (row.name !== 'cmps' && row.name !== 'scas') return [source, random.bytes(WINDOW)];
  const step = bits / 8;
  const destination = new Uint8Array(WINDOW);
  for (let i = 0; i < WINDOW; i++) {
    destination[i] = row.name === 'cmps' ? source[i]! : (element >>> ((i % step) * 8)) & 0xff;
  }
  for (let i = 0; i < 6; i++) destination[random.below(WINDOW)]! ^= 1 << random.below(8);
  return random.below(4) === 0 ? [source, random.bytes(WINDOW)] : [source, destination];
}

function addPlain(corpus: Corpus): void {
  const { random } = corpus;
  for (const row of ROWS) {
    for (const bits of SIZES) {
      const step = bits / 8;
      for (const [repeat, prefix] of REPEATS) {
        for (const down of [false, true]) {
          const counts = repeat ? [0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 33] : [0, 1, 5];
          for (const count of counts) {
            const regs = corpus.regs();
            const element = random.value(bits);
            const [source, destination] = contents(corpus, row, bits, element);
            setReg(regs, EAX, bits, element);
            regs[ECX] = repeat ? count : random.u32();
            // Start so that the whole run stays inside the window; unaligned half the time.
            const room = WINDOW - (count + 1) * step;
            const start = down ? WINDOW - step - random.below(room) : random.below(room);
            const start2 = down ? WINDOW - step - random.below(room) : random.below(room);
            regs[ESI] = SOURCE + start;
            regs[EDI] = DESTINATION + start2;
            corpus.add(
              `${repeat}${row.name}${bits}: ${down ? 'down ' : ''}${count}`,
              [...prefix, ...sized(bits, [row.opcode])],
              {
                regs,
                eflags: flagsWithDirection(corpus.flags(), down),
                memory: [
                  { at: SOURCE, bytes: source },
                  { at: DESTINATION, bytes: destination },
                ],
              },
            );
          }
        }
      }
    }
  }
}

/** REP MOVS where source and destination overlap at every small distance, both ways: it copies element by element. */
function addOverlap(corpus: Corpus): void {
  const { random } = corpus;
  for (const bits of SIZES) {
    for (const down of [false, true]) {
      for (const distance of [-32, -9, -8, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 33]) {
        const from = SOURCE + 0x80;
        corpus.add(`rep movs${bits}: overlap ${distance}${down ? ' down' : ''}`, [0xf3, ...sized(bits, [0xa4])], {
          regs: { ecx: 80 / (bits / 8), esi: down ? from + 0x50 : from, edi: (down ? from + 0x50 : from) + distance },
          eflags: flagsWithDirection(corpus.flags(), down),
          memory: [{ at: SOURCE, bytes: random.bytes(0x180) }],
        });
      }
    }
  }
}

/** Longer runs, which fast paths may treat differently, and which cross pages. */
function addLong(corpus: Corpus): void {
  const { random } = corpus;
  const source = MEMORY_MAP.SEGMENT + 0x100;
  for (const row of ROWS) {
    for (const bits of SIZES) {
      for (const down of [false, true]) {
        const count = Math.floor(0xfe0 / (bits / 8));
        const last = down ? 0x1000 - bits / 8 : 0;
        const element = random.value(bits);
        const regs = corpus.regs();
        setReg(regs, EAX, bits, element);
        regs[ECX] = count;
        regs[ESI] = source + last;
        regs[EDI] = MEMORY_MAP.SCRATCH + 0x800 + last;
        const bytes = random.bytes(0x1000);
        let target = bytes.slice();
        if (row.name === 'scas') target = Uint8Array.from(bytes, (_, i) => (element >>> ((i % (bits / 8)) * 8)) & 0xff);
        if (row.name === 'cmps' || row.name === 'scas') target[down ? 5 : 0xff0]! ^= 0x40;
        corpus.add(`rep ${row.name}${bits}: long${down ? ' down' : ''}`, [0xf3, ...sized(bits, [row.opcode])], {
          regs,
          eflags: flagsWithDirection(corpus.flags(), down),
          memory: [
            { at: source, bytes },
            { at: MEMORY_MAP.SCRATCH + 0x800, bytes: target },
          ],
        });
      }
    }
  }
}

/** 16-bit addresses: CX counts, SI and DI wrap at 64 KiB, the upper halves stay. DS and ES are based. */
function add16BitAddresses(corpus: Corpus): void {
  const { random } = corpus;
  const segments = { ds: 'based', es: 'based' } as const;
  for (const row of ROWS) {
    for (const bits of SIZES) {
      const step = bits / 8;
      for (const [repeat, prefix] of REPEATS) {
        for (const down of [false, true]) {
          for (const wrap of [false, true]) {
            const count = wrap ? 12 : random.below(20);
            const element = random.value(bits);
            const regs = corpus.regs();
            setReg(regs, EAX, bits, element);
            setReg(regs, ECX, 16, count);
            // Six elements before the wrap-around.
            const edge = down ? 6 * step : 0x10000 - 6 * step;
            setReg(regs, ESI, 16, wrap ? edge : 0x3010 + random.below(0x80));
            setReg(regs, EDI, 16, wrap ? edge : 0x4010 + random.below(0x80));
            const base = MEMORY_MAP.SEGMENT;
            const windows = wrap ? [0, 0xff80] : [0x2f80, 0x3f80];
            const memory = windows.map((offset) => {
              const [, bytes] = contents(corpus, row, bits, element);
              return { at: base + offset, bytes };
            });
            if (!wrap && row.name === 'cmps') memory[1]!.bytes.set(memory[0]!.bytes);
            const name = `a16 ${repeat}${row.name}${bits}:${wrap ? ' wrap' : ''}${down ? ' down' : ''}`;
            corpus.add(name, [0x67, ...prefix, ...sized(bits, [row.opcode])], {
              regs,
              eflags: flagsWithDirection(corpus.flags(), down),
              memory,
              segments,
            });
          }
        }
      }
      // CX = 0 with a nonzero ECX does nothing, whatever the addresses.
      const regs = corpus.regs();
      setReg(regs, ECX, 16, 0);
      corpus.add(`a16 rep ${row.name}${bits}: cx 0`, [0xf3, 0x67, ...sized(bits, [row.opcode])], { regs });
    }
  }
}

/** Segment overrides apply to the source only; ES is always the destination's. */
function addSegments(corpus: Corpus): void {
  const { random } = corpus;
  const offset = 0x5550;
  const flat = MEMORY_MAP.DATA;
  const memory = () => [
    { at: flat, bytes: random.bytes(64) },
    { at: MEMORY_MAP.SEGMENT + offset, bytes: random.bytes(64) },
  ];
  const run = (name: string, code: number[], options: CaseOptions) =>
    corpus.add(`segments ${name}:`, code, { memory: memory(), ...options });
  for (const row of ROWS) {
    for (const bits of SIZES) {
      const code = [0xf3, ...sized(bits, [row.opcode])];
      const regs = { ecx: 5, esi: offset, edi: flat };
      if (row.source) {
        run(`fs ${row.name}${bits}`, [0x64, ...code], { regs, segments: { fs: 'based' } });
        run(`ds based ${row.name}${bits}`, code, { regs, segments: { ds: 'based' } });
        const stack = { ...regs, esi: flat + 16 };
        run(`ss ${row.name}${bits}`, [0x36, ...code], { regs: stack, segments: { ds: 'based' } });
      }
      if (row.destination) {
        const based = { ecx: 5, esi: flat, edi: offset };
        run(`es based ${row.name}${bits}`, code, { regs: based, segments: { es: 'based' } });
        // An override has no effect on ES:EDI.
        if (!row.source) run(`fs no effect ${row.name}${bits}`, [0x64, ...code], { regs, segments: { fs: 'based' } });
      }
    }
  }
}

/** Runs that hit an unmapped or read-only page in the middle: the registers show how far they came. */
function addFaults(corpus: Corpus): void {
  const { random } = corpus;
  const end = MEMORY_MAP.SCRATCH_END;
  const start = MEMORY_MAP.SCRATCH;
  for (const row of ROWS) {
    for (const bits of SIZES) {
      const step = bits / 8;
      for (const down of [false, true]) {
        // The element that faults straddles the border when `skew` is not 0.
        for (const skew of bits === 8 ? [0] : [0, 1, step - 1]) {
          const run = (name: string, esi: number, edi: number) => {
            const element = random.value(bits);
            const regs = corpus.regs();
            setReg(regs, EAX, bits, element);
            regs[ECX] = 11;
            regs[ESI] = esi;
            regs[EDI] = edi;
            const size = 48;
            const at = down ? start : end - size;
            const bytes = random.bytes(size);
            if (row.name === 'scas') {
              for (let i = 0; i < size; i++) bytes[i] = (element >>> (((i + skew) % step) * 8)) & 0xff;
            }
            const other = { at: MEMORY_MAP.SEGMENT + 0x100, bytes: random.bytes(96) };
            if (row.name === 'cmps') {
              // Equal all the way, so that the run gets to the border.
              other.bytes.fill(0x77);
              bytes.fill(0x77);
            }
            corpus.add(
              `rep ${row.name}${bits}: fault ${name}${down ? ' down' : ''}`,
              [0xf3, ...sized(bits, [row.opcode])],
              {
                regs,
                eflags: flagsWithDirection(corpus.flags(), down),
                memory: [{ at, bytes }, other],
                faults: true,
              },
            );
          };
          const middle = MEMORY_MAP.SEGMENT + 0x130;
          const border = down ? start + 4 * step + skew : end - 5 * step - skew;
          if (row.source) run('source', border, middle);
          if (row.destination) run('destination', middle, border);
          if (row.source && row.destination) run('both', border, border);
        }
      }
    }
  }
  // Into a read-only page, and out of it backwards.
  for (const bits of SIZES) {
    const step = bits / 8;
    for (const row of ROWS.filter(({ destination }) => destination)) {
      const at = MEMORY_MAP.READ_ONLY - 32;
      corpus.add(`rep ${row.name}${bits}: read-only`, [0xf3, ...sized(bits, [row.opcode])], {
        regs: { ecx: 9, esi: at, edi: MEMORY_MAP.READ_ONLY - 4 * step, eax: 0 },
        memory: [{ at, bytes: new Uint8Array(32) }],
        faults: true,
      });
      corpus.add(`rep ${row.name}${bits}: read-only down`, [0xf3, ...sized(bits, [row.opcode])], {
        regs: { ecx: 9, esi: at + 16, edi: MEMORY_MAP.READ_ONLY_END + 4 * step, eax: 0 },
        eflags: 2 | DF,
        memory: [{ at: MEMORY_MAP.READ_ONLY_END, bytes: new Uint8Array(32) }],
        faults: true,
      });
    }
  }
}

export function stringCases(): InsnCase[] {
  const corpus = new Corpus('string', 0x5714);
  addPlain(corpus);
  addOverlap(corpus);
  addLong(corpus);
  add16BitAddresses(corpus);
  addSegments(corpus);
  addFaults(corpus);
  return corpus.cases;
}
