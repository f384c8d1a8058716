// Guest memory: checks never let JavaScript touch a protected page, translated pages stay protected, the heap and stacks grow.
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GuestMemory } from '../../../src/memory/guest-memory.ts';
import { PAGE_CODE } from '../../../src/memory/page-flags.ts';

const PAGE = 4096;
const BASE = 0x20000000;
const HIGH = 0xf0000000;
const FIXED_ANON = 0x32;
const ENOMEM = -12;
const EINVAL = -22;
const EPERM = -1;

let memory: GuestMemory;
beforeEach(() => {
  memory = new GuestMemory();
  memory.setMmapBase(8 << 20);
});
afterEach(() => memory.dispose());

/** What the host says about the protection of a guest page. */
function hostProt(address: number): string {
  const at = memory.base + address;
  for (const line of readFileSync('/proc/self/maps', 'latin1').split('\n')) {
    const m = /^([0-9a-f]+)-([0-9a-f]+) (...)/.exec(line);
    if (m && Number.parseInt(m[1]!, 16) <= at && at < Number.parseInt(m[2]!, 16)) return m[3]!;
  }
  return '';
}

describe('checks', () => {
  test('nothing is accessible at first, and never beyond the task size', () => {
    for (const at of [0, 1, 0x1000, BASE, 0x7fffffff, 0x80000000, 0xfdffffff, 0xfe000000, 0xffffffff, -1]) {
      expect([memory.checkRead(at, 1), memory.checkWrite(at, 1), memory.prepareWrite(at, 1)]).toEqual([
        false,
        false,
        false,
      ]);
    }
    expect(memory.checkRead(0xffffffff, 0)).toBe(true);
    expect(memory.checkRead(0, 2 ** 32)).toBe(false);
    expect(hostProt(0)).toBe('---');
    expect(hostProt(0xfdfff000)).toBe('---');
    expect(hostProt(0xfe000000)).toBe('rw-');
    expect(hostProt(0xff000000)).toBe('---');
  });

  test('access follows protection, on both sides of 2 GiB and for negative int32 forms', () => {
    for (const at of [BASE, HIGH]) {
      memory.map(at, 3 * PAGE, 3, FIXED_ANON, -1, 0);
      memory.protect(at + PAGE, PAGE, 1);
      memory.protect(at + 2 * PAGE, PAGE, 0);
      expect(memory.checkRead(at | 0, 2 * PAGE)).toBe(true);
      expect(memory.checkRead(at, 2 * PAGE + 1)).toBe(false);
      expect(memory.checkWrite(at | 0, PAGE)).toBe(true);
      expect(memory.checkWrite(at, PAGE + 1)).toBe(false);
      expect(memory.checkExec(at)).toBe(false);
      expect(memory.isMapped(at + 2 * PAGE)).toBe(true);
      expect(memory.isMapped(at + 3 * PAGE)).toBe(false);
      memory.write32(at + 1, 0x89abcdef);
      expect(memory.read32(at + 1)).toBe(0x89abcdef);
      expect(memory.read16((at + 2) | 0)).toBe(0xabcd);
      expect(memory.read8(at + 4)).toBe(0x89);
      expect(hostProt(at + PAGE)).toBe('r--');
      expect(hostProt(at + 2 * PAGE)).toBe('---');
    }
  });

  test('executable pages are readable but not executable on the host; write implies read', () => {
    memory.map(BASE, PAGE, 4, FIXED_ANON, -1, 0);
    expect([memory.checkRead(BASE, 1), memory.checkExec(BASE, 1), memory.checkWrite(BASE, 1)]).toEqual([
      true,
      true,
      false,
    ]);
    expect(hostProt(BASE)).toBe('r--');
    memory.map(BASE, PAGE, 2, FIXED_ANON, -1, 0);
    expect(memory.checkRead(BASE, 1)).toBe(true);
  });

  test('pages of a file without data behind them are refused instead of killing the process', () => {
    const dir = mkdtempSync(join(tmpdir(), 'memory-'));
    const path = join(dir, 'file');
    writeFileSync(path, new Uint8Array(PAGE + 10).fill(7));
    const fd = openSync(path, 'r+');
    // It is needed by its descriptor only.
    rmSync(dir, { recursive: true });
    memory.map(BASE, 4 * PAGE, 3, 0x11, fd, 0);
    expect(memory.checkRead(BASE, 2 * PAGE)).toBe(true);
    expect(memory.read8(BASE + PAGE + 9)).toBe(7);
    expect(memory.checkRead(BASE + 2 * PAGE, 1)).toBe(false);
    expect(memory.prepareWrite(BASE + 2 * PAGE - 1, 2)).toBe(false);
    expect(memory.isBeyondFile(BASE + 2 * PAGE, 1)).toBe(true);
    expect(memory.readBytes(BASE, 3 * PAGE)).toBeUndefined();
    expect(memory.readCString(BASE + PAGE, 100)!.length).toBe(10);
    ftruncateSync(fd, 0);
    expect(memory.checkRead(BASE, 1)).toBe(false);
  });

  test('strings stop at zero, at the limit, or fail at the first page that cannot be read', () => {
    memory.map(BASE, 2 * PAGE, 3, FIXED_ANON, -1, 0);
    memory.u8.fill(0x41, BASE, BASE + 2 * PAGE);
    expect(memory.readCString(BASE + 2 * PAGE - 3, 100)).toBeUndefined();
    expect(memory.readCString(BASE + 2 * PAGE - 3, 3)!.length).toBe(3);
    memory.write8(BASE + 2 * PAGE - 1, 0);
    expect(memory.readCString(BASE + 2 * PAGE - 3, 100)!.length).toBe(2);
    expect(memory.readCString(BASE + PAGE - 5, 2 * PAGE)!.length).toBe(PAGE + 4);
    expect(memory.readCString(0xffffffff, 10)).toBeUndefined();
    expect(memory.readCString(0xfdffffff, 10)).toBeUndefined();
  });

  test('bulk writes store all or nothing', () => {
    memory.map(BASE, PAGE, 3, FIXED_ANON, -1, 0);
    expect(memory.writeBytes(BASE + PAGE - 2, new Uint8Array([1, 2]))).toBe(true);
    expect(memory.writeBytes(BASE + PAGE - 2, new Uint8Array([3, 4, 5]))).toBe(false);
    expect([...memory.readBytes(BASE + PAGE - 2, 2)!]).toEqual([1, 2]);
  });
});

