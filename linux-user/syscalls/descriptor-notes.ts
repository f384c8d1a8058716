// What a 64-bit host does not remember of a 32-bit program's descriptors: directory positions, and how files were opened.

/** A position in a directory: file systems that hash use all 64 bits, which only a BigInt holds. */
export type Position = number | bigint;

/** Small numbers given out for the positions of one open directory: index to position, and back. */
interface Cookies {
  readonly positions: Position[];
  readonly numbers: Map<Position, number>;
}

/** Descriptors number their own positions; duplicates of a descriptor share the host's position, not these numbers. */
const cookies = new Map<number, Cookies>();
/** Descriptors opened without O_LARGEFILE, which the host always sets. */
const smallFiles = new Set<number>();
/** Descriptors of /proc/self/mem. */
const memoryFiles = new Set<number>();

/** First number given out: above the small positions that other file systems use themselves. */
const FIRST = 0x40000000;

/**
 * The number that stands for a `position` of more than 31 bits in the directory open as `fd`, the same as long as it stays
 * open. File systems that hash give such positions; 32-bit C libraries refuse them.
 */
export function cookieFor(fd: number, position: Position): number {
  let own = cookies.get(fd);
  if (!own) cookies.set(fd, (own = { positions: [], numbers: new Map() }));
  let number = own.numbers.get(position);
  if (number === undefined) {
    number = FIRST + own.positions.push(position) - 1;
    own.numbers.set(position, number);
  }
  return number;
}

/** The position a number stands for; any other offset is returned as it is. */
export function positionOf(fd: number, offset: number): Position {
  if (cookies.size === 0) return offset;
  return cookies.get(fd)?.positions[offset - FIRST] ?? offset;
}

/** Remembers that the guest did not ask for large files when it opened `fd`. */
export function noteSmallFile(fd: number): void {
  smallFiles.add(fd);
}

/** Whether F_GETFL must not show O_LARGEFILE. */
export function isSmallFile(fd: number): boolean {
  return smallFiles.has(fd);
}

/** Remembers that `fd` is /proc/self/mem. */
export function noteMemoryFile(fd: number): void {
  memoryFiles.add(fd);
}

/** Whether what is read and written through the descriptor is the guest's memory. */
export function isMemoryFile(fd: number): boolean {
  return memoryFiles.size > 0 && memoryFiles.has(fd);
}

/** A duplicate is as the original is. */
export function copyNotes(from: number, to: number): void {
  if (smallFiles.size > 0 && smallFiles.has(from)) smallFiles.add(to);
  if (isMemoryFile(from)) memoryFiles.add(to);
}

/** Forgets a descriptor when it is closed or becomes another file. */
export function forgetNotes(fd: number): void {
  if (cookies.size > 0) cookies.delete(fd);
  if (smallFiles.size > 0) smallFiles.delete(fd);
  if (memoryFiles.size > 0) memoryFiles.delete(fd);
}

/** Forgets the descriptors in a range. */
export function forgetRange(first: number, last: number): void {
  for (const fd of [...cookies.keys(), ...smallFiles, ...memoryFiles]) if (fd >= first && fd <= last) forgetNotes(fd);
}
