/**
 * Fuzzing of all CPU models found what only `max` had been asked: QC of FPSCR could be set without Advanced SIMD, Q of the CPSR
 * without ARMv5TE; the Cortex-R5F had half precision; PLDW in T32 was undefined without the multiprocessing extensions, where
 * it is a hint that does nothing. And numbers of private system calls beyond the ones kept free for new calls failed with
 * ENOSYS, where the kernel sends SIGILL (arch/arm/kernel/traps.c, arm_syscall).
 */

import { expect } from 'bun:test';
import { randomMemory } from '../fuzz/arm-cases.ts';
import { compareCases } from '../fuzz/arm-compare.ts';
import { type ArmCase, BUFFER } from '../fuzz/arm-program.ts';
import { Random } from '../oracle/random.ts';
import { testWith } from '../setup/needs.ts';

const VMRS_R2 = 0xeef12a10;
const MRS_R2 = 0xe10f2000;
const VCVTB_F16_F32 = 0xeeb30a40;
const PLDW_R1_R2 = [0xf831, 0xf002];
const SVC = 0xef000000;
const SVC_T = 0xdf00;

function running(code: readonly number[], how: Partial<ArmCase> & { r7?: number } = {}): ArmCase {
  const regs = [1, BUFFER, 4, 0, 0, 0, 0, how.r7 ?? 0, 0, 0, 0, 0, 0, 0, 0];
  return { code, thumb: false, regs, flags: 0, ...how };
}

const CASES: readonly (readonly [text: string, cpus: readonly string[], cases: readonly ArmCase[]])[] = [
  ['QC of FPSCR', ['arm926', 'cortex-r5f', 'cortex-a8'], [running([VMRS_R2], { fpscr: 0x08000000 })]],
  ['Q of the CPSR', ['sa1100', 'ti925t', 'arm946'], [running([MRS_R2], { flags: 0x08000000 })]],
  ['half precision', ['cortex-r5f', 'cortex-a8', 'cortex-a9'], [running([VCVTB_F16_F32])]],
  ['PLDW', ['cortex-a8', 'cortex-a9'], [running(PLDW_R1_R2, { thumb: true })]],
  [
    'private system calls',
    ['max', 'arm926'],
    [0xf0001, 0xf0007, 0xf07ff, 0xf0800, 0xfffff, 0x100000, 0x80000000, 0xffffffff].flatMap((r7) => [
      running([SVC], { r7 }),
      running([SVC_T], { r7, thumb: true }),
    ]),
  ],
];

for (const [text, cpus, cases] of CASES) {
  testWith(['qemu-user'], `${text} on ${cpus.join(', ')}`, () => {
    const memory = randomMemory(new Random(5));
    for (const cpu of cpus) expect(compareCases(cases, memory, { cpu })).toEqual([]);
  });
}
