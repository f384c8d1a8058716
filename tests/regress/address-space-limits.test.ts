// Under a limit of virtual memory (`ulimit -v`, as batch systems set it) wemu-img, which qemu-img's users run under one, and
// guests, which need 4 GiB, ended with stack traces of the engine.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { inScratch } from '../block/helpers.ts';

const ROOT = join(import.meta.dir, '../..');
const BIN = join(ROOT, 'src/cli/bin');

/** Runs a line of the shell under a limit of so many kilobytes. */
function limited(kilobytes: number, line: string, cwd: string): { out: string; err: string; code: number } {
  const p = Bun.spawnSync(['bash', '-c', `ulimit -v ${kilobytes}; ${line}`], { cwd });
  return { out: p.stdout.toString(), err: p.stderr.toString(), code: p.exitCode };
}

test('wemu-img works in 1 GB of address space', async () => {
  await inScratch((dir) => {
    const img = join(BIN, 'wemu-img');
    const line = `${img} create -q -f qcow2 a 1G && ${img} convert -c -m 8 -W -f raw -O qcow2 ${join(ROOT, 'README.md')} b && ${img} check b`;
    const { out, err, code } = limited(1_000_000, line, dir);
    expect(err).toBe('');
    expect(out).toContain('No errors were found on the image.');
    expect(code).toBe(0);
  });
});

for (const kilobytes of [1_000_000, 4_000_000]) {
  test(`a guest that gets no address space says so in one line (${kilobytes} kB)`, () => {
    const line = `${join(BIN, 'wemu-i386')} ${join(ROOT, 'tests/programs/hello/hello')}`;
    expect(limited(kilobytes, line, ROOT)).toEqual({
      out: '',
      err: 'wemu: cannot reserve 4 GiB of address space for the guest; check the limit of virtual memory (ulimit -v)\n',
      code: 1,
    });
  });
}
