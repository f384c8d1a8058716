// Reads a whole file of the host without leaving a descriptor open, whatever its number.
import { closeSync, openSync, readSync } from 'node:fs';

const FIRST_CHUNK = 65536;

/**
 * The contents of a file. Bun's own `readFileSync` never closes descriptors 0 to 2, taking them for standard input and
 * output; where a guest has closed those, the file would take their place and stay open. Throws as `openSync` does.
 */
export function readWholeFile(path: string): Uint8Array<ArrayBuffer> {
  const fd = openSync(path, 'r');
  try {
    let bytes = new Uint8Array(FIRST_CHUNK);
    let length = 0;
    for (;;) {
      const count = readSync(fd, bytes, length, bytes.length - length, null);
      if (count === 0) return bytes.subarray(0, length);
      length += count;
      if (length === bytes.length) {
        const larger = new Uint8Array(2 * length);
        larger.set(bytes);
        bytes = larger;
      }
    }
  } finally {
    closeSync(fd);
  }
}
