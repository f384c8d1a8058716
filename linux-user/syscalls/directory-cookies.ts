// Directory positions for 32-bit programs: file systems that hash give 64-bit positions, which get small numbers here.

/** Small numbers given out for one open directory: index to position, and back. */
interface Cookies {
  readonly positions: number[];
  readonly numbers: Map<number, number>;
}

/** Descriptors number their own positions; duplicates of a descriptor share the host's position, not these numbers. */
const byDescriptor = new Map<number, Cookies>();

/** First number given out: above the small positions that other file systems use themselves. */
const FIRST = 0x40000000;

/** The number that stands for `position` in the directory open as `fd`; the same as long as it stays open. */
export function cookieFor(fd: number, position: number): number {
  let cookies = byDescriptor.get(fd);
  if (!cookies) byDescriptor.set(fd, (cookies = { positions: [], numbers: new Map() }));
  let number = cookies.numbers.get(position);
  if (number === undefined) {
    number = FIRST + cookies.positions.push(position) - 1;
    cookies.numbers.set(position, number);
  }
  return number;
}

/** The position a number stands for; any other offset is returned as it is. */
export function positionOf(fd: number, offset: number): number {
  if (byDescriptor.size === 0) return offset;
  return byDescriptor.get(fd)?.positions[offset - FIRST] ?? offset;
}

/** Forgets a descriptor when it is closed or becomes another file. */
export function forgetCookies(fd: number): void {
  if (byDescriptor.size > 0) byDescriptor.delete(fd);
}
