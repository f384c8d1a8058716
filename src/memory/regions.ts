/** Lists the guest's mappings from the host's own list, which knows the files, and the page table, which knows the guest. */

import { readOwnProc } from '../host/own-proc.ts';
import { PAGE_ACCESS, PAGE_MAPPED, PAGE_SHARED, PAGE_SHIFT, PAGE_SIZE } from './page-flags.ts';

/** One mapping of the guest. */
export interface Region {
  readonly start: number;
  /** First address behind it. */
  end: number;
  /** PROT_* bits. */
  readonly prot: number;
  readonly shared: boolean;
  /** File offset of `start` in bytes; 0 without a file. */
  readonly offset: number;
  /** Device as major:minor in hex, and inode; '00:00' and 0 without a file. */
  readonly device: string;
  readonly inode: number;
  /** Path of the file as the host shows it ('(deleted)' included), '[heap]', or ''. */
  readonly path: string;
}

/** The parts of guest memory that the list is made from. */
export interface RegionSource {
  readonly base: number;
  readonly taskSize: number;
  readonly pages: Uint8Array;
  readonly brkStart: number;
  readonly brkEnd: number;
}

const MAPS_LINE = /^([0-9a-f]+)-([0-9a-f]+) .... ([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+)\s*(.*)$/;

/** The host's list. Without /proc one line for all of it: the page table must do. */
function hostMaps({ base, taskSize }: RegionSource): string[] {
  try {
    return readOwnProc('maps').toString('latin1').split('\n');
  } catch {
    return [`${base.toString(16)}-${(base + taskSize).toString(16)} ---p 00000000 00:00 0`];
  }
}

/** Reads /proc/self/maps and cuts it by the page table; the caller adds names such as [stack]. */
export function listRegions(source: RegionSource): Region[] {
  const { base, taskSize, pages } = source;
  const regions: Region[] = [];
  for (const line of hostMaps(source)) {
    const m = MAPS_LINE.exec(line);
    if (!m) continue;
    const hostStart = Number.parseInt(m[1]!, 16) - base;
    const start = Math.max(hostStart, 0);
    const end = Math.min(Number.parseInt(m[2]!, 16) - base, taskSize);
    if (start >= end) continue;
    const inode = Number(m[5]);
    const offset = Number.parseInt(m[3]!, 16);
    const path = inode !== 0 || m[6]!.startsWith('/') ? m[6]! : '';
    for (let page = start >>> PAGE_SHIFT; page < end / PAGE_SIZE; ) {
      const first = page;
      const flags = pages[page]! & (PAGE_ACCESS | PAGE_MAPPED | PAGE_SHARED);
      while (page < end / PAGE_SIZE && (pages[page]! & (PAGE_ACCESS | PAGE_MAPPED | PAGE_SHARED)) === flags) page++;
      if (flags === 0) continue;
      addRegion(regions, {
        start: first * PAGE_SIZE,
        end: page * PAGE_SIZE,
        prot: flags & PAGE_ACCESS,
        shared: (flags & PAGE_SHARED) !== 0,
        offset: inode !== 0 ? offset + (first * PAGE_SIZE - hostStart) : 0,
        device: m[4]!,
        inode,
        path,
      });
    }
  }
  return nameHeap(regions, source);
}

/** Joins a region to the one before it where only the host sees a border (write-protected pages of translated code). */
function addRegion(regions: Region[], next: Region): void {
  const prev = regions.at(-1);
  if (
    prev &&
    prev.end === next.start &&
    prev.prot === next.prot &&
    prev.shared === next.shared &&
    prev.inode === next.inode &&
    prev.device === next.device &&
    prev.path === next.path &&
    (next.inode === 0 || prev.offset + (prev.end - prev.start) === next.offset)
  ) {
    prev.end = next.end;
  } else {
    regions.push(next);
  }
}

/** Gives the anonymous regions of the heap their name, cutting one that begins before the heap. */
function nameHeap(regions: Region[], { brkStart, brkEnd }: RegionSource): Region[] {
  if (brkEnd === brkStart) return regions;
  const named: Region[] = [];
  for (const r of regions) {
    if (r.inode !== 0 || r.end <= brkStart || r.start >= brkEnd) {
      named.push(r);
    } else {
      if (r.start < brkStart) named.push({ ...r, end: brkStart });
      named.push({ ...r, start: Math.max(r.start, brkStart), path: '[heap]' });
    }
  }
  return named;
}
