// What programs are told of each CPU model of ARM is what qemu-arm tells them, but for listed bits; programs of other processors are named.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ARM_MODELS } from '../../targets/arm/models.ts';
import { wemuCommand } from '../oracle/runner.ts';
import { PROGRAM_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';

const FREESTANDING = ['-nostdlib', '-ffreestanding', '-fno-stack-protector', '-fno-pic', '-no-pie', '-static'];
/** For ARMv4: the linker puts MOV in the place of BX. */
const OLDEST = ['-march=armv4', '-marm', '-Wl,--fix-v4bx'];

/** Bits that qemu-arm 7.2 sets otherwise. */
const HWCAP_THUMB = 0x4;
const HWCAP_THUMBEE = 0x800;
/** Half precision (of both kinds), dot products, FHM, BFloat16, matrices of bytes. */
const HWCAP_LATER = { fp16: 0xc00000, dotprod: 0x1000000, fhm: 0x2000000, bf16: 0x4000000, i8mm: 0x8000000 };
const HWCAP2_SB = 0x20;

const scratch = mkdtempSync(join(tmpdir(), 'wemu-arm-models-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function run(command: readonly string[]): { out: string; err: string; end: string } {
  const { stdout, stderr, exitCode, signalCode } = Bun.spawnSync([...command], {
    stdin: 'ignore',
    timeout: PROGRAM_LIMIT,
  });
  return { out: String(stdout), err: String(stderr), end: String(signalCode ?? exitCode) };
}

function wemu(...args: string[]): ReturnType<typeof run> {
  const found = wemuCommand([], 'arm');
  if ('missing' in found) throw new Error(found.missing);
  return run([...found.command, ...args]);
}

const program = join(scratch, 'auxv');

beforeAll(() => {
  const source = join(import.meta.dir, 'arm/auxv.c');
  const compiler = Bun.which('arm-linux-gnueabi-gcc');
  if (compiler) Bun.spawnSync([compiler, '-O1', '-w', ...FREESTANDING, ...OLDEST, source, '-o', program]);
});

for (const { name, features } of ARM_MODELS) {
  testWith(['qemu-user', 'gcc-armel'], `AT_PLATFORM, AT_HWCAP and AT_HWCAP2 of ${name}`, () => {
    const theirs = run(['qemu-arm', '-cpu', name, program]);
    expect(theirs.end).toBe('0');
    const [platform, hwcap, hwcap2] = theirs.out.split('\n') as [string, string, string];
    // It has no ThumbEE either, and no model of Linux for the StrongARM has Thumb (arch/arm/mm/proc-sa1100.S).
    let caps = Number.parseInt(hwcap, 16) & ~HWCAP_THUMBEE;
    if (!features.includes('v4t')) caps &= ~HWCAP_THUMB;
    // What both execute and Linux told of first in version 6.2 and 6.3.
    for (const [feature, bits] of Object.entries(HWCAP_LATER))
      if ((features as string[]).includes(feature)) caps |= bits;
    const caps2 = Number.parseInt(hwcap2, 16) | (features.includes('sb') ? HWCAP2_SB : 0);
    const hex = (value: number): string => value.toString(16).padStart(8, '0');
    expect(wemu('-cpu', name, program)).toEqual({
      out: `${platform}\n${hex(caps)}\n${hex(caps2)}\n`,
      err: '',
      end: '0',
    });
  });
}

test('a program for AArch64 is named as such', () => {
  const file = new Uint8Array(120);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 183, true);
  view.setUint32(20, 1, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  const path = join(scratch, 'aarch64');
  writeFileSync(path, file, { mode: 0o755 });
  const { err, end } = wemu(path);
  expect(err).toEndWith(
    'aarch64: Invalid ELF image for this architecture (it is for 64-bit little-endian AArch64, not arm)\n',
  );
  expect(end).toBe('255');
});
