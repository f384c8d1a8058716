// The guests: one line each. Only commands, tools and tests import this.
import { ARM, ARMEB } from './arm/arm.ts';
import type { Guest } from './target.ts';
import { I386 } from './x86/i386.ts';

/** Guests by the name used in commands (`wemu-i386`). */
export const GUESTS: Readonly<Record<string, Guest>> = {
  i386: I386,
  arm: ARM,
  armeb: ARMEB,
};
