// `-d in_asm` read Thumb code from the odd address that the PC has with its Thumb bit, and printed instructions that were not
// there.
import { expect } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wemuCommand } from '../oracle/runner.ts';
import { testWith } from '../setup/needs.ts';

testWith(['gcc-armel'], 'instructions of both sets at their addresses', () => {
  const directory = mkdtempSync(join(tmpdir(), 'wemu-in-asm-'));
  try {
    const source = join(directory, 'a.S');
    const program = join(directory, 'a');
    const log = join(directory, 'log');
    const thumb = '.thumb\n1: movs r0, #7\n movs r7, #1\n svc 0\n';
    writeFileSync(source, `.globl _start\n.arm\n_start: adr r0, 1f + 1\n bx r0\n${thumb}`);
    const flags = ['-march=armv7-a', '-nostdlib', '-static', source, '-o', program];
    expect(Bun.spawnSync(['arm-linux-gnueabi-gcc', ...flags]).exitCode).toBe(0);
    const wemu = wemuCommand(['-d', 'in_asm', '-D', log], 'arm');
    if ('missing' in wemu) throw new Error(wemu.missing);
    expect(Bun.spawnSync([...wemu.command, program]).exitCode).toBe(7);
    const text = readFileSync(log, 'utf8');
    expect(text).toMatch(/bx\s+r0/);
    expect(text).toMatch(/0x[0-9a-f]+[02468ace]: +07 20 +movs\s+r0, #7/);
    expect(text).toMatch(/00 df +svc\s+#0/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
