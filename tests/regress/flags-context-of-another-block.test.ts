// A block translated with its predecessor's flags known (as regions do) compared with the second operand of some other
// block's CMP: the translator's record of it outlived the block. qsort of 600,000 numbers came out unsorted.
import { expect, test } from 'bun:test';
import { I386 } from '../../targets/x86/i386.ts';
import { MODEL_SHIFT } from '../../targets/x86/mode.ts';
import { modelIndex, X86_MODELS } from '../../targets/x86/models.ts';
import { CC_SRC } from '../../targets/x86/state.ts';
import { Block } from '../../tcg/ir/block.ts';
import { Builder } from '../../tcg/ir/builder.ts';

/** The mode word of a process on the default CPU model. */
const FLAGS = modelIndex(X86_MODELS[0]!) << MODEL_SHIFT;

function translate(code: number[], context: number): Block {
  const bytes = new Uint8Array(0x2000);
  bytes.set(code, 0x1000);
  const block = new Block(0x1000, I386.layout.globals);
  I386.translate({
    builder: new Builder(block),
    code: { bytes, canFetch: () => true, isMapped: () => true },
    pc: 0x1000,
    flags: FLAGS,
    context,
    maxInsns: 8,
    stopAt: -1,
  });
  return block;
}

test('an inherited comparison reads its operand from CPU state', () => {
  // cmp $0x12345678, %eax; jb: its constant must not be seen by the next block
  translate([0x3d, 0x78, 0x56, 0x34, 0x12, 0x72, 0x00], -1);
  const SUB32 = 12 | 2;
  // jb, with the flags of a 32-bit SUB
  const branch = translate([0x72, 0x10], SUB32).ops.find((op) => op.row.name === 'brcond_i32');
  expect(branch?.b).toBe(CC_SRC);
});
