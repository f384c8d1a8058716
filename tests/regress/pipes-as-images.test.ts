// A named pipe as an image, or as the backing file that an image names, was opened like a file: that waits until somebody writes to it,
// for ever. It is refused before it is opened. Found by reading.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { openImage } from '../../src/block/graph.ts';
import { freshQcow2, inScratch, run } from '../block/helpers.ts';
import { PROGRAM_LIMIT } from '../setup/limits.ts';

if (process.argv[2] === 'child') {
  const error = await openImage({ filename: process.argv[3]!, readOnly: true }).then(
    () => 'opened',
    (e: Error) => e.message,
  );
  console.log(error);
  process.exit(0);
}

test('pipes are no images', () =>
  inScratch(async (dir) => {
    const pipe = join(dir, 'pipe');
    const overlay = join(dir, 'overlay');
    run(['mkfifo', pipe]);
    const node = await freshQcow2(overlay, 1 << 20);
    await node.changeBackingFile(pipe, 'raw');
    await node.close();
    // (In another process, which can be ended if it waits.)
    const said = (path: string): string =>
      Bun.spawnSync([process.execPath, import.meta.path, 'child', path], { timeout: PROGRAM_LIMIT }).stdout.toString();
    const refused = `'file' driver requires '${pipe}' to be a regular file\n`;
    expect(said(pipe)).toBe(refused);
    expect(said(overlay)).toBe(`Could not open backing file: ${refused}`);
  }));