describe('translated code', () => {
  test('is write-protected until somebody prepares to write, who is told of', () => {
    const written: number[][] = [];
    memory.onCodeWrite = (first, last) => {
      written.push([first, last]);
      memory.unprotectCode(first, last);
    };
    memory.map(BASE, 4 * PAGE, 7, FIXED_ANON, -1, 0);
    const page = BASE / PAGE;
    memory.protectCode(page + 1);
    memory.protectCode(page + 2);
    expect(hostProt(BASE)).toBe('rw-');
    expect(hostProt(BASE + PAGE)).toBe('r--');
    expect(memory.checkWrite(BASE, 4 * PAGE)).toBe(true);
    expect(memory.prepareWrite(BASE, PAGE)).toBe(true);
    expect(written).toEqual([]);
    expect(memory.prepareWrite(BASE, 4 * PAGE)).toBe(true);
    expect(written).toEqual([[page + 1, page + 2]]);
    expect(hostProt(BASE + PAGE)).toBe('rw-');
    expect(memory.prepareWrite(BASE, 4 * PAGE)).toBe(true);
    expect(written.length).toBe(1);
    memory.protectCode(page);
    expect(memory.prepareHostWrite(BASE + 100, 1)).toBe(true);
    expect(written.at(-1)).toEqual([page, page]);
    expect(memory.pages[page]! & PAGE_CODE).toBe(0);
  });

  test('goes when its pages are unmapped, replaced, moved, or lose the right to execute, and only then', () => {
    const dropped: string[] = [];
    memory.onUnmapCode = (first, last) => {
      dropped.push(`${((first * PAGE - BASE) / PAGE) | 0}-${((last * PAGE - BASE) / PAGE) | 0}`);
    };
    const again = (): void => {
      memory.map(BASE, 4 * PAGE, 7, FIXED_ANON, -1, 0);
      dropped.length = 0;
      memory.protectCode(BASE / PAGE + 1);
    };
    again();
    memory.unmap(BASE, 4 * PAGE);
    expect(dropped).toEqual(['1-1']);
    again();
    memory.map(BASE + PAGE, PAGE, 3, FIXED_ANON, -1, 0);
    expect(dropped).toEqual(['1-1']);
    again();
    memory.remap(BASE, 4 * PAGE, 4 * PAGE, 3, BASE + 16 * PAGE);
    expect(dropped).toEqual(['1-1']);
    again();
    memory.protect(BASE, 4 * PAGE, 3);
    expect(dropped).toEqual(['1-1']);
    again();
    memory.advise(BASE, 4 * PAGE, 4);
    expect(dropped).toEqual(['1-1']);
    again();
    memory.protect(BASE, 4 * PAGE, 5);
    expect(dropped).toEqual([]);
    memory.protect(BASE, 4 * PAGE, 7);
    expect(dropped).toEqual([]);
    // Still protected against writing on the host.
    expect(hostProt(BASE + PAGE)).toBe('r--');
    expect(hostProt(BASE)).toBe('rw-');
  });
});

