// What wemu-i386 says and returns when it is given something it cannot run: one line with file and reason, QEMU's status.
import { afterAll, describe, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { le32 } from '../oracle/asm-i386.ts';
import { buildElf } from '../oracle/elf-i386.ts';
import { NATIVE, nativeUnavailable, type ProgramRun, qemuCommand, runProgram, wemuCommand } from '../oracle/runner.ts';
import { testWith } from '../setup/needs.ts';

const hello = readFileSync(join(import.meta.dir, 'hello/hello'));
const HELLO = join(import.meta.dir, 'hello/hello');
const directory = mkdtempSync(join(tmpdir(), 'wemu-bad-input-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const wemu = wemuCommand();
const WEMU = 'command' in wemu ? wemu.command : [];
const qemu = qemuCommand();

/** Runs a file under a command with options of the command. */
function run(command: string[], file: string, options: string[] = [], args: string[] = []): ProgramRun {
  return runProgram(file, [...command, ...options], { args });
}

/** Writes an executable file and returns its path. */
function file(name: string, content: string | Uint8Array, mode = 0o755): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

/** The example program with a few bytes changed; offsets of ELF32. */
function changed(change: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(hello);
  change(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
  return bytes;
}

const PHOFF = 28;
const PHNUM = 44;
const P_OFFSET = 4;
const P_VADDR = 8;
const P_FILESZ = 16;
const P_MEMSZ = 20;
const PT_INTERP = 3;

/** Writes a field of the first program header. */
const firstHeader = (offset: number, value: number) => (view: DataView) =>
  view.setUint32(view.getUint32(PHOFF, true) + offset, value, true);

/** An ELF file whose program headers load twice at the same place, the second time something else. */
function overlapping(): Uint8Array {
  const bytes = new Uint8Array(hello.length + 0x2000);
  bytes.set(hello);
  const view = new DataView(bytes.buffer);
  const headers = view.getUint32(PHOFF, true);
  const table = hello.length + (-hello.length & 3);
  bytes.copyWithin(table, headers, headers + 32);
  bytes.copyWithin(table + 32, headers, headers + 32);
  view.setUint32(table + 32 + P_OFFSET, view.getUint32(table + P_OFFSET, true) + 0x1000, true);
  view.setUint32(PHOFF, table, true);
  view.setUint16(PHNUM, 2, true);
  return bytes;
}

function withInterpreter(path: string): Uint8Array {
  const bytes = new Uint8Array(hello.length + 256);
  bytes.set(hello);
  const view = new DataView(bytes.buffer);
  const headers = view.getUint32(PHOFF, true);
  const table = hello.length + (-hello.length & 3);
  bytes.copyWithin(table, headers, headers + 32);
  const text = new TextEncoder().encode(`${path}\0`);
  bytes.set(text, table + 64);
  for (const [n, value] of [PT_INTERP, table + 64, 0, 0, text.length, text.length, 4, 1].entries()) {
    view.setUint32(table + 32 + 4 * n, value, true);
  }
  view.setUint32(PHOFF, table, true);
  view.setUint16(PHNUM, 2, true);
  return bytes;
}

interface BadFile {
  readonly make: () => string;
  /** The reason, as it must appear. */
  readonly says: RegExp;
  /** Whether QEMU runs it all the same, or dies of a signal: our status is our own then. */
  readonly own?: boolean;
}

const FORMAT = /Exec format error|Invalid ELF image/;
const HEADERS = /Incomplete read of file header|Invalid ELF image/;
const PLACE = /Invalid ELF image: segment 0 at 0x\w+, \d+ bytes, does not fit below 0xfe000000/;

const BAD_FILES: Record<string, BadFile> = {
  'no such file': { make: () => join(directory, 'missing'), says: /No such file or directory/ },
  'a directory': { make: () => directory, says: /Is a directory|Permission denied|Exec format|Failed to read/i },
  text: { make: () => file('text', 'hello, I am no program\n'), says: FORMAT },
  'an empty file': { make: () => file('empty', ''), says: FORMAT },
  'one byte': { make: () => file('one', '\x7f'), says: FORMAT },
  'a 64-bit program of another machine': {
    make: () =>
      file(
        'class',
        changed((v) => v.setUint8(4, 2)),
      ),
    says: FORMAT,
  },
  'an ARM program': {
    make: () =>
      file(
        'arm',
        changed((v) => v.setUint16(18, 40, true)),
      ),
    says: FORMAT,
  },
  'big-endian': {
    make: () =>
      file(
        'big',
        changed((v) => v.setUint8(5, 2)),
      ),
    says: FORMAT,
  },
  'an object file': {
    make: () =>
      file(
        'object',
        changed((v) => v.setUint16(16, 1, true)),
      ),
    says: FORMAT,
  },
  'header cut off': { make: () => file('cut', hello.subarray(0, 40)), says: FORMAT },
  'program headers beyond the end': {
    make: () =>
      file(
        'beyond',
        changed((v) => v.setUint32(PHOFF, 0x10000, true)),
      ),
    says: HEADERS,
  },
  'program headers at 4 GiB': {
    make: () =>
      file(
        'far',
        changed((v) => v.setUint32(PHOFF, 0xfffffff0, true)),
      ),
    says: HEADERS,
    own: true,
  },
  'program headers of a wrong size': {
    make: () =>
      file(
        'entsize',
        changed((v) => v.setUint16(42, 20, true)),
      ),
    says: FORMAT,
  },
  'segment beyond the end of addresses': {
    make: () => file('overflow', changed(firstHeader(P_MEMSZ, 0xffff0000))),
    says: PLACE,
    own: true,
  },
  'segment at the end of addresses': {
    make: () => file('high', changed(firstHeader(P_VADDR, 0xfffff000))),
    says: PLACE,
  },
  'more file than memory': {
    make: () => file('filesz', changed(firstHeader(P_FILESZ, 0x7fffffff))),
    says: /./,
    own: true,
  },
  'missing interpreter': {
    make: () => file('interp', withInterpreter('/lib/ld-missing.so.9')),
    says: /ld-missing\.so\.9/,
  },
};

describe('files that cannot be run', () => {
  for (const [name, bad] of Object.entries(BAD_FILES)) {
    test(name, () => {
      const path = bad.make();
      const seen = run(WEMU, path);
      expect(seen.signal).toBeNull();
      expect(seen.exitCode).not.toBe(0);
      expect(new TextDecoder().decode(seen.stdout)).toBe('');
      expect(seen.stderr).toMatch(/^wemu-i386: [^\n]+\n$/);
      expect(seen.stderr).toMatch(bad.says);
      if (!/interp$/.test(path)) expect(seen.stderr).toContain(path);
    });
    if (bad.own) continue;
    testWith(['qemu-user'], `${name}: status as qemu-i386`, () => {
      const path = bad.make();
      const theirs = run('command' in qemu ? qemu.command : [], path);
      expect(run(WEMU, path).exitCode).toBe(theirs.exitCode);
    });
  }

  test('overlapping segments: the later one wins, as in the kernel, or one line', () => {
    const seen = run(WEMU, file('overlap', overlapping()));
    expect(seen.stderr).toMatch(/^(|wemu[^\n]+\n)$/);
  });

  const notRoot = { met: process.getuid?.() === 0 && Bun.which('setpriv') !== null, reason: 'needs root and setpriv' };
  testWith([notRoot], 'no permission to read', () => {
    chmodSync(directory, 0o755);
    const path = file('secret', hello, 0o000);
    const drop = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    const seen = run([...drop, ...WEMU], path);
    // The repository itself may be closed to others: then there is nothing to see.
    if (!seen.stderr.startsWith('wemu-i386:')) return;
    expect(seen.stderr).toBe(`wemu-i386: Error while loading ${path}: Permission denied\n`);
    expect(seen.exitCode).toBe(1);
  });

  test('not executable', () => {
    const path = file('plain', hello, 0o644);
    const seen = run(WEMU, path);
    if ('command' in qemu) expect(seen.exitCode).toBe(run(qemu.command, path).exitCode);
    else expect(seen.stderr).toContain(path);
  });
});

describe('options', () => {
  const BAD_OPTIONS: Record<string, { options: string[]; says: RegExp; own?: boolean }> = {
    'unknown option': { options: ['-nonsense'], says: /unknown option 'nonsense'/ },
    'unknown CPU model': { options: ['-cpu', 'z80'], says: /unable to find CPU model 'z80'/ },
    '-L that is missing': {
      options: ['-L', '/none/there'],
      says: /-L \/none\/there: No such file or directory/,
      own: true,
    },
    '-L that is a file': { options: ['-L', HELLO], says: /Not a directory/, own: true },
    '-E without =': { options: ['-E', 'NAME'], says: /-E: 'NAME' sets nothing/, own: true },
    'a size that is none': { options: ['-s', 'much'], says: /-s: 'much' is no size/ },
    '-g': { options: ['-g', '1234'], says: /-g: the gdb stub is not built yet/, own: true },
    '-seed': { options: ['-seed', 'x'], says: /-seed: 'x' is no number/ },
    '-disable': { options: ['-disable', 'all'], says: /-disable: 'all' cannot be left out/, own: true },
    '-D that cannot be written': { options: ['-d', 'exec', '-D', '/none/log'], says: /\/none\/log/, own: true },
  };
  for (const [name, { options, says, own }] of Object.entries(BAD_OPTIONS)) {
    test(name, () => {
      const seen = run(WEMU, HELLO, options);
      expect(seen.stderr).toMatch(/^wemu-i386: [^\n]+\n$/);
      expect(seen.stderr).toMatch(says);
      expect(seen.exitCode).toBe(1);
      if (!own && 'command' in qemu) expect(run(qemu.command, HELLO, options).exitCode).toBe(1);
    });
  }

  test('no program', () => {
    const seen = Bun.spawnSync(WEMU, { stdin: 'ignore' });
    expect(seen.stderr.toString()).toMatch(/^wemu-i386: no user program specified[^\n]*\n$/);
    expect(seen.exitCode).toBe(1);
  });

  test('an option without its argument', () => {
    const seen = Bun.spawnSync([...WEMU, '-L'], { stdin: 'ignore' });
    expect(seen.stderr.toString()).toBe("wemu-i386: missing argument for option 'L'\n");
    expect(seen.exitCode).toBe(1);
  });

  test('wemu: a command there is not', () => {
    const command = join(import.meta.dir, '../../src/cli/bin/wemu');
    const seen = Bun.spawnSync([command, 'nonsense'], { stdin: 'ignore' });
    expect(seen.stderr.toString()).toMatch(/^wemu: unknown command 'nonsense'[^\n]*\n$/);
    expect(seen.exitCode).toBe(1);
  });
});

const CODE = 0x8048000;
const DATA = 0x8050000;

/** A program from machine code at CODE, with a page of data at DATA. */
function program(name: string, code: readonly number[]): string {
  const segments = [
    { address: CODE, bytes: new Uint8Array(code), access: 'rx' as const },
    { address: DATA, zeroBytes: 4096, access: 'rw' as const },
  ];
  return file(name, buildElf(CODE, segments));
}

describe('a guest that dies of a signal takes wemu with it', () => {
  const DEATHS: Record<string, { code: number[]; signal: string; says: RegExp }> = {
    'a store to an address that is not mapped': {
      code: [0xa3, ...le32(0x1234)],
      signal: 'SIGSEGV',
      says: /pc 0x0*8048000.*0x0*1234\b/,
    },
    'a load at the end of addresses': { code: [0xa1, ...le32(0xfffffffc)], signal: 'SIGSEGV', says: /0xfffffffc/ },
    'a jump into data': { code: [0xe9, ...le32(DATA - CODE - 5)], signal: 'SIGSEGV', says: /pc 0x0*8050000/ },
    'a jump to nowhere': { code: [0xe9, ...le32(0x40 - CODE - 5)], signal: 'SIGSEGV', says: /pc 0x0*40\b/ },
    'a privileged instruction': { code: [0xf4], signal: 'SIGSEGV', says: /pc 0x0*8048000/ },
    'an undefined instruction': { code: [0x0f, 0x0b], signal: 'SIGILL', says: /pc 0x0*8048000/ },
    'a division by zero': { code: [0x31, 0xc9, 0xf7, 0xf1], signal: 'SIGFPE', says: /pc 0x0*8048002/ },
    'a breakpoint': { code: [0xcc], signal: 'SIGTRAP', says: /pc 0x0*8048001/ },
    // kill(getpid(), SIGTERM)
    'a signal to itself': {
      code: [0xb8, ...le32(20), 0xcd, 0x80, 0x89, 0xc3, 0xb9, ...le32(15), 0xb8, ...le32(37), 0xcd, 0x80],
      signal: 'SIGTERM',
      says: /^(|.*signal 15.*)$/s,
    },
  };
  for (const [name, { code, signal, says }] of Object.entries(DEATHS)) {
    test(name, () => {
      const path = program(name.replaceAll(' ', '-'), code);
      const seen = run(WEMU, path);
      expect(seen.stderr).toMatch(/^(wemu: [^\n]+\n)?$/);
      expect(seen.stderr).toMatch(says);
      expect(seen.signal).toBe(signal);
      if (nativeUnavailable() === undefined) expect(run(NATIVE, path).signal).toBe(signal);
    });
  }
});

describe('wild pointers in system calls', () => {
  /** What to put for a pointer: low, above the program, across the end of the data page, the kernel's half. */
  const WILD = [0x10, DATA + 0x100000, DATA + 4094, 0xc0000000, 0xfffffff0];
  /** Calls by number (i386) with their arguments; null stands for the pointer. */
  // biome-ignore format: a table, by number
  const CALLS: readonly (readonly [nr: number, ...args: (number | null)[]])[] = [
    [3, 0, null, 64], [4, 1, null, 64], [5, null, 0], [10, null], [12, null], [13, null], [15, null, 0o644],
    [18, null, DATA], [33, null, 4], [38, null, DATA], [39, null, 0o755], [42, null], [43, null],
    [54, 1, 0x5401, null], [76, 3, null], [77, 0, null], [78, null, 0], [83, null, DATA], [85, null, DATA, 10],
    [99, null, DATA], [104, 0, null, 0], [106, null, DATA], [116, null], [122, null], [126, 0, null, 0, 8],
    [140, 0, 0, 0, null, 0], [142, 1, null, 0, 0, 0], [145, 0, null, 1], [146, 1, null, 1], [162, null, 0],
    [168, null, 1, 0], [174, 10, null, 0, 8], [175, 0, null, 0, 8], [177, null, 0, 0, 8], [183, null, 64],
    [191, 3, null], [195, null, DATA], [196, DATA, null], [197, 1, null], [220, 0, null, 64], [221, 1, 5, null],
    [229, null, DATA, DATA, 8], [240, null, 0, 0, 0], [242, 0, 4, null], [243, null], [265, 0, null],
    [266, 1, null], [267, 0, null, 0], [268, null, 84, DATA], [295, -100, null, 0], [300, -100, null, DATA, 0],
    [305, -100, null, DATA, 10], [320, -100, null, 0, 0], [331, null, 0], [340, 0, 7, 0, null], [355, null, 16, 0],
    [359, 1, 1, 0, null], [362, 1, null, 16], [383, -100, null, 0, 0x7ff, DATA], [403, 0, null],
  ];
  const REGISTERS = [0xbb, 0xb9, 0xba, 0xbe, 0xbf, 0xbd];

  /** Makes all calls with one pointer, writes what they returned, exits. */
  function caller(pointer: number): number[] {
    const code: number[] = [];
    for (const [n, [nr, ...args]] of CALLS.entries()) {
      // The kernel writes up to the border before it fails, which is nobody's business: the bytes there are zeros again.
      code.push(0x66, 0xc7, 0x05, ...le32(DATA + 4094), 0, 0);
      for (const [k, arg] of args.entries()) code.push(REGISTERS[k]!, ...le32(arg ?? pointer));
      code.push(0xb8, ...le32(nr), 0xcd, 0x80, 0xa3, ...le32(DATA + 1024 + 4 * n));
    }
    code.push(
      0xb8,
      ...le32(4),
      0xbb,
      ...le32(1),
      0xb9,
      ...le32(DATA + 1024),
      0xba,
      ...le32(4 * CALLS.length),
      0xcd,
      0x80,
    );
    code.push(0xb8, ...le32(1), 0x31, 0xdb, 0xcd, 0x80);
    return code;
  }

  const results = (seen: ProgramRun) => {
    expect([seen.exitCode, seen.signal, seen.stderr]).toEqual([0, null, '']);
    const view = new DataView(seen.stdout.buffer, seen.stdout.byteOffset + seen.stdout.length - 4 * CALLS.length);
    return CALLS.map(([nr], n) => `call ${nr}: ${view.getInt32(4 * n, true)}`);
  };
  const native = { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' };
  for (const pointer of WILD) {
    testWith([native], `0x${pointer.toString(16)}: results as from the host kernel`, () => {
      const path = program(`wild-${pointer.toString(16)}`, caller(pointer));
      expect(results(run(WEMU, path))).toEqual(results(run(NATIVE, path)));
    });
  }
});
