// bFLT programs of uClinux: made here from a linked program and its relocations, run as under qemu-arm; and damaged ones.
import { afterAll, beforeAll, expect } from 'bun:test';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { wemuCommand } from '../oracle/runner.ts';
import { PROGRAM_LIMIT, TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'wemu-flat-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function run(command: readonly string[]): { out: string; end: string } {
  const { stdout, stderr, exitCode, signalCode } = Bun.spawnSync([...command], {
    stdin: 'ignore',
    timeout: PROGRAM_LIMIT,
  });
  return { out: `${stdout}${stderr}`, end: String(signalCode ?? exitCode) };
}

const PREFIX = 'arm-linux-gnueabi';
const HEADER = 64;

/** Links the program at 0 and makes a bFLT file of it; `packed` compresses all behind the header. */
function build(thumb: boolean, packed: boolean): string {
  const elf = join(directory, 'linked');
  const raw = join(directory, 'raw');
  const script = join(directory, 'script');
  // Text, then data, then bss, without gaps.
  writeFileSync(
    script,
    'SECTIONS { . = 0; .text : { *(.text*) *(.rodata*) } .data : { *(.data*) } .bss : { *(.bss*) *(COMMON) } /DISCARD/ : { *(.ARM*) *(.note*) } }',
  );
  const flags = ['-O1', '-w', '-static', '-nostdlib', '-ffreestanding', '-fno-stack-protector', '-fno-pic', '-no-pie'];
  const source = join(import.meta.dir, 'arm/flat.c');
  const link = ['-Wl,-q', '-Wl,--build-id=none', '-Wl,--no-warn-rwx-segments', '-Wl,-e,_start', '-T', script];
  const arch = ['-march=armv5te', thumb ? '-mthumb' : '-marm', '-mfloat-abi=soft'];
  expect(run([`${PREFIX}-gcc`, ...flags, ...arch, ...link, source, '-o', elf])).toEqual({ out: '', end: '0' });
  expect(run([`${PREFIX}-objcopy`, '-O', 'binary', '-j', '.text', '-j', '.data', elf, raw]).end).toBe('0');
  const body = readFileSync(raw);
  const sections = run(['readelf', '-SW', elf]).out;
  const section = (name: string): [address: number, size: number] => {
    const match = new RegExp(` \\${name} +\\w+ +([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+)`).exec(sections)!;
    return [Number.parseInt(match[1]!, 16), Number.parseInt(match[2]!, 16)];
  };
  const [dataAt] = section('.data');
  const [bssAt, bssSize] = section('.bss');
  const relocations = [...run(['readelf', '-rW', elf]).out.matchAll(/^([0-9a-f]{8}) .* R_ARM_ABS32 /gm)].map((match) =>
    Number.parseInt(match[1]!, 16),
  );
  expect(relocations.length).toBeGreaterThan(3);
  for (const at of relocations) body.writeUInt32BE(body.readUInt32LE(at), at);
  const entry = Number.parseInt(/Entry point address: +0x([0-9a-f]+)/.exec(run(['readelf', '-h', elf]).out)![1]!, 16);
  const header = Buffer.alloc(HEADER);
  header.write('bFLT');
  const fields = [4, HEADER + entry, HEADER + dataAt, HEADER + body.length, HEADER + bssAt + bssSize, 4096];
  fields.push(HEADER + body.length, relocations.length, 1 | (packed ? 4 : 0));
  fields.forEach((value, n) => {
    header.writeUInt32BE(value, 4 + 4 * n);
  });
  const table = Buffer.alloc(4 * relocations.length);
  relocations.forEach((at, n) => {
    table.writeUInt32BE(at, 4 * n);
  });
  const rest = Buffer.concat([body, table]);
  const file = join(directory, `flat-${thumb}-${packed}`);
  writeFileSync(file, Buffer.concat([header, packed ? gzipSync(rest) : rest]));
  chmodSync(file, 0o755);
  return file;
}

function wemu(file: string): { out: string; end: string } {
  const command = wemuCommand([], 'arm');
  if ('missing' in command) throw new Error(command.missing);
  return run([...command.command, file, 'a', 'bc']);
}

for (const packed of [false, true]) {
  testWith(
    ['qemu-user', 'gcc-armel'],
    packed ? 'compressed' : 'plain',
    () => {
      const file = build(false, packed);
      const ours = wemu(file);
      expect(ours).toEqual({ out: 'first\none\nsecond\ntwo\na\nbc\nok\n', end: '7' });
      // Debian's qemu-arm is built without decompression.
      if (!packed) expect(run(['qemu-arm', file, 'a', 'bc'])).toEqual(ours);
    },
    TEST_LIMIT,
  );
}

testWith(
  ['gcc-armel'],
  'damaged files are refused in one line',
  () => {
    const good = readFileSync(build(false, false));
    const file = join(directory, 'damaged');
    for (const [what, change] of [
      ['version', (bytes: Buffer) => bytes.writeUInt32BE(2, 4)],
      ['overlap', (bytes: Buffer) => bytes.writeUInt32BE(0xffffff00, 16)],
      ['size', (bytes: Buffer) => bytes.writeUInt32BE(0x7fffffff, 20)],
      ['relocations', (bytes: Buffer) => bytes.writeUInt32BE(0xfffff, 32)],
      ['relocation target', (bytes: Buffer) => bytes.writeUInt32BE(0xfffff0, bytes.readUInt32BE(28))],
      ['truncated', (bytes: Buffer) => bytes.writeUInt32BE(0, 28)],
    ] as const) {
      const bytes = Buffer.from(good);
      change(bytes);
      writeFileSync(file, bytes, { mode: 0o755 });
      const { out, end } = wemu(file);
      expect([what, end, out.trim().split('\n').length]).toEqual([what, '255', 1]);
      expect(out).toContain('bFLT');
    }
  },
  TEST_LIMIT,
);
