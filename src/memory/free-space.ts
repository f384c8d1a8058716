/** Finds free page ranges in the page table. */

import { PAGE_GROWSDOWN, PAGE_MAPPED } from './page-flags.ts';

/** Pages the kernel keeps free below a mapping that grows downwards (stack_guard_gap). */
export const STACK_GUARD_PAGES = 256;

/** PAGE_MAPPED in each byte of a word of four pages. */
const FOUR_MAPPED = PAGE_MAPPED * 0x01010101;

/** Whether pages first..first+count-1 are all unmapped. */
export function isFree(pages: Uint8Array, first: number, count: number): boolean {
  for (let page = first; page < first + count; page++) if (pages[page] !== 0) return false;
  return true;
}

/**
 * The highest start of `count` free pages inside low..high-1, or -1. `words` is the same table as 32-bit words.
 * `firstFree` of the result is the end of the first free run met, for the caller to start from next time.
 */
export function findFreeTopDown(
  pages: Uint8Array,
  words: Int32Array,
  low: number,
  high: number,
  count: number,
): { start: number; firstFree: number } {
  let page = high;
  // Pages page..end-1 are free.
  let end = high;
  let firstFree = -1;
  while (page > low) {
    if ((page & 3) === 0 && page - 4 >= low) {
      const four = words[(page >>> 2) - 1]!;
      if (four === 0) {
        if (firstFree < 0) firstFree = page;
        page -= 4;
        if (end - page >= count) return { start: end - count, firstFree };
        continue;
      }
      if ((four & FOUR_MAPPED) === FOUR_MAPPED) {
        page -= 4;
        end = pages[page]! & PAGE_GROWSDOWN ? page - STACK_GUARD_PAGES : page;
        continue;
      }
    }
    page--;
    if (pages[page] === 0) {
      if (firstFree < 0) firstFree = page + 1;
      if (end - page >= count) return { start: end - count, firstFree };
    } else {
      end = pages[page]! & PAGE_GROWSDOWN ? page - STACK_GUARD_PAGES : page;
    }
  }
  return { start: -1, firstFree: firstFree < 0 ? low : firstFree };
}

/** The lowest start of `count` free pages inside low..high-1, or -1. */
export function findFreeBottomUp(pages: Uint8Array, low: number, high: number, count: number): number {
  let start = low;
  for (let page = low; page < high; page++) {
    if (pages[page] !== 0) {
      start = page + 1;
    } else if (page + 1 - start >= count) {
      // A mapping that grows downwards above needs its gap.
      const guard = Math.min(high, page + 1 + STACK_GUARD_PAGES);
      let above = page + 1;
      while (above < guard && pages[above] === 0) above++;
      if (above >= guard || !(pages[above]! & PAGE_GROWSDOWN)) return start;
      start = page = above;
    }
  }
  return -1;
}
