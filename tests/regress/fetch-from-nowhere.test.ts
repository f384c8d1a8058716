// A jump to an unmapped page left the page marked as holding code, so that it counted as mapped from then on; and its
// translation, an exception, outlived the page's being mapped by the handler.
import { expect, test } from 'bun:test';
import { buildElf } from '../oracle/elf-i386.ts';
import { runElf, wemuCommand } from '../oracle/runner.ts';
import { caseOf, runCases } from './wemu-case.ts';

const SEGV_MAPERR = 1;
const VARIANTS = [[], ['-engine', 'interp'], ['-disable', 'cold']];

test('a page that was jumped to is no more mapped than before', () => {
  // jmp 0x1ee; mov 0x10,%eax
  const jump = caseOf([0xb8, 0xee, 1, 0, 0, 0xff, 0xe0]);
  const load = caseOf([0xa1, 0x10, 0, 0, 0]);
  for (const options of VARIANTS) {
    const results = runCases([jump, load], options);
    expect(results.map(({ signal }) => signal?.code)).toEqual([SEGV_MAPERR, SEGV_MAPERR]);
  }
});

/*
 * Sets a SIGSEGV handler and calls 0x50000ffe, the first two bytes of `mov $42,%eax`; the handler maps the next page and
 * puts the other three and a RET there. Exits with EAX.
 */
const PROGRAM =
  'b8ae000000bb0b000000b95d80040831d2be08000000cd80bafe0f0050ffd289c3b801000000cd8053565755b8c0000000bb00100050b900100000' +
  'ba07000000be32000000bfffffffff31edcd80c70500100050000000c35d5f5e5bc32880040800000040000000000000000000000000';

test('an instruction whose second page comes late is run when it is there', () => {
  const page = new Uint8Array(4096);
  page.set([0xb8, 42], 4094);
  const elf = buildElf(0x08048000, [
    { address: 0x08048000, bytes: Uint8Array.fromHex(PROGRAM), access: 'rx' },
    { address: 0x50000000, bytes: page, access: 'rwx' },
  ]);
  for (const options of VARIANTS) {
    const wemu = wemuCommand(options);
    if ('missing' in wemu) throw new Error(wemu.missing);
    expect(runElf(elf, wemu.command).exitCode).toBe(42);
  }
});
