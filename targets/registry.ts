// The guests: one line each, loaded when asked for, because a command needs only one. Only commands, tools and tests import this.
import type { Guest } from './target.ts';

const arm = () => require('./arm/arm.ts') as typeof import('./arm/arm.ts');
const x86 = () => require('./x86/i386.ts') as typeof import('./x86/i386.ts');

/** Guests by the name used in commands (`wemu-i386`). */
// biome-ignore format: a table, one row per guest
export const GUESTS: Readonly<Record<string, Guest>> = {
  get i386() { return x86().I386; },
  get arm() { return arm().ARM; },
  get armeb() { return arm().ARMEB; },
};
