/** Fields of decoded x86 instructions, and what happens at page borders, at the length limit and with LOCK. */

import { describe, expect, test } from 'bun:test';
import {
  ArrayCode,
  CodeSource,
  DecodeFault,
  type DecodeMode,
  decode,
  decodeInto,
  FLAT_32,
  Insn,
} from '../../targets/x86/decode.ts';
import { disassemble } from '../../targets/x86/disasm.ts';
import { RowBit } from '../../targets/x86/insns-table.ts';
import { NO_OPERAND, OperandKind, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_SS } from '../../targets/x86/operands.ts';

const CODE_16: DecodeMode = { code32: false, stack32: false };
const EBX = 3;
const ESP = 4;
const EBP = 5;
const ESI = 6;
const EDI = 7;

function parse(text: string): Uint8Array {
  return Uint8Array.from(text.split(' '), (byte) => Number.parseInt(byte, 16));
}

function at(pc: number, text: string, mode: DecodeMode = FLAT_32): Insn {
  return decode(new ArrayCode(parse(text), pc), pc, mode);
}

function of(text: string, mode: DecodeMode = FLAT_32): Insn {
  return at(0x1000, text, mode);
}

function address(text: string, mode: DecodeMode = FLAT_32): number[] {
  const { fault, base, index, scale, disp, eaSegment } = of(text, mode);
  expect(fault).toBe(DecodeFault.None);
  return [base, index, scale, disp, eaSegment];
}

describe('effective address', () => {
  test('32-bit: base, SIB, displacement sizes, default segments (SDM volume 2, tables 2-2 and 2-3)', () => {
    expect(address('8b 03')).toEqual([EBX, -1, 0, 0, SEG_DS]);
    expect(address('8b 43 80')).toEqual([EBX, -1, 0, -128, SEG_DS]);
    expect(address('8b 83 00 00 00 80')).toEqual([EBX, -1, 0, -0x80000000, SEG_DS]);
    expect(address('8b 05 ff ff ff ff')).toEqual([-1, -1, 0, -1, SEG_DS]);
    expect(address('8b 45 08')).toEqual([EBP, -1, 0, 8, SEG_SS]);
    expect(address('8b 04 24')).toEqual([ESP, -1, 0, 0, SEG_SS]);
    expect(address('8b 04 e4')).toEqual([ESP, -1, 0, 0, SEG_SS]);
    expect(address('8b 04 b3')).toEqual([EBX, ESI, 2, 0, SEG_DS]);
    expect(address('8b 44 fd 04')).toEqual([EBP, EDI, 3, 4, SEG_SS]);
  });

  test('32-bit: SIB with mod 0 and base 5 has a displacement and no base, and DS', () => {
    expect(address('8b 04 ad 78 56 34 12')).toEqual([-1, EBP, 2, 0x12345678, SEG_DS]);
    expect(address('8b 04 25 10 00 00 00')).toEqual([-1, -1, 0, 0x10, SEG_DS]);
  });

  test('an index register of EBP or ESP base does not change the segment', () => {
    expect(address('8b 04 2b')).toEqual([EBX, EBP, 0, 0, SEG_DS]);
  });

  test('16-bit: all eight forms (SDM volume 2, table 2-1)', () => {
    expect(address('67 8b 00')).toEqual([EBX, ESI, 0, 0, SEG_DS]);
    expect(address('67 8b 01')).toEqual([EBX, EDI, 0, 0, SEG_DS]);
    expect(address('67 8b 02')).toEqual([EBP, ESI, 0, 0, SEG_SS]);
    expect(address('67 8b 03')).toEqual([EBP, EDI, 0, 0, SEG_SS]);
    expect(address('67 8b 04')).toEqual([ESI, -1, 0, 0, SEG_DS]);
    expect(address('67 8b 05')).toEqual([EDI, -1, 0, 0, SEG_DS]);
    expect(address('67 8b 06 34 92')).toEqual([-1, -1, 0, -0x6dcc, SEG_DS]);
    expect(address('67 8b 07')).toEqual([EBX, -1, 0, 0, SEG_DS]);
    expect(address('67 8b 46 ff')).toEqual([EBP, -1, 0, -1, SEG_SS]);
    expect(address('67 8b 86 00 80')).toEqual([EBP, -1, 0, -0x8000, SEG_SS]);
    expect(address('8b 46 ff', CODE_16)).toEqual([EBP, -1, 0, -1, SEG_SS]);
    expect(address('67 8b 04 24', CODE_16)).toEqual([ESP, -1, 0, 0, SEG_SS]);
  });

  test('moffs has the address size', () => {
    expect(of('a1 78 56 34 92')).toMatchObject({ length: 5, base: -1, index: -1, disp: 0x92345678 | 0 });
    expect(of('67 a1 34 92')).toMatchObject({ length: 4, addressSize: 2, disp: 0x9234 });
    expect(of('a0 34 92', CODE_16)).toMatchObject({ length: 3, disp: 0x9234 });
  });

  test('the last segment override counts, also over SS', () => {
    expect(address('65 8b 45 08')[4]).toBe(SEG_GS);
    expect(address('65 26 8b 45 08')[4]).toBe(SEG_ES);
    expect(of('65 64 a4').eaSegment).toBe(SEG_FS);
    expect(of('a4').eaSegment).toBe(SEG_DS);
    expect(of('2e d7').eaSegment).toBe(SEG_CS);
  });
});

