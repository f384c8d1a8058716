// A load whose result is dead is emitted for its fault alone; in runs of more than 400 ops it was emitted a second time and
// lowering failed with "value of op 40 is used more often than counted" (redis-server and `openssl speed` stopped there).
import { expect, test } from 'bun:test';
import { Block } from '../../tcg/ir/block.ts';
import { Builder } from '../../tcg/ir/builder.ts';
import { Global } from '../../tcg/ir/value.ts';
import { optimize } from '../../tcg/opt/pipeline.ts';
import { compileGroup } from '../../tcg/wasm/group.ts';

const GLOBALS = ['a', 'b', 'c'].map((name, n) => new Global('i32', n, name, 32 + 4 * n));

test('a load done for its fault is done once', () => {
  const block = new Block(0x1000, GLOBALS);
  const b = new Builder(block);
  const [a, c, d] = [GLOBALS[0]!, GLOBALS[1]!, GLOBALS[2]!];
  for (let n = 0; n < 300; n++) {
    b.insnStart(0x1000 + n);
    b.load(b.add(a, 4 * n), 2);
    b.emit('atomic_add_i32', b.add(c, 64), d, null, 2);
    b.set(c, b.add(b.xor(c, d), b.load(b.add(d, n), 2)));
  }
  b.gotoTb(0x3000);
  optimize(block, {});
  const layout = { pc: 0, poll: 4, jumpCache: 0x4000, jumpCacheBits: 12 };
  const { bytes } = compileGroup([{ block, slot: 0 }], { layout, chain: true, slotOf: () => 1 });
  expect(WebAssembly.validate(bytes)).toBe(true);
});
