// The x87 helpers against a host CPU's recorded answers, and what those cannot show: images, pending exceptions, FXSAVE.

import { expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { X87_HELPERS } from '../../../targets/x86/helpers/x87-table.ts';
import { firstDifference, describe as show, withinOneUlp } from './x87/compare.ts';
import { decodeGolden, GOLDEN_FILE, goldenCases, hashInputs } from './x87/golden.ts';
import { ENV, fieldAddress, X87Machine } from './x87/machine.ts';

const machine = new X87Machine();
const x87 = machine.helpers;
const view = machine.view;
/** Guest memory for images. */
const AT = 0x20000;

test('the module exports what the table lists, and has no data of its own', () => {
  const module = new WebAssembly.Module(readFileSync(join(import.meta.dir, '../../../targets/x86/helpers/x87.wasm')));
  const functions = WebAssembly.Module.exports(module).filter((e) => e.kind === 'function');
  expect(functions.map((e) => e.name).sort()).toEqual(Object.keys(X87_HELPERS).sort());
  expect(WebAssembly.Module.imports(module).map((i) => `${i.module}.${i.name}`)).toEqual(['env.memory']);
  for (const [name, row] of Object.entries(X87_HELPERS)) {
    expect(`${name} ${(x87[name as keyof typeof x87] as unknown as { length: number }).length}`).toBe(
      `${name} ${row.args.length + 1}`,
    );
  }
});

test('every instruction gives what the recorded host CPU gave', () => {
  expect(existsSync(GOLDEN_FILE)).toBe(true);
  const golden = decodeGolden(readFileSync(GOLDEN_FILE));
  expect(golden.header.inputs).toBe(hashInputs());
  const wrong: string[] = [];
  let n = 0;
  let lastBit = 0;
  for (const { instruction, exact, input } of goldenCases()) {
    const expected = golden.result(n++, input);
    const ours = input.slice();
    machine.run(ours);
    if (firstDifference(instruction, ours, expected) < 0) continue;
    if (!exact && withinOneUlp(ours, expected)) lastBit++;
    else wrong.push(`${instruction.name}\n  before ${show(input)}\n  ours   ${show(ours)}\n  host   ${show(expected)}`);
  }
  expect(wrong.slice(0, 3)).toEqual([]);
  expect(n).toBe(golden.header.cases);
  // The transcendental functions of the CPU are not correctly rounded; a broken series would show as a flood of these.
  expect(lastBit).toBeLessThan(60);
});

const set = (name: Parameters<typeof fieldAddress>[0], value: number) => view.setInt32(fieldAddress(name), value, true);
const get = (name: Parameters<typeof fieldAddress>[0]) => view.getInt32(fieldAddress(name), true);
/** 1.0 and 0.0 as f64 bits. */
const ONE = 0x3ff0000000000000n;
const ZERO = 0n;
/** Control word after FNINIT, and with division by zero unmasked. */
const CW_DEFAULT = 0x37f;
const CW_ZE_UNMASKED = 0x37b;

test('an unmasked exception is pending until FNCLEX, FNINIT, a mask or a loaded state ends it', () => {
  const divideByZero = () => {
    x87.fninit(ENV);
    x87.fldcw(ENV, CW_ZE_UNMASKED);
    x87.fld_m64(ENV, ONE);
    expect(x87.x87_pending(ENV)).toBe(0);
    x87.fdiv_m64(ENV, ZERO);
    expect(x87.x87_pending(ENV)).not.toBe(0);
  };
  divideByZero();
  expect(x87.fst_m64(ENV)).toBe(ONE); // the dividend is still there
  x87.fnclex(ENV);
  expect(x87.x87_pending(ENV)).toBe(0);
  divideByZero();
  x87.fldcw(ENV, CW_DEFAULT);
  expect(x87.x87_pending(ENV)).toBe(0);
  x87.fldcw(ENV, CW_ZE_UNMASKED);
  expect(x87.x87_pending(ENV)).not.toBe(0);
  x87.fnsave(ENV, AT, 1);
  expect(x87.x87_pending(ENV)).toBe(0);
  x87.frstor(ENV, AT, 1);
  expect(x87.x87_pending(ENV)).not.toBe(0);
  x87.fnstenv(ENV, AT, 1); // masks everything afterwards
  expect(x87.x87_pending(ENV)).toBe(0);
  expect(x87.fnstcw(ENV)).toBe(CW_DEFAULT);
});

test('a store leaves the stack to the caller, and says when nothing is to be written', () => {
  x87.fninit(ENV);
  x87.fld_m64(ENV, ONE);
  expect(x87.fst_m64(ENV)).toBe(ONE);
  expect(get('fpstore')).toBe(1);
  expect(get('fptop')).toBe(7);
  x87.fpop(ENV);
  expect(get('fptop')).toBe(0);
  expect(get('fpempty')).toBe(0xff);
  expect(x87.fist_m32(ENV, 0)).toBe(-0x80000000); // empty: the integer indefinite
  expect(get('fpstore')).toBe(1);
  x87.fldcw(ENV, 0x340); // everything unmasked
  x87.fnclex(ENV);
  x87.fst_m80(ENV);
  expect(get('fpstore')).toBe(0);
});

/** Bytes at AT as 16-bit numbers in hexadecimal. */
function words(count: number): string {
  return Array.from({ length: count }, (_, i) =>
    view
      .getUint16(AT + 2 * i, true)
      .toString(16)
      .padStart(4, '0'),
  ).join(' ');
}

// SDM volume 1, figures 8-9 to 8-12. No host in sight runs real-address mode, so these are checked against the figures.
test('the environment has its four formats', () => {
  x87.fninit(ENV);
  x87.fld_m64(ENV, ONE);
  set('fpip', 0x12345678);
  set('fpcs', 0x23);
  set('fpdp', 0xabcdef01 | 0);
  set('fpds', 0x2b);
  set('fpop', 0x5d8);
  const format = (n: number, count: number) => {
    for (let i = 0; i < 32; i++) view.setUint8(AT + i, 0xee);
    x87.fnstenv(ENV, AT, n);
    return words(count);
  };
  expect(format(0, 8)).toBe('037f 3800 3fff 5678 0023 ef01 002b eeee');
  expect(format(1, 15)).toBe('037f ffff 3800 ffff 3fff ffff 5678 1234 0023 05d8 ef01 abcd 002b ffff eeee');
  expect(format(2, 8)).toBe('037f 3800 3fff 5678 45d8 ef01 d000 eeee');
  expect(format(3, 15)).toBe('037f ffff 3800 ffff 3fff ffff 5678 ffff 45d8 0123 ef01 ffff d000 0abc eeee');
  set('fpip', 0);
  set('fpdp', 0);
  set('fpop', 0);
  x87.fldenv(ENV, AT, 3);
  expect([get('fpip'), get('fpdp') >>> 0, get('fpop'), get('fptop'), get('fpempty')]).toEqual([
    0x12345678, 0xabcdef01, 0x5d8, 7, 0x7f,
  ]);
});

test('FXSAVE and FXRSTOR carry the x87 state', () => {
  x87.fninit(ENV);
  x87.fld_const(ENV, 3);
  x87.fld_m64(ENV, ONE);
  x87.fcom_r(ENV, 1, 0);
  set('fpip', 0x12345678);
  for (let i = 0; i < 512; i++) view.setUint8(AT + i, 0xee);
  x87.fxsave_x87(ENV, AT);
  expect(words(8)).toBe('037f 3100 00c0 0000 5678 1234 0000 0000');
  expect(view.getUint8(AT + 24)).toBe(0xee); // MXCSR is the caller's
  const st = (i: number) => view.getBigUint64(AT + 32 + 16 * i, true).toString(16);
  expect([st(0), st(1)]).toEqual(['8000000000000000', 'c90fdaa22168c235']);
  x87.fninit(ENV);
  x87.fxrstor_x87(ENV, AT);
  expect(x87.fnstsw(ENV)).toBe(0x3100);
  expect([get('fpempty'), get('fpip')]).toEqual([0x3f, 0x12345678]);
  expect(x87.fst_m64(ENV)).toBe(ONE);
});