describe('operands', () => {
  test('are shared objects', () => {
    const xor = of('31 c0');
    expect(xor.op0).toBe(xor.op1);
    expect(of('b8 01 00 00 00').op0).toBe(xor.op0);
    expect(xor.op2).toBe(NO_OPERAND);
  });

  test('byte registers 4-7 are the high bytes of 0-3', () => {
    expect(of('88 e3').op1).toMatchObject({ kind: OperandKind.Reg8High, num: 0, size: 1 });
    expect(of('88 e3').op0).toMatchObject({ kind: OperandKind.Reg8, num: EBX, size: 1 });
    expect(of('b7 01').op0).toMatchObject({ kind: OperandKind.Reg8High, num: 3 });
  });

  test('sizes follow the operand size prefix and CS.D', () => {
    expect(of('8b 00').op0.kind).toBe(OperandKind.Reg32);
    expect(of('66 8b 00').op1).toMatchObject({ kind: OperandKind.Mem, size: 2 });
    expect(of('8b 00', CODE_16).op0.kind).toBe(OperandKind.Reg16);
    expect(of('66 8b 00', CODE_16).op0.kind).toBe(OperandKind.Reg32);
    expect(of('66 66 8b c0').operandSize).toBe(2);
    expect(of('c5 00').op1.size).toBe(6);
    expect(of('66 c5 00').op1.size).toBe(4);
    expect(of('62 00').op1.size).toBe(8);
    expect(of('d9 20').op0.size).toBe(28);
    expect(of('66 dd 30').op0.size).toBe(94);
    expect(of('8c d8').op0.kind).toBe(OperandKind.Reg32);
    expect(of('8c 18').op0).toMatchObject({ kind: OperandKind.Mem, size: 2 });
  });

  test('string operands: the source can be overridden, the destination cannot', () => {
    const move = of('64 66 a5');
    expect(move.op0).toMatchObject({ kind: OperandKind.StringDest, size: 2 });
    expect(move.op1).toMatchObject({ kind: OperandKind.StringSource, size: 2 });
    expect(move.eaSegment).toBe(SEG_FS);
    expect(of('f3 a6').rep).toBe(0xf3);
    expect(of('f3 f2 a6').rep).toBe(0xf2);
  });

  test('system registers keep their number; the mod field of MOV CR is ignored', () => {
    expect(of('0f 20 d8').op1).toMatchObject({ kind: OperandKind.Control, num: 3 });
    expect(of('0f 22 18')).toMatchObject({ length: 3, op1: { kind: OperandKind.Reg32, num: 0 } });
    expect(of('0f 21 f1').op1).toMatchObject({ kind: OperandKind.Debug, num: 6 });
  });

  test('x87, MMX and SSE registers', () => {
    expect(of('dc c3').op0).toMatchObject({ kind: OperandKind.St, num: 3 });
    expect(of('dc c3').op1).toMatchObject({ kind: OperandKind.St, num: 0 });
    expect(of('0f 6f d1').op1).toMatchObject({ kind: OperandKind.Mmx, num: 1 });
    expect(of('66 0f 6f d1').op0).toMatchObject({ kind: OperandKind.Xmm, num: 2 });
    expect(of('f3 0f 10 08').op1).toMatchObject({ kind: OperandKind.Mem, size: 4 });
  });
});

