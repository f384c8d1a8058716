/** Random words of every row of ARMv8.1 to v8.6, and their text as objdump has it. */

import { expect } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { disassemble } from '../../targets/arm/disasm.ts';
import { DECODERS, decodeArm, Insn } from '../../targets/arm/insns.ts';
import type { Feature } from '../../targets/arm/models.ts';
import { Random } from '../oracle/random.ts';
import { testWith } from '../setup/needs.ts';

const LATER: readonly Feature[] = ['rdm', 'dotprod', 'fcma', 'jscvt', 'fp16', 'fhm', 'bf16', 'i8mm'];
const PER_ROW = 40;

/** What objdump shows of each word, without comments. */
function objdump(words: readonly number[]): string[] {
  const dir = mkdtempSync(join(tmpdir(), 'wemu-objdump-'));
  try {
    const file = join(dir, 'words');
    const view = new DataView(new ArrayBuffer(4 * words.length));
    words.forEach((word, k) => {
      view.setUint32(4 * k, word, true);
    });
    writeFileSync(file, view);
    const { stdout } = Bun.spawnSync([
      'arm-linux-gnueabihf-objdump',
      '-D',
      '-z',
      '-w',
      '-b',
      'binary',
      '-m',
      'arm',
      file,
    ]);
    const lines = stdout.toString().split('\n');
    return lines
      .filter((line) => /^ *[0-9a-f]+:\t/.test(line))
      .map((line) =>
        line
          .split('\t')
          .slice(2)
          .join(' ')
          .replace(/\s*[@;].*/, ''),
      );
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Core registers by number, numbers in decimal. */
function normal(text: string): string {
  return text
    .replace(/\b(sl|fp|ip)\b/g, (name) => `r${10 + ['sl', 'fp', 'ip'].indexOf(name)}`)
    .replace(/#(-?)0x([0-9a-f]+)/g, (_, sign, digits) => `#${sign}${Number.parseInt(digits, 16)}`)
    .replace(/#0\.0$/, '#0');
}

testWith(['gcc-armhf'], 'texts of later instructions', () => {
  const random = new Random(11);
  const insn = new Insn();
  const words: number[] = [];
  for (const decoder of [DECODERS.VFP, DECODERS.VFP_UNCONDITIONAL, DECODERS.NEON]) {
    for (const row of decoder.rows()) {
      if (!(LATER as readonly string[]).includes(row.feature)) continue;
      for (let k = 0; k < PER_ROW; k++) {
        let word = (random.u32() & ~row.mask) | row.value;
        if (row.pattern.startsWith('cccc')) word = (word & 0x0fffffff) | 0xe0000000;
        decodeArm(insn, word >>> 0);
        if (insn.encoding === row) words.push(word >>> 0);
      }
    }
  }
  const theirs = objdump(words);
  expect(theirs.length).toBe(words.length);
  const wrong: string[] = [];
  let same = 0;
  words.forEach((word, k) => {
    decodeArm(insn, word);
    const other = theirs[k]!;
    // Operands with which an instruction is undefined: nothing, or something as it is. Immediates of eight bits stand as such.
    if (other === '' || other.includes('<illegal') || insn.encoding!.name === 'VMOV_himm') return;
    const text = disassemble(insn, 4 * k);
    if (normal(text) === normal(other)) same++;
    else wrong.push(`${word.toString(16)} ${insn.encoding!.name}: '${text}', objdump '${other}'`);
  });
  expect(wrong.slice(0, 10)).toEqual([]);
  expect(same).toBeGreaterThan(1000);
});