describe('heap', () => {
  test('grows, shrinks, keeps contents, and stops before another mapping', () => {
    memory.setBrkStart(BASE);
    expect(memory.brk(0)).toBe(BASE);
    expect(memory.brk(BASE - 1)).toBe(BASE);
    expect(memory.brk(BASE + 10)).toBe(BASE + 10);
    memory.write8(BASE + 9, 5);
    expect(memory.brk(BASE + 5 * PAGE)).toBe(BASE + 5 * PAGE);
    memory.write8(BASE + 5 * PAGE - 1, 6);
    expect(memory.brk(BASE + PAGE)).toBe(BASE + PAGE);
    expect(memory.checkRead(BASE + PAGE, 1)).toBe(false);
    expect(memory.brk(BASE + 5 * PAGE)).toBe(BASE + 5 * PAGE);
    expect(memory.read8(BASE + 5 * PAGE - 1)).toBe(0);
    expect(memory.read8(BASE + 9)).toBe(5);
    memory.map(BASE + 8 * PAGE, PAGE, 3, FIXED_ANON, -1, 0);
    expect(memory.brk(BASE + 8 * PAGE)).toBe(BASE + 5 * PAGE);
    expect(memory.brk(BASE + 7 * PAGE)).toBe(BASE + 7 * PAGE);
    expect(memory.brk(0xffffffff)).toBe(BASE + 7 * PAGE);
    expect(memory.brk(BASE + 2 * PAGE, PAGE)).toBe(BASE + 7 * PAGE);
    expect(
      memory
        .regions()
        .filter((r) => r.path === '[heap]')
        .map((r) => [r.start, r.end]),
    ).toEqual([[BASE, BASE + 7 * PAGE]]);
  });
});

describe('mappings that grow downwards', () => {
  test('grow when touched, up to the stack limit and the guard gap', () => {
    memory.setMmapBase(1 << 20);
    const top = BASE + 0x1000000;
    memory.map(top - PAGE, PAGE, 3, FIXED_ANON | 0x100, -1, 0);
    expect(memory.checkRead(top - 10 * PAGE, 4)).toBe(true);
    expect(memory.prepareWrite(top - 12 * PAGE - 2, 4)).toBe(true);
    expect(memory.checkRead(top - (1 << 20) - 1, 1)).toBe(false);
    expect(memory.checkRead(top - (1 << 20), 1)).toBe(true);
    // Something closer than 1 MiB below stops it.
    const other = BASE + 0x8000000;
    memory.map(other, PAGE, 3, FIXED_ANON | 0x100, -1, 0);
    memory.map(other - 300 * PAGE, PAGE, 3, FIXED_ANON, -1, 0);
    expect(memory.growDown(other - 10 * PAGE)).toBe(true);
    expect(memory.growDown(other - 100 * PAGE)).toBe(false);
  });
});