describe('immediates', () => {
  test('are zero-extended for one and two bytes and int32 for four', () => {
    expect(of('04 ff').imm).toBe(0xff);
    expect(of('66 05 ff ff').imm).toBe(0xffff);
    expect(of('05 ff ff ff ff').imm).toBe(-1);
    expect(of('83 c0 ff').imm).toBe(-1);
    expect(of('66 83 c0 ff').imm).toBe(0xffff);
    expect(of('6a 80').imm).toBe(-128);
    expect(of('cd 80').imm).toBe(0x80);
    expect(of('c2 00 80').imm).toBe(0x8000);
    expect(of('d1 e0')).toMatchObject({ imm: 1, length: 2 });
  });

  test('ENTER, far pointers and EXTRQ have two', () => {
    expect(of('c8 34 12 05')).toMatchObject({ imm: 0x1234, imm2: 5, length: 4 });
    expect(of('9a 78 56 34 92 23 00')).toMatchObject({ imm: 0x92345678 | 0, imm2: 0x23, length: 7 });
    expect(of('66 ea 34 12 23 00')).toMatchObject({ imm: 0x1234, imm2: 0x23, length: 6 });
    expect(of('66 0f 78 c1 12 34')).toMatchObject({ imm: 0x12, imm2: 0x34 });
  });

  test('come after the displacement', () => {
    expect(of('c7 44 24 04 78 56 34 12')).toMatchObject({ disp: 4, imm: 0x12345678, length: 8 });
    expect(of('0f 0f 41 10 bf')).toMatchObject({ mnemonic: 'PAVGUSB', disp: 0x10, length: 5 });
  });
});

describe('branch targets', () => {
  test('are relative to the next instruction and wrap at 4 GiB', () => {
    expect(at(0x1000, 'eb fe').target).toBe(0x1000);
    expect(at(0xfffffff0, 'e9 20 00 00 00').target).toBe(0x15);
    expect(at(0x10, 'e8 e0 ff ff ff').target).toBe(0xfffffff5);
    expect(at(0xfffffffe, 'eb 00').target).toBe(0);
  });

  test('are cut to 16 bits by a 16-bit operand size', () => {
    expect(at(0x12345, '66 e9 00 00').target).toBe(0x2349);
    expect(at(0xfffe, 'eb 10', CODE_16).target).toBe(0x10);
    expect(at(0xfff0, '0f 84 20 00', CODE_16).target).toBe(0x14);
  });

  test('conditions are numbered as in Jcc', () => {
    expect(of('74 00').cond).toBe(4);
    expect(of('0f 9f c0').cond).toBe(15);
    expect(of('da c1').cond).toBe(2);
    expect(of('db d9').cond).toBe(11);
    expect(of('90').cond).toBe(-1);
  });
});

