// Every guest ABI by the guest's name, loaded when asked for.

import type { Abi } from './interface.ts';

const arm = () => require('./arm.ts') as typeof import('./arm.ts');
const i386 = () => require('./i386.ts') as typeof import('./i386.ts');

// biome-ignore format: a table, one row per ABI
export const ABIS: Readonly<Record<string, Abi>> = {
  get i386() { return i386().I386_ABI; },
  get arm() { return arm().ARM_ABI; },
  get armeb() { return arm().ARMEB_ABI; },
};
