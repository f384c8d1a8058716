// A block with a branch early and a straight run of more than 400 ops behind it: pending values used to be looked for in
// runs that had not been emitted, and lowering failed with "mov_i32 is no expression" (first seen in sha256's main loop).
import { expect, test } from 'bun:test';
import { Block } from '../../tcg/ir/block.ts';
import { Builder } from '../../tcg/ir/builder.ts';
import { Cond } from '../../tcg/ir/types.ts';
import { Global } from '../../tcg/ir/value.ts';
import { optimize } from '../../tcg/opt/pipeline.ts';
import { compileGroup } from '../../tcg/wasm/group.ts';

const GLOBALS = ['a', 'b', 'c', 'd'].map((name, n) => new Global('i32', n, name, 32 + 4 * n));

test('runs emitted out of order keep their pending values apart', () => {
  const block = new Block(0x1000, GLOBALS);
  const b = new Builder(block);
  const [a, c, d] = [GLOBALS[0]!, GLOBALS[2]!, GLOBALS[3]!];
  const far = b.label();
  const loop = b.label();
  b.insnStart(0x1000);
  b.place(loop);
  b.brcond(Cond.EQ, a, 0, far);
  for (let n = 0; n < 300; n++) {
    b.insnStart(0x1004 + n);
    b.set(c, b.rotl(b.xor(c, d), 5));
    b.set(d, b.add(d, b.load(c, 2)));
  }
  b.set(a, b.sub(a, 1));
  b.poll(0x1000);
  b.br(loop);
  b.place(far);
  for (let n = 0; n < 300; n++) {
    b.insnStart(0x2004 + n);
    b.set(d, b.rotl(b.xor(d, c), 7));
    b.set(c, b.add(c, b.load(d, 2)));
  }
  b.gotoTb(0x3000);
  optimize(block, {});
  const layout = { pc: 0, poll: 4, jumpCache: 0x4000, jumpCacheBits: 12 };
  const { bytes } = compileGroup([{ block, slot: 0 }], { layout, chain: true, slotOf: () => 1 });
  expect(WebAssembly.validate(bytes)).toBe(true);
});
