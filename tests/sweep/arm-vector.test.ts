/** Random words of ARM's floating-point and Advanced SIMD spaces: what is an instruction, and its mnemonic, as capstone has it. */

import { expect, test } from 'bun:test';
import { ARM } from '../../targets/arm/arm.ts';
import { disassemble } from '../../targets/arm/disasm.ts';
import { decodeArm, Insn } from '../../targets/arm/insns.ts';
import { ARM_OFFSETS } from '../../targets/arm/state.ts';
import { Block } from '../../tcg/ir/block.ts';
import { Builder } from '../../tcg/ir/builder.ts';
import { Random } from '../oracle/random.ts';
import { CapstoneA32 } from './arm-capstone.ts';

/** Words of each space. */
const WORDS = Number(process.env.WEMU_FUZZ_RUNS ?? 8000);

/** Fixed bits and free ones. */
const SPACES: readonly (readonly [base: number, free: number])[] = [
  [0xf2000000, 0x01ffffff],
  [0xf4000000, 0x00efffff],
  [0xee000a00, 0x00fff1ff],
  [0xec000a00, 0x01fff1ff],
  [0xfe000a00, 0x00fff1ff],
];

const ADDRESS = 0x1000;
const bytes = new Uint8Array(2 * ADDRESS);
const code = { bytes, canFetch: () => true, isMapped: () => true };

/** Whether the translator finds operands with which the instruction is undefined. */
function isUndefined(word: number): boolean {
  new DataView(bytes.buffer).setUint32(ADDRESS, word, true);
  const block = new Block(ADDRESS, ARM.layout.globals);
  // Flags of the first model, which has everything.
  ARM.translate({ builder: new Builder(block), code, pc: ADDRESS, flags: 0, context: -1, maxInsns: 1, stopAt: -1 });
  const op = block.ops[1];
  return op?.row.name === 'env_st_i32' && op.imm === ARM_OFFSETS.exception;
}

/** Instructions that capstone knows and no model here has: half precision, ARMv8-M; and registers of privilege. */
const NOT_HERE = /^vlstm|^vlldm|\.f16(\.|$)|^vmsr$|^vmrs$/;

/** What the manual calls UNPREDICTABLE, where capstone shows something and the translator has chosen undefined. */
function isUnpredictable(insn: Insn): boolean {
  const { name } = insn.encoding!;
  // More than 16 registers, or behind the last one, or none.
  if (/^V(LD|ST)M_/.test(name)) return true;
  // The PC as base of structures, and registers behind D31.
  if (/^V(LD|ST)\d_/.test(name)) {
    const elements = Number(name[3]);
    return insn.n === 15 || ((insn.D << 4) | insn.d) + 2 * Math.max(elements, insn.r) > 30;
  }
  // The PC as an operand.
  if (/^(VMOV_to|VMOV_from|VDUP_core)/.test(name))
    return insn.t === 15 || insn.u === 15 || (insn.m === 15 && insn.M === 1);
  if (/^VTB/.test(name)) return true;
  return /^VCVT_(from|to)Fixed$/.test(name) && (insn.i << 1) + insn.j > (insn.q ? 32 : 16);
}

test('floating point and Advanced SIMD', async () => {
  await CapstoneA32.load();
  const capstone = new CapstoneA32();
  const random = new Random(1);
  const insn = new Insn();
  const wrong: string[] = [];
  let known = 0;
  for (const [base, free] of SPACES) {
    for (let n = 0; n < WORDS; n++) {
      const word = (base | (random.u32() & free)) >>> 0;
      decodeArm(insn, word);
      const text = insn.encoding && !isUndefined(word) ? disassemble(insn, ADDRESS) : '';
      const theirs = capstone.text(word);
      const [mine, other] = [text.split(' ')[0]!, theirs.split(' ')[0]!];
      if (mine) known++;
      if (mine === other) continue;
      // One register twice is VMOV (ARM ARM, VORR (register)); capstone says so of Q registers only.
      if (mine === 'vmov' && other === 'vorr' && insn.encoding!.name === 'VORR_reg') continue;
      // Capstone shows the largest element that fits.
      if (mine.startsWith('vext.') && other.startsWith('vext.')) continue;
      if (!mine && (NOT_HERE.test(other) || (insn.encoding && isUnpredictable(insn)))) continue;
      // Of the old forms it allows the lower 16 registers only.
      if (!other && /^f(ld|st)m/.test(mine)) continue;
      wrong.push(`${word.toString(16)} ${insn.encoding?.name}: '${text}', capstone '${theirs}'`);
    }
  }
  expect(wrong.slice(0, 10)).toEqual([]);
  expect(known).toBeGreaterThan(WORDS);
});
