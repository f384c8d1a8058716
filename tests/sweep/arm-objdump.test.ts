/** Random words of rows against objdump: the text of ARMv8.1 to v8.6, and of all rows what it calls UNPREDICTABLE. */

import { expect } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { disassemble } from '../../targets/arm/disasm.ts';
import { DECODERS, decodeArm, decodeThumb, Insn } from '../../targets/arm/insns.ts';
import type { Feature } from '../../targets/arm/models.ts';
import { unpredictableRules } from '../../targets/arm/unpredictable.ts';
import { Random } from '../oracle/random.ts';
import { testWith } from '../setup/needs.ts';

const LATER: readonly Feature[] = ['rdm', 'dotprod', 'fcma', 'jscvt', 'fp16', 'fhm', 'bf16', 'i8mm'];
const PER_ROW = 40;

/** Lines of objdump by address; T32 words have their first halfword above the second. */
function lines(words: readonly number[], width: 16 | 32, thumb: boolean): Map<number, string> {
  const dir = mkdtempSync(join(tmpdir(), 'wemu-objdump-'));
  try {
    const file = join(dir, 'words');
    const view = new DataView(new ArrayBuffer((width / 8) * words.length));
    words.forEach((word, k) => {
      if (width === 16) view.setUint16(2 * k, word, true);
      else view.setUint32(4 * k, thumb ? (word << 16) | (word >>> 16) : word, true);
    });
    writeFileSync(file, view);
    const options = ['-D', '-z', '-w', '-b', 'binary', '-m', 'arm', ...(thumb ? ['-M', 'force-thumb'] : [])];
    const { stdout } = Bun.spawnSync(['arm-linux-gnueabihf-objdump', ...options, file]);
    const found = stdout.toString().matchAll(/^ *([0-9a-f]+):\t(.*)$/gm);
    return new Map([...found].map(([, address, line]) => [Number.parseInt(address!, 16), line!]));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** What objdump shows of each word of A32, without comments. */
function texts(words: readonly number[]): string[] {
  const all = lines(words, 32, false);
  return words.map((_, k) =>
    (all.get(4 * k) ?? '')
      .split('\t')
      .slice(1)
      .join(' ')
      .replace(/\s*[@;].*/, ''),
  );
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
  const theirs = texts(words);
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

/** What objdump calls UNPREDICTABLE and the manual (DDI 0406C) does not. */
const NOT_SO: Readonly<Record<string, string>> = {
  MOV_reg: 'a shift into the PC is a jump ("if d == 15 then ALUWritePC", LSL, LSR, ASR, ROR (immediate))',
  STRH_reg: 'the offset may be the transferred register ("if t == 15 || m == 15", "if wback && (n == 15 || n == t)")',
  LDRH_reg: 'likewise',
  LDRSB_reg: 'likewise',
  LDRSH_reg: 'likewise',
  STRD_reg: 'likewise',
  BLX_imm: 'the words are instructions of ARMv8.1-M to objdump',
};

testWith(['gcc-armhf'], 'what objdump calls UNPREDICTABLE has a rule', () => {
  const random = new Random(12);
  const insn = new Insn();
  const wrong: string[] = [];
  let marked = 0;
  for (const [set, decoder] of Object.entries(DECODERS)) {
    const thumb = set === 'T16' || set === 'T32';
    const width = set === 'T16' ? 16 : 32;
    const decode = (word: number): void => (thumb ? decodeThumb(insn, word, set === 'T32') : decodeArm(insn, word));
    const words: number[] = [];
    for (const row of decoder.rows()) {
      for (let k = 0; k < PER_ROW; k++) {
        let word = random.u32();
        // PC and SP often.
        for (let at = 0; at < 32; at += 4) {
          if (random.below(3) === 0) word = (word & ~(15 << at)) | (random.pick([0, 13, 15, 15, 1]) << at);
        }
        word = ((word & ~row.mask) | row.value) >>> 0;
        if (row.pattern.startsWith('cccc')) word = ((word & 0x0fffffff) | 0xe0000000) >>> 0;
        if (width === 16) word &= 0xffff;
        decode(word);
        if (insn.encoding === row) words.push(word);
      }
    }
    const theirs = lines(words, width, thumb);
    words.forEach((word, k) => {
      const line = theirs.get((width / 8) * k) ?? '';
      if (!line.includes('UNPREDICTABLE')) return;
      decode(word);
      marked++;
      const { name } = insn.encoding!;
      if (unpredictableRules(insn).length === 0 && !(name in NOT_SO)) wrong.push(`${set} ${name} ${line}`);
    });
  }
  expect(wrong.slice(0, 10)).toEqual([]);
  expect(marked).toBeGreaterThan(500);
});
