// The first stack has the layout that the host kernel gives a 32-bit process, byte for byte.
import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AT, type AuxEntry } from '../../../src/loader/auxv.ts';
import { type StackInput, writeStackImage } from '../../../src/loader/stack-image.ts';
import { GuestMemory } from '../../../src/memory/guest-memory.ts';
import { testWith } from '../../setup/needs.ts';
import { oraclePath } from '../../setup/oracles.ts';

const compiler = oraclePath('gcc-i386');
const STACK = 1 << 20;
const TOP = 0xc0000000;

const memory = new GuestMemory();
memory.map(TOP - STACK, STACK, 3, 0x32, -1, 0);
beforeEach(() => {
  memory.u8.fill(0, TOP - STACK, TOP);
});
afterAll(() => memory.dispose());

const AUX = {
  programHeaders: 0x8048034,
  programHeaderSize: 32,
  programHeaderCount: 8,
  interpreterBase: 0,
  entry: 0x8049000,
  uid: 1,
  euid: 2,
  gid: 3,
  egid: 4,
  secure: false,
  hwcap: 0x8000,
  clockTicks: 100,
  pageSize: 4096,
};

function input(argv: string[], envp: string[], more: Partial<StackInput> = {}): StackInput {
  return {
    top: TOP,
    size: STACK,
    argv,
    envp,
    execFn: './program',
    platform: 'i686',
    random: new Uint8Array(16).fill(7),
    aux: AUX,
    wordSize: 4,
    bigEndian: false,
    ...more,
  };
}

describe('stack image', () => {
  test('argc is at a multiple of 16 for every number of arguments', () => {
    for (let n = 0; n < 20; n++) {
      const image = writeStackImage(memory, input(Array(n).fill('x'), []))!;
      expect(image.stackPointer % 16).toBe(0);
      expect(memory.read32(image.stackPointer)).toBe(n);
      expect(memory.read32(image.stackPointer + 4 * (n + 1))).toBe(0);
    }
  });

  test('bytes above 127 and empty strings arrive unchanged', () => {
    const image = writeStackImage(memory, input(['a\xff\x80', ''], ['Ä=\xe9']))!;
    const first = memory.read32(image.stackPointer + 4);
    expect([...memory.readCString(first, 10)!]).toEqual([0x61, 0xff, 0x80]);
    expect(memory.readCString(memory.read32(image.stackPointer + 8), 10)!.length).toBe(0);
    expect(image.argEnd - image.argStart).toBe(5);
    expect(image.envStart).toBe(image.argEnd);
  });

  test('arguments beyond a quarter of the stack, or one of 128 KiB, are too much', () => {
    const long = 'x'.repeat(100_000);
    expect(writeStackImage(memory, input([long, long], []))).toBeDefined();
    expect(writeStackImage(memory, input([long, long, long], []))).toBeUndefined();
    expect(writeStackImage(memory, input(['x'.repeat(131072)], [], { size: 8 << 20 }))).toBeUndefined();
  });

  test('64-bit and big-endian words', () => {
    const image = writeStackImage(memory, input(['a'], [], { wordSize: 8, bigEndian: true }))!;
    const bytes = memory.readBytes(image.stackPointer, 16)!;
    expect([...bytes.subarray(0, 8)]).toEqual([0, 0, 0, 0, 0, 0, 0, 1]);
    expect(memory.readCString(new DataView(bytes.buffer).getUint32(12), 5)).toEqual(new Uint8Array([0x61]));
  });
});

describe('against the host kernel', () => {
  const dir = mkdtempSync(join(tmpdir(), 'stack-'));
  afterAll(() => rmSync(dir, { recursive: true }));
  const program = join(dir, 'dump');
  if (compiler) {
    const source = join(import.meta.dir, 'stack-dump.c');
    Bun.spawnSync([compiler, '-w', '-static', '-o', program, source], { stdio: ['ignore', 'inherit', 'inherit'] });
  }

  const cases: [string[], Record<string, string>][] = [
    [[], {}],
    [['x', 'yy', ''], { A: '1' }],
    [['a longer argument with spaces', 'b'], { HOME: '/root', LANG: 'C', EMPTY: '' }],
    [Array.from({ length: 33 }, (_, k) => 'v'.repeat(k)), { X: 'y'.repeat(1000) }],
  ];
  for (const [args, env] of cases) {
    testWith(['gcc-i386'], `${args.length} arguments, ${Object.keys(env).length} variables`, () => {
      // Without -R the kernel shifts the stack by a random amount below the strings.
      const run = Bun.spawnSync(['setarch', '-R', program, ...args], { env });
      expect(run.exitCode).toBe(0);
      const native = run.stdout.subarray(4);
      const view = new DataView(native.buffer, native.byteOffset, native.byteLength);
      const sp = run.stdout.readUInt32LE(0);
      const top = sp + native.length;
      const wordAt = (at: number): number => view.getUint32(at, true);
      // The native vector tells what only the kernel knows: values of this machine and its process.
      let at = 4 * (1 + args.length + 2 + Object.keys(env).length + 1);
      const aux: AuxEntry[] = [];
      do {
        aux.push([wordAt(at), wordAt(at + 4)]);
        at += 8;
      } while (aux.at(-1)![0] !== AT.NULL);
      const value = (type: number): number => aux.find((e) => e[0] === type)?.[1] ?? 0;
      const index = (type: number): number => aux.findIndex((e) => e[0] === type);
      const randomAt = value(AT.RANDOM) - sp;
      const image = writeStackImage(memory, {
        ...input(
          [program, ...args],
          Object.entries(env).map(([k, v]) => `${k}=${v}`),
        ),
        execFn: program,
        random: native.subarray(randomAt, randomAt + 16),
        aux: {
          programHeaders: value(AT.PHDR),
          programHeaderSize: value(AT.PHENT),
          programHeaderCount: value(AT.PHNUM),
          interpreterBase: value(AT.BASE),
          entry: value(AT.ENTRY),
          uid: value(AT.UID),
          euid: value(AT.EUID),
          gid: value(AT.GID),
          egid: value(AT.EGID),
          secure: value(AT.SECURE) !== 0,
          hwcap: value(AT.HWCAP),
          hwcap2: index(AT.HWCAP2) >= 0 ? value(AT.HWCAP2) : undefined,
          clockTicks: value(AT.CLKTCK),
          pageSize: value(AT.PAGESZ),
          extra: aux.slice(0, index(AT.HWCAP)),
          last: aux.slice(index(AT.PLATFORM) + 1, -1),
        },
      })!;
      expect(TOP - image.stackPointer).toBe(native.length);
      const ours = memory.readBytes(image.stackPointer, native.length)!;
      const ourView = new DataView(ours.buffer);
      // Words below the strings: equal, or both pointers into the stack with the same distance from its end.
      const strings = image.argStart - image.stackPointer;
      for (let k = 0; k + 4 <= randomAt; k += 4) {
        const [theirs, our] = [wordAt(k), ourView.getUint32(k, true)];
        const pointer = theirs >= sp && theirs < top;
        expect({ k, word: pointer ? TOP - our : our }).toEqual({ k, word: pointer ? top - theirs : theirs });
      }
      expect([...ours.subarray(randomAt)]).toEqual([...native.subarray(randomAt)]);
      expect(strings).toBeGreaterThan(randomAt);
      expect([...image.auxv]).toEqual([...ours.subarray(at - aux.length * 8, at)]);
    });
  }
});