describe('edges of the address space', () => {
  test('requests that cannot be', () => {
    expect(memory.map(0, 0, 3, 0x22, -1, 0)).toBe(EINVAL);
    expect(memory.map(0, 0xffffffff, 3, 0x22, -1, 0)).toBe(ENOMEM);
    expect(memory.map(0, 0xfe001000, 3, 0x22, -1, 0)).toBe(ENOMEM);
    expect(memory.map(0xfdfff000, 2 * PAGE, 3, FIXED_ANON, -1, 0)).toBe(ENOMEM);
    expect(memory.map(0xfe000000, PAGE, 3, FIXED_ANON, -1, 0)).toBe(ENOMEM);
    expect(memory.map(0xfffff000, PAGE, 3, FIXED_ANON, -1, 0)).toBe(ENOMEM);
    expect(memory.map(1, PAGE, 3, FIXED_ANON, -1, 0)).toBe(EINVAL);
    expect(memory.map(BASE, PAGE, 3, FIXED_ANON | 0x40000, -1, 0)).toBe(ENOMEM);
    expect(memory.unmap(0xfe000000, PAGE)).toBe(EINVAL);
    expect(memory.unmap(0xffffffff, PAGE)).toBe(EINVAL);
    expect(memory.protect(0xfe000000, PAGE, 3)).toBe(ENOMEM);
    expect(memory.remap(0xfe000000, PAGE, 2 * PAGE, 1, 0)).toBeLessThan(0);
    if (process.geteuid!() !== 0) expect(memory.map(0, PAGE, 3, FIXED_ANON, -1, 0)).toBe(EPERM);
    // Whatever was asked, emulator state is still there.
    memory.write32(0xfe000000, 0x12345678);
    expect(memory.read32(0xfe000000)).toBe(0x12345678);
  });

  test('the whole space can be filled, emptied and filled again', () => {
    for (let round = 0; round < 2; round++) {
      let total = 0;
      for (const size of [1 << 30, 1 << 28, 1 << 24, 1 << 20, PAGE]) {
        for (;;) {
          const at = memory.map(0, size, 1, 0x4022, -1, 0);
          if (at < 0) break;
          total += size;
          expect(at + size).toBeLessThanOrEqual(memory.taskSize);
        }
      }
      // Only addresses below 64 KiB, and what the search never looks at above mmap_base, stay free.
      expect(total).toBeGreaterThan(0xf5000000);
      expect(memory.unmap(0, memory.taskSize)).toBe(0);
    }
    expect(memory.map(0, PAGE, 3, 0x22, -1, 0)).toBe(memory.mmapBase - PAGE);
  });

  test('a smaller task size is a smaller world', () => {
    const small = new GuestMemory(0x40000000);
    small.setMmapBase(8 << 20);
    expect(small.map(0, PAGE, 3, 0x22, -1, 0)).toBe(0x38000000 - PAGE);
    expect(small.map(0x3ffff000, 2 * PAGE, 3, FIXED_ANON, -1, 0)).toBe(ENOMEM);
    small.dispose();
  });

  test('a second view of the same memory sees the same mappings', () => {
    memory.map(BASE, PAGE, 3, FIXED_ANON, -1, 0);
    const other = new GuestMemory(undefined, memory.share());
    expect(other.checkWrite(BASE, PAGE)).toBe(true);
    expect(other.map(0, PAGE, 3, 0x22, -1, 0)).toBe(memory.mmapBase - PAGE);
    expect(memory.isMapped(memory.mmapBase - PAGE)).toBe(true);
    expect(memory.map(0, PAGE, 3, 0x22, -1, 0)).toBe(memory.mmapBase - 2 * PAGE);
  });
});
