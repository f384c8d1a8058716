// Reads files of the host, and lets others do so, without leaving descriptors 0 to 2 open.
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

const O_PATH = 0o10000000;

/**
 * Runs something that opens files by other functions of Bun: whatever of descriptors 0 to 2 is closed is taken
 * meanwhile, because none of those functions closes these numbers again.
 */
export function withStandardTaken<T>(run: () => T): T {
  const taken: number[] = [];
  try {
    for (;;) {
      const fd = openSync('/', O_PATH);
      if (fd > 2) {
        closeSync(fd);
        break;
      }
      taken.push(fd);
    }
    return run();
  } finally {
    for (const fd of taken) closeSync(fd);
  }
}
