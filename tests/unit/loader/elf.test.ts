// ELF headers are read as an independent parser reads them, images land where the kernel puts them, bad files are named.
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ElfTarget, isElf, parseElf } from '../../../src/loader/elf.ts';
import { type LoadedImage, loadProgram } from '../../../src/loader/load-image.ts';
import { GuestMemory } from '../../../src/memory/guest-memory.ts';
import { UserError } from '../../../src/util/errors.ts';
import { guestTreePath } from '../../setup/guests.ts';
import { testWith } from '../../setup/needs.ts';
import { oraclePath } from '../../setup/oracles.ts';

const I386: ElfTarget = { name: 'i386', machines: [3, 6], elfClass: 32, bigEndian: false };
const PIE_BASE = 0x56555000;
const PAGE = 4096;
const compiler = oraclePath('gcc-i386');

const dir = mkdtempSync(join(tmpdir(), 'elf-'));
afterAll(() => rmSync(dir, { recursive: true }));

let memory: GuestMemory;
beforeEach(() => {
  memory = new GuestMemory();
  memory.setMmapBase(8 << 20);
});
afterEach(() => memory.dispose());

function load(path: string, prefix = ''): LoadedImage {
  return loadProgram(memory, path, {
    target: I386,
    pieBase: PIE_BASE,
    execStackByDefault: true,
    findInterpreter: (name) => prefix + name,
  });
}

interface Header {
  type: number;
  offset: number;
  vaddr: number;
  fileSize: number;
  memSize: number;
  flags: number;
  align: number;
}

/** A small executable file made from its headers: two segments, code and data with 0x3000 bytes of zeroes behind. */
class TestElf {
  readonly file: Uint8Array;
  readonly view: DataView;

  constructor(
    readonly headers: Header[] = [
      { type: 1, offset: 0, vaddr: 0x8048000, fileSize: 0x1000, memSize: 0x1000, flags: 5, align: PAGE },
      { type: 1, offset: 0x1000, vaddr: 0x8049000, fileSize: 0x500, memSize: 0x3500, flags: 6, align: PAGE },
    ],
    size = 0x2000,
    type = 2,
  ) {
    this.file = new Uint8Array(size).fill(0x90, 0x200);
    this.view = new DataView(this.file.buffer);
    this.file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
    for (const [at, v] of [
      [16, type],
      [18, 3],
      [40, 52],
      [42, 32],
      [44, headers.length],
    ])
      this.u16(at!, v!);
    for (const [at, v] of [
      [20, 1],
      [24, 0x8048200],
      [28, 52],
    ])
      this.u32(at!, v!);
    headers.forEach((h, k) => {
      const fields = [h.type, h.offset, h.vaddr, h.vaddr, h.fileSize, h.memSize, h.flags, h.align];
      fields.forEach((v, n) => {
        this.u32(52 + 32 * k + 4 * n, v);
      });
    });
  }

  u16(at: number, v: number): this {
    this.view.setUint16(at, v, true);
    return this;
  }

  u32(at: number, v: number): this {
    this.view.setUint32(at, v, true);
    return this;
  }

  save(name: string, content: Uint8Array | string = this.file, mode = 0o755): string {
    const path = join(dir, name);
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  }
}

