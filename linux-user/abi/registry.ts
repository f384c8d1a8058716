// Every guest ABI by the guest's name.

import { ARM_ABI, ARMEB_ABI } from './arm.ts';
import { I386_ABI } from './i386.ts';
import type { Abi } from './interface.ts';

export const ABIS: Readonly<Record<string, Abi>> = {
  i386: I386_ABI,
  arm: ARM_ABI,
  armeb: ARMEB_ABI,
};
