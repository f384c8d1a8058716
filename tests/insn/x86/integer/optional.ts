// Integer instructions beyond the i686: POPCNT, LZCNT, TZCNT, MOVBE, CRC32, ADX, each corpus only where the host has it.

import { readFileSync } from 'node:fs';
import type { X86Feature } from '../../../../targets/x86/insns.ts';
import { AF, type InsnCase, OF, PF, SF } from '../../../oracle/insn-case.ts';
import { corners } from '../../../oracle/random.ts';
import { Corpus, SIZES, WIDE } from './corpus.ts';

/** An instruction-set extension: its name in /proc/cpuinfo, wemu's name for it, and its cases. */
export interface Extension {
  name: string;
  cpuinfo: string;
  feature: X86Feature;
  cases: () => InsnCase[];
}

function countCases(name: string, opcode: number, flagMask: number): InsnCase[] {
  const corpus = new Corpus(name, opcode);
  const { random } = corpus;
  for (const bits of WIDE) {
    const values = [0, ...corners(bits), ...Array.from({ length: bits }, (_, i) => 2 ** i)];
    for (let i = 0; i < 16; i++) values.push(random.u32() >>> random.below(32));
    for (const value of values) {
      const rm = random.below(4) === 0 ? 'memory' : corpus.freeReg();
      const operands = { reg: corpus.freeReg(), regValue: random.u32(), rm, rmValue: value } as const;
      const prefix = bits === 16 ? [0x66, 0xf3] : [0xf3];
      corpus.addBinary(`${name}${bits}:`, [...prefix, 0x0f, opcode], bits, operands, { flagMask });
    }
  }
  return corpus.cases;
}

function movbeCases(): InsnCase[] {
  const corpus = new Corpus('movbe', 0x3be);
  for (const bits of WIDE) {
    for (let i = 0; i < 12; i++) {
      const operands = {
        reg: corpus.freeReg(),
        regValue: corpus.random.u32(),
        rm: 'memory',
        rmValue: corpus.random.u32(),
      } as const;
      const prefix = bits === 16 ? [0x66] : [];
      corpus.addBinary(`movbe${bits} r,m:`, [...prefix, 0x0f, 0x38, 0xf0], bits, operands);
      corpus.addBinary(`movbe${bits} m,r:`, [...prefix, 0x0f, 0x38, 0xf1], bits, operands);
    }
  }
  return corpus.cases;
}

function crc32Cases(): InsnCase[] {
  const corpus = new Corpus('crc32', 0xc3c);
  for (const bits of SIZES) {
    for (let i = 0; i < 16; i++) {
      const rm = i % 4 === 3 ? 'memory' : corpus.anyReg(bits);
      const operands = {
        reg: corpus.freeReg(),
        regValue: corpus.random.u32(),
        rm,
        rmValue: corpus.random.value(bits),
      } as const;
      const prefix = bits === 16 ? [0x66, 0xf2] : [0xf2];
      const opcode = bits === 8 ? 0xf0 : 0xf1;
      corpus.addBinary(`crc32 r,rm${bits}:`, [...prefix, 0x0f, 0x38, opcode], 32, operands, { rmBits: bits });
    }
  }
  return corpus.cases;
}

function adxCases(): InsnCase[] {
  const corpus = new Corpus('adx', 0xad);
  for (const [name, prefix] of [
    ['adcx', 0x66],
    ['adox', 0xf3],
  ] as const) {
    for (let i = 0; i < 24; i++) {
      const { random } = corpus;
      const rm = i % 4 === 3 ? 'memory' : corpus.freeReg();
      const operands = { reg: corpus.freeReg(), regValue: random.value(32), rm, rmValue: random.value(32) } as const;
      corpus.addBinary(`${name}:`, [prefix, 0x0f, 0x38, 0xf6], 32, operands);
    }
  }
  return corpus.cases;
}

export const EXTENSIONS: Extension[] = [
  { name: 'popcnt', cpuinfo: 'popcnt', feature: 'POPCNT', cases: () => countCases('popcnt', 0xb8, 0) },
  { name: 'lzcnt', cpuinfo: 'abm', feature: 'LZCNT', cases: () => countCases('lzcnt', 0xbd, OF | SF | PF | AF) },
  { name: 'tzcnt', cpuinfo: 'bmi1', feature: 'BMI1', cases: () => countCases('tzcnt', 0xbc, OF | SF | PF | AF) },
  { name: 'movbe', cpuinfo: 'movbe', feature: 'MOVBE', cases: movbeCases },
  { name: 'crc32', cpuinfo: 'sse4_2', feature: 'SSE4.2', cases: crc32Cases },
  { name: 'adx', cpuinfo: 'adx', feature: 'ADX', cases: adxCases },
];

/** The flags line of /proc/cpuinfo. */
export function hostFeatures(): Set<string> {
  const line = readFileSync('/proc/cpuinfo', 'utf8').match(/^flags\s*: (.*)$/m);
  return new Set(line ? line[1]!.split(' ') : []);
}

/** Cases of every extension that the host has and, where its features are given, wemu's CPU model. */
export function optionalCases(model?: ReadonlySet<string>): InsnCase[] {
  const features = hostFeatures();
  return EXTENSIONS.filter(({ cpuinfo, feature }) => features.has(cpuinfo) && (model?.has(feature) ?? true)).flatMap(
    ({ cases }) => cases(),
  );
}