function failure(body: () => unknown): UserError {
  try {
    body();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error('it loaded');
}

describe('loading', () => {
  test('file pages, cleared rest of the last page, zero pages, heap', () => {
    const image = load(new TestElf().save('plain'));
    expect(image.entry).toBe(0x8048200);
    expect(image.start).toBe(0x8048200);
    expect(image.programHeaders).toBe(0x8048034);
    expect(image.programHeaderCount).toBe(2);
    expect(image.interpreterBase).toBe(0);
    expect(image.executableStack).toBe(true);
    expect(memory.read8(0x8048200)).toBe(0x90);
    expect(memory.read8(0x80494ff)).toBe(0x90);
    expect(memory.read8(0x8049500)).toBe(0);
    expect(memory.read8(0x804c4ff)).toBe(0);
    expect(memory.checkWrite(0x8048000, 1)).toBe(false);
    expect(memory.checkWrite(0x8049000, 0x4000)).toBe(true);
    expect(memory.checkRead(0x804d000, 1)).toBe(false);
    expect(memory.brkStart).toBe(0x804d000);
    expect(memory.brk(0x804e001)).toBe(0x804e001);
    expect(memory.checkWrite(0x804d000, 0x2000)).toBe(true);
  });

  test('PT_GNU_STACK decides about the stack', () => {
    const elf = new TestElf();
    const stack = (flags: number): Header => ({
      type: 0x6474e551,
      offset: 0,
      vaddr: 0,
      fileSize: 0,
      memSize: 0,
      flags,
      align: 16,
    });
    expect(load(new TestElf([...elf.headers, stack(6)]).save('nx')).executableStack).toBe(false);
    expect(memory.readImpliesExec).toBe(false);
  });

  test('a segment without file bytes, and one that begins inside a page', () => {
    const image = load(
      new TestElf([
        { type: 1, offset: 0, vaddr: 0x8048000, fileSize: 0x300, memSize: 0x300, flags: 5, align: PAGE },
        { type: 1, offset: 0x1234, vaddr: 0x804a234, fileSize: 0x10, memSize: 0x20, flags: 6, align: PAGE },
        { type: 1, offset: 0, vaddr: 0x8050000, fileSize: 0, memSize: 0x1800, flags: 6, align: PAGE },
      ]).save('odd'),
    );
    expect(memory.read8(0x804a243)).toBe(0x90);
    expect(memory.read8(0x804a244)).toBe(0);
    expect(memory.checkWrite(0x8050000, 0x2000)).toBe(true);
    expect(memory.brkStart).toBe(0x8052000);
    expect(image.dataEnd).toBe(0x8050000);
  });

  test('an image that wants large alignment gets it', () => {
    const headers = new TestElf().headers.map((h) => ({ ...h, vaddr: h.vaddr - 0x8048000, align: 0x10000 }));
    const image = load(new TestElf(headers, 0x2000, 3).u32(24, 0x200).save('aligned'));
    expect(image.loadBias % 0x10000).toBe(0);
    expect(image.entry).toBe(image.loadBias + 0x200);
    expect(memory.brkStart).toBe(PIE_BASE);
  });
});

describe('bad files', () => {
  const cases: [string, () => string, RegExp, number][] = [
    ['missing', () => join(dir, 'nothing'), /Error while loading .*nothing: No such file or directory/, 1],
    ['directory', () => mkdtempSync(join(dir, 'd')), /Permission denied/, 1],
    ['empty', () => new TestElf().save('empty', ''), /empty: Exec format error/, 1],
    ['script', () => new TestElf().save('script', '#!/bin/sh\n'), /script: Exec format error/, 1],
    ['not executable', () => new TestElf().save('noexec', '\x7fELF', 0o644), /noexec: Permission denied/, 1],
    [
      'header cut',
      () => new TestElf().save('cut', new TestElf().file.subarray(0, 51)),
      /Error while loading .*cut: Exec format error .*truncated/,
      1,
    ],
    ['other machine', () => new TestElf().u16(18, 40).save('arm'), /arm: Invalid ELF.*ARM, not i386/, 255],
    ['other class', () => new TestElf().u16(4, 0x102).save('c64'), /c64: Invalid ELF.*64-bit/, 255],
    ['unknown class', () => new TestElf().u16(4, 0x107).save('c7'), /c7: Invalid ELF.*class 7/, 255],
    ['other byte order', () => new TestElf().u16(4, 0x201).save('be'), /be: Invalid ELF.*big-endian/, 255],
    ['unknown byte order', () => new TestElf().u16(4, 0x901).save('bo'), /bo: Invalid ELF.*byte order 9/, 255],
    ['version', () => new TestElf().u16(6, 9).save('version'), /Invalid ELF.*version 9/, 255],
    ['object file', () => new TestElf().u16(16, 1).save('object'), /Invalid ELF.*object file/, 255],
    ['core dump', () => new TestElf().u16(16, 4).save('core'), /Invalid ELF.*core dump/, 255],
    ['header size', () => new TestElf().u16(40, 1).save('ehsize'), /Invalid ELF.*header size 1/, 255],
    ['program header size', () => new TestElf().u16(42, 99).save('phsize'), /Invalid ELF.*size 99/, 255],
    ['no program headers', () => new TestElf().u16(44, 0).save('phnum0'), /no program headers/, 255],
    ['too many', () => new TestElf().u16(44, 0xfffe).save('phnum'), /65534 program headers/, 255],
    ['headers outside', () => new TestElf().u32(28, 0x7fffffff).save('phoff'), /Incomplete read/, 255],
    ['headers half outside', () => new TestElf().u32(28, 0x1fe0).save('phhalf'), /Incomplete read/, 255],
    [
      'nothing to load',
      () => new TestElf([{ type: 0, offset: 0, vaddr: 0, fileSize: 0, memSize: 0, flags: 0, align: 0 }]).save('none'),
      /nothing to load/,
      255,
    ],
    [
      'memory size overflow',
      () => new TestElf().u32(52 + 32 + 20, 0xffffffff).save('memory'),
      /segment 1 .*does not fit/,
      255,
    ],
    ['above the guest', () => new TestElf().u32(52 + 32 + 8, 0xfffff000).save('high'), /segment 1 .*does not fit/, 255],
    [
      'file size overflow',
      () =>
        new TestElf()
          .u32(52 + 32 + 16, 0x7fffffff)
          .u32(52 + 32 + 20, 0x7fffffff)
          .save('fsize'),
      /segment 1 /,
      255,
    ],
    [
      'file size above memory size',
      () => new TestElf().u32(52 + 32 + 20, 1).save('fmem'),
      /more bytes in the file/,
      255,
    ],
    ['misaligned', () => new TestElf().u32(52 + 32 + 4, 0x1001).save('mis'), /differ within the page/, 255],
    [
      'truncated',
      () => new TestElf(undefined, 0x1400).save('trunc'),
      /needs the file up to byte 5376, but it ends at 5120/,
      255,
    ],
    ['overlap', () => new TestElf().u32(52 + 32 + 8, 0x8048000).save('overlap'), /segment 1 overlaps segment 0/, 255],
  ];
  for (const [name, make, message, exitCode] of cases) {
    test(name, () => {
      const error = failure(() => load(make()));
      expect(error.message).toMatch(message);
      expect(error.message).not.toContain('\n');
      expect(error.exitCode).toBe(exitCode);
    });
  }

  const interpreter = (bytes: string, size = bytes.length): TestElf => {
    const elf = new TestElf();
    const headers = [
      ...elf.headers,
      { type: 3, offset: 0x300, vaddr: 0, fileSize: size, memSize: size, flags: 4, align: 1 },
    ];
    const result = new TestElf(headers);
    result.file.set(Buffer.from(bytes, 'latin1'), 0x300);
    return result;
  };
  test('interpreters', () => {
    const missing = failure(() => load(interpreter('/lib/no-such-ld.so\0').save('i1'), '/nowhere'));
    expect(missing.message).toMatch(/Could not open '\/lib\/no-such-ld.so' .*No such file/);
    expect(missing.exitCode).toBe(255);
    expect(failure(() => load(interpreter('/lib\0', 4).save('i2'))).message).toMatch(/Invalid PT_INTERP.*zero byte/);
    expect(failure(() => load(interpreter('\0', 0).save('i3'))).message).toMatch(/Invalid PT_INTERP.*0 bytes/);
    expect(failure(() => load(interpreter('/lib\0', 0x7fffffff).save('i4'))).message).toMatch(/Invalid PT_INTERP/);
    expect(failure(() => load(interpreter('/etc/passwd\0').save('i5'))).message).toMatch(/\/etc\/passwd: Invalid ELF/);
    expect(failure(() => load(interpreter('/\0').save('i6'))).message).toMatch(/Could not open '\/'/);
  });

  test('random damage never gets past a UserError', () => {
    const whole = readFileSync(new TestElf().save('whole'));
    let seed = 12345;
    const r = (n: number): number => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % n;
    for (let k = 0; k < 300; k++) {
      const copy = new TestElf();
      copy.file.set(whole);
      for (let n = 0; n <= r(3); n++) {
        if (r(2)) copy.file[r(116)] = r(256);
        else copy.u32(4 * r(29), [0, 1, 0xfff, 0x1000, 0x7fffffff, 0x80000000, 0xfffff000, 0xffffffff][r(8)]!);
      }
      try {
        load(copy.save('damaged'));
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
      }
      memory.unmap(0, memory.taskSize);
    }
  });
});

/** Lines 'START-END PERM OFFSET' of a program's own list, without stack, heap and kernel areas. */
function nativePages(text: string): string[] {
  const pages: string[] = [];
  for (const line of text.trimEnd().split('\n')) {
    const m = /^([0-9a-f]+)-([0-9a-f]+) (....) ([0-9a-f]+) \S+ (\d+)\s*(.*)$/.exec(line)!;
    if (/^\[/.test(m[6]!)) continue;
    for (let at = Number.parseInt(m[1]!, 16); at < Number.parseInt(m[2]!, 16); at += PAGE) {
      const offset = Number(m[5]) ? Number.parseInt(m[4]!, 16) + at - Number.parseInt(m[1]!, 16) : 0;
      pages.push(`${at.toString(16)} ${m[3]} ${offset.toString(16)}`);
    }
  }
  return pages;
}

function ourPages(): string[] {
  const pages: string[] = [];
  for (const r of memory.regions()) {
    const perm = `${r.prot & 1 ? 'r' : '-'}${r.prot & 2 ? 'w' : '-'}${r.prot & 4 ? 'x' : '-'}${r.shared ? 's' : 'p'}`;
    for (let at = r.start; at < r.end; at += PAGE) {
      pages.push(`${at.toString(16)} ${perm} ${(r.inode ? r.offset + at - r.start : 0).toString(16)}`);
    }
  }
  return pages;
}

/** What the parser `elfy` returns, as far as it is compared. */
interface ElfyFile {
  entry: number;
  flags: number;
  phoff: number;
  body: { programs: { offset: number; vaddr: number; filesz: number; memsz: number; align: number }[] };
}

describe('real programs', () => {
  for (const [kind, flags] of [
    ['static', ['-static']],
    ['static with an executable stack', ['-static', '-z', 'execstack']],
    ['static, few segments', ['-static', '-Wl,-z,noseparate-code']],
  ] as const) {
    testWith(['gcc-i386'], `${kind}: the same pages as under the kernel`, () => {
      const program = join(dir, kind.replaceAll(/\W/g, '-'));
      const source = join(import.meta.dir, 'print-maps.c');
      Bun.spawnSync([compiler!, '-w', ...flags, '-o', program, source], { stdio: ['ignore', 'inherit', 'inherit'] });
      // The kernel splits what the start code later makes read-only (RELRO): compare before that, by access to the file.
      const native = nativePages(Bun.spawnSync(['setarch', '-R', program]).stdout.toString());
      load(program);
      const withoutWrite = (line: string): string => line.replace(/ (.).(..) /, ' $1?$2 ');
      expect(ourPages().map(withoutWrite)).toEqual(native.map(withoutWrite));
    });
  }

  testWith(['gcc-i386'], 'static-pie: heap at the usual place, image as one piece below mmap_base', () => {
    const program = join(dir, 'static-pie');
    Bun.spawnSync([compiler!, '-w', '-static-pie', '-o', program, join(import.meta.dir, 'print-maps.c')]);
    const image = load(program);
    const regions = memory.regions();
    expect(regions.at(-1)!.end).toBe(memory.mmapBase);
    expect(image.loadBias).toBe(regions[0]!.start);
    for (let k = 1; k < regions.length; k++) expect(regions[k]!.start).toBe(regions[k - 1]!.end);
    expect(memory.brkStart).toBe(PIE_BASE);
    expect(image.entry - image.loadBias).toBe(image.header!.entry);
  });

  testWith(['guest-i386'], 'dynamic: interpreter below the prefix, program at the base for such programs', () => {
    const root = guestTreePath('i386');
    const image = load(join(root, 'bin/ls'), root);
    expect(image.interpreter).toBe(join(root, 'lib/ld-linux.so.2'));
    expect(image.loadBias).toBe(PIE_BASE);
    expect(image.start).toBeGreaterThan(image.interpreterBase);
    expect(memory.regions().some((r) => r.start === image.interpreterBase && r.path.includes('ld-linux'))).toBe(true);
    expect(memory.brkStart).toBeGreaterThan(image.dataEnd);
  });

  testWith(['guest-i386'], 'headers as elfy reads them', () => {
    const elfy = require('elfy') as { parse(data: Buffer): ElfyFile };
    const bin = join(guestTreePath('i386'), 'usr/bin');
    let count = 0;
    for (const name of readdirSync(bin).sort()) {
      const path = join(bin, name);
      const stat = statSync(path, { throwIfNoEntry: false });
      if (!stat?.isFile() || stat.size > 3_000_000 || count >= 60) continue;
      const data = readFileSync(path);
      if (!isElf(data)) continue;
      count++;
      const ours = parseElf(path, data.subarray(0, 4096), (at, n) => data.subarray(at, at + n), I386);
      const theirs = elfy.parse(data);
      expect({ entry: ours.entry, flags: ours.flags, phoff: ours.phOffset }).toEqual({
        entry: theirs.entry,
        flags: theirs.flags,
        phoff: theirs.phoff,
      });
      expect(ours.segments.map((s) => [s.offset, s.vaddr, s.fileSize, s.memSize, s.align])).toEqual(
        theirs.body.programs.map((p) => [p.offset, p.vaddr, p.filesz, p.memsz, p.align]),
      );
    }
    expect(count).toBeGreaterThan(20);
  });
});
