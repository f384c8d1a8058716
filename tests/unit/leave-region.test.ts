// Regions that are left where arithmetic needs a helper (`leave_if`), also where that is their own entry: nothing is done twice.

import { expect } from 'bun:test';
import { type InsnCase, MEMORY_MAP } from '../oracle/insn-case.ts';
import { isDeath, nativeUnavailable, runOracle, wemuCommand } from '../oracle/runner.ts';
import { caseOf } from '../regress/wemu-case.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { type Need, testWith } from '../setup/needs.ts';

const unavailable = nativeUnavailable();
const native: Need = { met: unavailable === undefined, reason: unavailable ?? '' };

/** More rounds than make a block hot, in the loop and in what is left for. */
const ROUNDS = 200_000;

// pxor %xmm0, %xmm0; mov $1, %eax; movd %eax, %xmm1 (the least denormal); mov $ROUNDS, %ecx
const START = [0x66, 0x0f, 0xef, 0xc0, 0xb8, 1, 0, 0, 0, 0x66, 0x0f, 0x6e, 0xc8, 0xb9];
const ADDSD = [0xf2, 0x0f, 0x58, 0xc1];
const DEC_ECX = [0x49];
// movd %xmm0, %edx; stmxcsr -8(%esp); mov -8(%esp), %ebx
const END = [0x66, 0x0f, 0x7e, 0xc2, 0x0f, 0xae, 0x5c, 0x24, 0xf8, 0x8b, 0x5c, 0x24, 0xf8];

/** Counts by adding denormals, each of which needs the helper. */
function loop(name: string, body: number[]): InsnCase {
  const rounds = [...new Uint8Array(Uint32Array.of(ROUNDS).buffer)];
  const code = [...START, ...rounds, ...body, 0x75, 0x100 - body.length - 2, ...END];
  return caseOf(code, { name, memory: [{ at: MEMORY_MAP.STACK - 16, bytes: new Uint8Array(16) }], faults: false });
}

testWith(
  [native],
  'a loop of which every round leaves its region counts as natively',
  () => {
    const cases = [
      loop('the region begins with the arithmetic', [...ADDSD, ...DEC_ECX]),
      loop('the region begins in front of it', [...DEC_ECX, ...ADDSD]),
      loop('the region is left twice in a round', [...ADDSD, ...DEC_ECX, ...ADDSD]),
    ];
    const wemu = wemuCommand([]);
    if ('missing' in wemu) throw new Error(wemu.missing);
    const expected = runOracle(cases, []);
    const actual = runOracle(cases, wemu.command);
    for (const [n, { name }] of cases.entries()) {
      const [ours, host] = [actual[n]!, expected[n]!];
      if (isDeath(ours) || isDeath(host)) throw new Error(`${name} did not end`);
      expect({ name, regs: ours.regs, memory: ours.memory }).toEqual({ name, regs: host.regs, memory: host.memory });
      expect(ours.regs[2]).toBe(n === 2 ? 2 * ROUNDS : ROUNDS);
    }
  },
  TEST_LIMIT,
);
