// Rows of the ModRM opcode groups 1-17 (SDM volume 2, table A-6) and of the other opcodes that ModRM divides; columns
// are explained in insns-row.ts. The x87 escapes are in insns-x87.ts.

import type { RowSpec } from './insns-row.ts';

export const GROUPS = {
  // 80-83
  '1': [
    [0, 'ADD', '', 'lock', 'MMMMMM'],
    [1, 'OR', '', 'lock', '0MM-M0'],
    [2, 'ADC', '', 'lock', 'MMMMMB'],
    [3, 'SBB', '', 'lock', 'MMMMMB'],
    [4, 'AND', '', 'lock', '0MM-M0'],
    [5, 'SUB', '', 'lock', 'MMMMMM'],
    [6, 'XOR', '', 'lock', '0MM-M0'],
    [7, 'CMP', '', '', 'MMMMMM'],
  ],
  // 8F
  '1A': [[0, 'POP', '']],
  // C0 C1 D2 D3: a count of zero (after masking to five bits) touches no flag. CF of SHL and SHR is undefined for
  // counts of at least the operand size, OF is defined for a count of one. /6 is SHL in every processor.
  '2': [
    [0, 'ROL', '', '', 'u....m'],
    [1, 'ROR', '', '', 'u....m'],
    [2, 'RCL', '', '', 'u....b'],
    [3, 'RCR', '', '', 'u....b'],
    [4, 'SHL', '', '', 'ummumm'],
    [5, 'SHR', '', '', 'ummumm'],
    [6, 'SHL', '', '', 'ummumm'],
    [7, 'SAR', '', '', 'ummumm'],
  ],
  // D0 D1
  '2BY1': [
    [0, 'ROL', '', '', 'M....M'],
    [1, 'ROR', '', '', 'M....M'],
    [2, 'RCL', '', '', 'M....B'],
    [3, 'RCR', '', '', 'M....B'],
    [4, 'SHL', '', '', 'MMM-MM'],
    [5, 'SHR', '', '', 'MMM-MM'],
    [6, 'SHL', '', '', 'MMM-MM'],
    [7, 'SAR', '', '', 'MMM-MM'],
  ],
  // F6: /1 is TEST in every processor
  '3b': [
    [0, 'TEST', 'Eb,Ib', '', '0MM-M0'],
    [1, 'TEST', 'Eb,Ib', '', '0MM-M0'],
    [2, 'NOT', '', 'lock'],
    [3, 'NEG', '', 'lock', 'MMMMMM'],
    [4, 'MUL', '', '', 'M----M'],
    [5, 'IMUL', '', '', 'M----M'],
    [6, 'DIV', '', '', '------'],
    [7, 'IDIV', '', '', '------'],
  ],
  // F7
  '3v': [
    [0, 'TEST', 'Ev,Iz', '', '0MM-M0'],
    [1, 'TEST', 'Ev,Iz', '', '0MM-M0'],
    [2, 'NOT', '', 'lock'],
    [3, 'NEG', '', 'lock', 'MMMMMM'],
    [4, 'MUL', '', '', 'M----M'],
    [5, 'IMUL', '', '', 'M----M'],
    [6, 'DIV', '', '', '------'],
    [7, 'IDIV', '', '', '------'],
  ],
  // FE
  '4': [
    [0, 'INC', '', 'lock', 'MMMMM.'],
    [1, 'DEC', '', 'lock', 'MMMMM.'],
  ],
  // FF
  '5': [
    [0, 'INC', '', 'lock', 'MMMMM.'],
    [1, 'DEC', '', 'lock', 'MMMMM.'],
    [2, 'CALL', '', 'end f64'],
    [3, 'CALLF', 'Mp', 'end'],
    [4, 'JMP', '', 'end f64'],
    [5, 'JMPF', 'Mp', 'end'],
    [6, 'PUSH', '', 'd64'],
  ],
  // 0F 00
  '6': [
    [0, 'SLDT', 'Rv/Mw'],
    [1, 'STR', 'Rv/Mw'],
    [2, 'LLDT', 'Ew', 'priv'],
    [3, 'LTR', 'Ew', 'priv'],
    [4, 'VERR', 'Ew', '', '..M...'],
    [5, 'VERW', 'Ew', '', '..M...'],
  ],
  // 0F 01
  '7': [
    [0, 'SGDT', 'Ms'],
    [1, 'SIDT', 'Ms'],
    [2, 'LGDT', 'Ms', 'priv'],
    [3, 'LIDT', 'Ms', 'priv'],
    [4, 'SMSW', 'Rv/Mw'],
    [6, 'LMSW', 'Ew', 'priv end'],
    [7, 'INVLPG', 'Mb', 'priv end'],
    [0xc8, 'MONITOR', '', 'np privud MONITOR'],
    [0xc9, 'MWAIT', '', 'np privud end MONITOR'],
    [0xca, 'CLAC', '', 'np privud SMAP'],
    [0xcb, 'STAC', '', 'np privud SMAP'],
    [0xd0, 'XGETBV', '', 'np XSAVE'],
    [0xd1, 'XSETBV', '', 'np priv end XSAVE'],
    [0xf8, 'SWAPGS', '', 'priv o64'],
    [0xf9, 'RDTSCP', '', 'RDTSCP'],
  ],
  // 0F BA
  '8': [
    [4, 'BT', '', '', '--.--M'],
    [5, 'BTS', '', 'lock', '--.--M'],
    [6, 'BTR', '', 'lock', '--.--M'],
    [7, 'BTC', '', 'lock', '--.--M'],
  ],
  // 0F C7
  '9': [
    [1, 'CMPXCHG8B', 'Mq', 'lock CX8', '..M...'],
    [6, 'RDRAND', 'Rv', 'nf RDRAND', '00000M'],
    [7, 'RDSEED', 'Rv', 'nf RDSEED', '00000M'],
    [0xf3_07, 'RDPID', 'Rd', 'reg RDPID'],
  ],
  // C6 C7
  '11': [[0, 'MOV', '']],
  // 0F 71
  '12': [
    [2, 'PSRLW', 'Nq,Ib', 'np MMX'],
    [0x66_02, 'PSRLW', 'Ux,Ib', 'SSE2'],
    [4, 'PSRAW', 'Nq,Ib', 'np MMX'],
    [0x66_04, 'PSRAW', 'Ux,Ib', 'SSE2'],
    [6, 'PSLLW', 'Nq,Ib', 'np MMX'],
    [0x66_06, 'PSLLW', 'Ux,Ib', 'SSE2'],
  ],
  // 0F 72
  '13': [
    [2, 'PSRLD', 'Nq,Ib', 'np MMX'],
    [0x66_02, 'PSRLD', 'Ux,Ib', 'SSE2'],
    [4, 'PSRAD', 'Nq,Ib', 'np MMX'],
    [0x66_04, 'PSRAD', 'Ux,Ib', 'SSE2'],
    [6, 'PSLLD', 'Nq,Ib', 'np MMX'],
    [0x66_06, 'PSLLD', 'Ux,Ib', 'SSE2'],
  ],
  // 0F 73
  '14': [
    [2, 'PSRLQ', 'Nq,Ib', 'np MMX'],
    [0x66_02, 'PSRLQ', 'Ux,Ib', 'SSE2'],
    [0x66_03, 'PSRLDQ', 'Ux,Ib', 'SSE2'],
    [6, 'PSLLQ', 'Nq,Ib', 'np MMX'],
    [0x66_06, 'PSLLQ', 'Ux,Ib', 'SSE2'],
    [0x66_07, 'PSLLDQ', 'Ux,Ib', 'SSE2'],
  ],
  // 0F AE: the sizes of the save areas depend on modes and XCR0, so M has none. rm is ignored by the fences.
  '15': [
    [0, 'FXSAVE', 'M', 'np FXSR'],
    [1, 'FXRSTOR', 'M', 'np FXSR'],
    [2, 'LDMXCSR', 'Md', 'np SSE'],
    [3, 'STMXCSR', 'Md', 'np SSE'],
    [4, 'XSAVE', 'M', 'np XSAVE'],
    [5, 'XRSTOR', 'M', 'np XSAVE'],
    [6, 'XSAVEOPT', 'M', 'np XSAVEOPT'],
    [0x66_06, 'CLWB', 'Mb', 'mem CLWB'],
    [7, 'CLFLUSH', 'Mb', 'np CLFSH'],
    [0x66_07, 'CLFLUSHOPT', 'Mb', 'mem CLFLUSHOPT'],
    [0xe8, 'LFENCE', '', '+r np SSE2'],
    [0xf0, 'MFENCE', '', '+r np SSE2'],
    [0xf8, 'SFENCE', '', '+r np SSE'],
  ],
  // 66 0F 78 (AMD's group 17; Intel's 17 has VEX)
  '17': [[0, 'EXTRQ', 'Uq,Ib,Ib', 'reg SSE4A']],
  // 0F 18: the register forms are NOPs, and so is all that has no hint
  '16': [
    [0, 'PREFETCHh', 'Mb', 'mem'],
    [1, 'PREFETCHh', 'Mb', 'mem'],
    [2, 'PREFETCHh', 'Mb', 'mem'],
    [3, 'PREFETCHh', 'Mb', 'mem'],
    [0, 'NOP', 'Ev', 'reg'],
    [1, 'NOP', 'Ev', 'reg'],
    [2, 'NOP', 'Ev', 'reg'],
    [3, 'NOP', 'Ev', 'reg'],
    [4, 'NOP', 'Ev'],
    [5, 'NOP', 'Ev'],
    [6, 'NOP', 'Ev'],
    [7, 'NOP', 'Ev'],
  ],
  // 0F 0D (group P): Intel has /1 and /2; the other hints are NOPs there and prefetches elsewhere, which is the same
  P: [
    [0, 'PREFETCHW', 'Mb', 'mem'],
    [1, 'PREFETCHW', 'Mb', 'mem'],
    [2, 'PREFETCHW', 'Mb', 'mem'],
    [3, 'PREFETCHW', 'Mb', 'mem'],
    [4, 'PREFETCHW', 'Mb', 'mem'],
    [5, 'PREFETCHW', 'Mb', 'mem'],
    [6, 'PREFETCHW', 'Mb', 'mem'],
    [7, 'PREFETCHW', 'Mb', 'mem'],
    [0, 'NOP', 'Ev', 'reg'],
    [1, 'NOP', 'Ev', 'reg'],
    [2, 'NOP', 'Ev', 'reg'],
    [3, 'NOP', 'Ev', 'reg'],
    [4, 'NOP', 'Ev', 'reg'],
    [5, 'NOP', 'Ev', 'reg'],
    [6, 'NOP', 'Ev', 'reg'],
    [7, 'NOP', 'Ev', 'reg'],
  ],
  // F3 0F 1E: NOPs until control-flow enforcement is enabled, which no CPU model here has
  '1E': [
    [0, 'NOP', 'Ev'],
    [1, 'NOP', 'Ev'],
    [2, 'NOP', 'Ev'],
    [3, 'NOP', 'Ev'],
    [4, 'NOP', 'Ev'],
    [5, 'NOP', 'Ev'],
    [6, 'NOP', 'Ev'],
    [7, 'NOP', 'Ev'],
    [0xfa, 'ENDBR64', ''],
    [0xfb, 'ENDBR32', ''],
  ],
} as const satisfies Record<string, readonly RowSpec[]>;
