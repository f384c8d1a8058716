// Backtraces through signal handlers and the vDSO, natively and under wemu; SYSENTER, which only some host CPUs have.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VDSO, vdsoImage } from '../../../linux-user/abi/i386-vdso.ts';
import { le32 } from '../../oracle/asm-i386.ts';
import { MEMORY_MAP, regsFrom } from '../../oracle/insn-case.ts';
import { NATIVE, nativeUnavailable, runProgram, wemuCommand } from '../../oracle/runner.ts';
import { caseOf, runCases } from '../../regress/wemu-case.ts';
import { PROGRAM_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';

const unavailable = nativeUnavailable();
const native = { met: unavailable === undefined, reason: unavailable ?? '' };
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'wemu-unwind-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

testWith(['gcc-i386', native], 'backtraces through handlers, and the vDSO, are as natively', () => {
  const program = join(folder, 'unwind');
  const source = join(import.meta.dir, 'unwind.c');
  const compiler = ['i686-linux-gnu-gcc', '-O1', '-w', '-static', '-funwind-tables', source, '-o', program];
  expect(Bun.spawnSync(compiler).stderr.toString()).toBe('');
  const text = (command: string[]) =>
    new TextDecoder().decode(runProgram(program, command, { timeout: PROGRAM_LIMIT }).stdout);
  const expected = text(NATIVE);
  expect(expected).toContain('siginfo handler: info_handler vdso');
  for (const options of [[], ['-engine', 'interp']]) {
    const wemu = wemuCommand(options);
    if ('missing' in wemu) throw new Error(wemu.missing);
    expect(text(wemu.command)).toBe(expected);
  }
});

describe('SYSENTER', () => {
  const SYS_GETPID = 20;
  const SYS_MMAP2 = 192;
  test('comes back behind what the caller has pushed', () => {
    const { STACK } = MEMORY_MAP;
    // push back; push ecx; push edx; push ebp; mov ebp,esp; sysenter; nop; back: nop
    const code = [0x68, ...le32(15), 0x51, 0x52, 0x55, 0x89, 0xe5, 0x0f, 0x34, 0x0f, 0x0b, 0x90];
    const insn = caseOf(code, {
      regs: regsFrom({ eax: SYS_GETPID, ecx: 11, edx: 22, ebp: 33, esp: STACK }),
      codeReferences: [{ in: 'code', offset: 1 }],
    });
    const [result] = runCases([{ ...insn, code: Uint8Array.from(code.with(1, 14)) }]);
    expect(result!.signal).toBeUndefined();
    expect([result!.regs[1], result!.regs[2], result!.regs[5], result!.regs[4]]).toEqual([11, 22, 33, STACK]);
    expect(result!.regs[0]).toBeGreaterThan(1);
  });
  test('the sixth argument is on the stack', () => {
    const { STACK } = MEMORY_MAP;
    // mmap2(0, 4096, PROT_READ, MAP_PRIVATE, -1, 0): EBADF says that the call was understood.
    const code = [0x68, ...le32(14), 0x51, 0x52, 0x6a, 0, 0x89, 0xe5, 0x0f, 0x34, 0x0f, 0x0b];
    const insn = caseOf(code, {
      regs: regsFrom({ eax: SYS_MMAP2, ebx: 0, ecx: 4096, edx: 1, esi: 2, edi: 0xffffffff, esp: STACK }),
      codeReferences: [{ in: 'code', offset: 1 }],
    });
    const [result] = runCases([{ ...insn, code: Uint8Array.from(code.with(1, 15)) }]);
    expect(result!.regs[0]! | 0).toBe(-9);
  });
});

test('the image is one page with its code where others look for it', () => {
  const image = vdsoImage();
  expect(image.length).toBe(4096);
  expect([image[VDSO.vsyscall], image[VDSO.landing - 2], image[VDSO.sigreturn], image[VDSO.rtSigreturn]]).toEqual([
    0xcd, 0xcd, 0x58, 0xb8,
  ]);
});