describe('LOCK', () => {
  test('is allowed with a memory destination of a lockable instruction', () => {
    for (const text of [
      'f0 01 00',
      'f0 0f b1 0f',
      'f0 0f c7 0f',
      'f0 ff 00',
      'f0 0f ba 28 01',
      'f0 87 00',
      'f0 f6 10',
    ]) {
      expect(of(text)).toMatchObject({ lock: true, fault: DecodeFault.None });
    }
  });

  test('is #UD elsewhere', () => {
    for (const text of ['f0 01 c0', 'f0 03 00', 'f0 39 00', 'f0 90', 'f0 0f a3 00', 'f0 89 00', 'f0 0f ba 20 01']) {
      expect(of(text).fault).toBe(DecodeFault.Undefined);
    }
  });
});

describe('faults', () => {
  test('undefined opcodes tell the bytes looked at and have the row INVALID', () => {
    expect(of('0f ff c0').mnemonic).toBe('UD0');
    const undefinedOpcode = of('66 0f 04 00');
    expect(undefinedOpcode).toMatchObject({ fault: DecodeFault.Undefined, length: 3, mnemonic: 'INVALID' });
    expect(disassemble(undefinedOpcode)).toBe('(bad)');
    expect(of('ff f8')).toMatchObject({ fault: DecodeFault.Undefined, length: 2 });
    expect(of('8e c8').fault).toBe(DecodeFault.Undefined);
    expect(of('8d c0').fault).toBe(DecodeFault.Undefined);
  });

  test('fifteen bytes are an instruction, sixteen are #GP', () => {
    const prefixes = (count: number) => '2e '.repeat(count);
    expect(of(`${prefixes(14)}90`)).toMatchObject({ fault: DecodeFault.None, length: 15 });
    expect(of(`${prefixes(15)}90`).fault).toBe(DecodeFault.TooLong);
    expect(of(`${prefixes(40)}90`).fault).toBe(DecodeFault.TooLong);
    expect(of(`${prefixes(8)}c7 05 01 02 03 04 05 06 07 08`).fault).toBe(DecodeFault.TooLong);
    expect(of(`${prefixes(5)}c7 05 01 02 03 04 05 06 07 08`)).toMatchObject({ fault: DecodeFault.None, length: 15 });
    expect(of(`${prefixes(13)}0f 04 00`).fault).toBe(DecodeFault.Undefined);
    expect(of(`${prefixes(14)}0f 04 00`).fault).toBe(DecodeFault.TooLong);
  });

  test('the sixteenth byte is not fetched', () => {
    const source = new Pages(0x1000, parse(`${'2e '.repeat(14)}2e`), []);
    expect(decode(source, 0x1000, FLAT_32).fault).toBe(DecodeFault.TooLong);
    expect(source.asked).toEqual([]);
  });
});

/** Two pieces of code that meet at a border; the second can be missing. */
class Pages extends CodeSource {
  readonly asked: number[] = [];
  private readonly second: Uint8Array;
  private readonly secondBase: number;

  constructor(base: number, first: Uint8Array, second: ArrayLike<number>) {
    super();
    this.bytes = first;
    this.base = base;
    this.second = Uint8Array.from(second);
    this.secondBase = (base + first.length) >>> 0;
  }

  seek(address: number): boolean {
    this.asked.push(address);
    if (this.second.length === 0 || address < this.secondBase) return false;
    this.bytes = this.second;
    this.base = this.secondBase;
    return true;
  }
}

