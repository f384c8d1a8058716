// A hostile length let mremap shrink or move a mapping together with everything behind it, the CPU state of the emulator
// included, which then died. Found by tests/unit/syscalls/fuzz.test.ts with 300,000 calls.

import { expect, test } from 'bun:test';
import { Harness } from '../unit/syscalls/harness.ts';

const EINVAL = -22;

test('mremap of more than the guest has leaves the emulator alone', () => {
  const h = new Harness();
  h.memory.write32(h.process.env, 0x1234567);
  expect(h.call('mremap', 0x10000, -0x10001, 0x2000000, 0)).toBe(EINVAL);
  expect(h.call('mremap', 0x10000, -0x10001, 0x1000, 1)).toBe(EINVAL);
  expect(h.call('mremap', 0x10000, -0x20000, 0x1000, 3, 0x20000000)).toBe(EINVAL);
  expect(h.call('mremap', 0x10000, 0xfdff8000 | 0, 0xfdff8000 | 0, 3, 0x1000)).toBe(EINVAL);
  expect(h.memory.read32(h.process.env)).toBe(0x1234567);
  expect(h.memory.isMapped(0x10000)).toBe(true);
});