describe('page borders', () => {
  const CODE = [
    '90',
    '8b 44 24 10',
    'c7 84 24 01 02 03 04 05 06 07 08',
    '66 0f 3a 0f 8c 88 44 33 22 11 07',
    'f3 0f b8 c1',
    '0f 0f 41 10 bf',
    '9a 78 56 34 92 23 00',
    'c8 34 12 05',
    '2e 2e 2e 2e 2e c7 05 01 02 03 04 05 06 07 08',
    '0f 84 00 01 00 00',
    'a1 78 56 34 92',
    'd9 40 04',
    '67 8b 86 00 80',
  ];

  test('an instruction that ends at the border asks for nothing beyond', () => {
    for (const text of CODE) {
      const source = new Pages(0x1000, parse(text), []);
      expect(decode(source, 0x1000, FLAT_32)).toMatchObject({ fault: DecodeFault.None, length: parse(text).length });
      expect(source.asked).toEqual([]);
    }
  });

  test('a byte that cannot be fetched faults at its own address', () => {
    for (const text of CODE) {
      for (let known = 0; known < parse(text).length; known++) {
        const source = new Pages(0xfffff000, parse(text).subarray(0, known), []);
        expect(decode(source, 0xfffff000, FLAT_32)).toMatchObject({
          fault: DecodeFault.Fetch,
          faultAddress: 0xfffff000 + known,
          length: known,
        });
        expect(source.asked).toEqual([0xfffff000 + known]);
      }
    }
  });

  test('an instruction across the border is the same as in one piece', () => {
    for (const text of CODE) {
      const whole = of(text);
      for (let known = 1; known < whole.length; known++) {
        const rest = [...parse(text).subarray(known), 0xff, 0xff, 0xff];
        const source = new Pages(0x1000, parse(text).subarray(0, known), rest);
        expect({ ...decode(source, 0x1000, FLAT_32) }).toEqual({ ...whole });
      }
    }
  });

  test('an instruction can run over the end of the address space', () => {
    const bytes = parse('c7 05 01 02 03 04 05 06 07 08');
    const source = new Pages(0xfffffffc, bytes.subarray(0, 4), bytes.subarray(4));
    expect(decode(source, 0xfffffffc, FLAT_32)).toMatchObject({ fault: DecodeFault.None, length: 10, next: 6 });
  });

  test('the window is left when the address is elsewhere', () => {
    const source = new Pages(0x1000, parse('90'), [0xf4]);
    expect(decode(source, 0x1001, FLAT_32).mnemonic).toBe('HLT');
    expect(decode(source, 0x500, FLAT_32)).toMatchObject({ fault: DecodeFault.Fetch, faultAddress: 0x500 });
  });
});

describe('Insn', () => {
  test('decodeInto leaves nothing of the instruction before', () => {
    const fresh = of('90');
    const used = new Insn();
    const befores = [
      'f0 65 01 84 b3 01 02 03 04',
      'c8 34 12 05',
      'e9 00 01 00 00',
      '66 67 f3 0f b8 46 01',
      '0f 04',
      '2e',
    ];
    for (const before of befores) {
      decodeInto(used, new ArrayCode(parse(before)), 0, FLAT_32);
      decodeInto(used, new ArrayCode(parse('90'), 0x1000), 0x1000, FLAT_32);
      expect({ ...used }).toEqual({ ...fresh });
    }
  });

  test('the same row is the same object, with a small index', () => {
    expect(of('01 c0').row).toBe(of('01 18').row);
    expect(of('ff 00').row).not.toBe(of('ff 08').row);
    expect(of('ff c0').row.index).toBeGreaterThan(0);
  });

  test('rows carry what the system needs to know', () => {
    expect(of('f4').row.bits & RowBit.Privileged).toBeTruthy();
    expect(of('e4 60').row.bits & RowBit.IoPrivileged).toBeTruthy();
    expect(of('0f 01 ca').row.bits & RowBit.PrivilegedUd).toBeTruthy();
    expect(of('c3').row.bits & RowBit.EndsBlock).toBeTruthy();
    expect(of('a4').row.bits & RowBit.String).toBeTruthy();
    expect(of('9b').row.bits & RowBit.X87).toBeTruthy();
    expect(of('db e3').row.bits & (RowBit.X87 | RowBit.NoWait)).toBe(RowBit.X87 | RowBit.NoWait);
    expect(of('0f 44 c1').row.feature).toBe('CMOV');
    expect(of('f3 0f bd c1').row.feature).toBe('LZCNT');
    expect(of('90').row.feature).toBe('');
  });
});
