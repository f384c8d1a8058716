// Rows of the two-byte opcode map 0F xx (SDM volume 2, tables A-3) and of 0F 38 xx that are not SIMD; columns are
// explained in insns-row.ts.

import type { RowSpec } from './insns-row.ts';

export const TWO_BYTE = [
  [0x00, '@6', ''],
  [0x01, '@7', ''],
  [0x02, 'LAR', 'Gv,Ew', '', '..M...'],
  [0x03, 'LSL', 'Gv,Ew', '', '..M...'],
  // Outside 64-bit mode only AMD's processors have these two; EFLAGS beyond IF and RF are kept there.
  [0x05, 'SYSCALL', '', 'end SYSCALL'],
  [0x06, 'CLTS', '', 'priv end'],
  [0x07, 'SYSRET', '', 'priv end SYSCALL'],
  [0x08, 'INVD', '', 'priv'],
  [0x09, 'WBINVD', '', 'priv'],
  [0x0b, 'UD2', '', 'end'],
  [0x0d, '@P', '', 'PREFETCHW'],

  [0x18, '@16', ''],
  [0x19, 'NOP', 'Ev'],
  [0x1a, 'NOP', 'Ev'],
  [0x1b, 'NOP', 'Ev'],
  [0x1c, 'NOP', 'Ev'],
  [0x1d, 'NOP', 'Ev'],
  [0x1e, 'NOP', 'Ev'],
  [0xf3_1e, '@1E', ''],
  [0x1f, 'NOP', 'Ev'],

  [0x20, 'MOV', 'Rd,Cd', 'mod priv', '------'],
  [0x21, 'MOV', 'Rd,Dd', 'mod priv', '------'],
  [0x22, 'MOV', 'Cd,Rd', 'mod priv end', '------'],
  [0x23, 'MOV', 'Dd,Rd', 'mod priv end', '------'],

  [0x30, 'WRMSR', '', 'priv end MSR'],
  [0x31, 'RDTSC', '', 'TSC'],
  [0x32, 'RDMSR', '', 'priv MSR'],
  [0x33, 'RDPMC', '', 'PMC'],
  [0x34, 'SYSENTER', '', 'end SEP', '.......0'],
  [0x35, 'SYSEXIT', '', 'priv end SEP'],

  [0x40, 'CMOVcc', 'Gv,Ev', 'cc CMOV'],
  [0x80, 'Jcc', 'Jz', 'cc end f64'],
  [0x90, 'SETcc', 'Eb', 'cc'],

  [0xa0, 'PUSH', 'FS', 'd64'],
  [0xa1, 'POP', 'FS', 'd64 end'],
  [0xa2, 'CPUID', ''],
  [0xa3, 'BT', 'Ev,Gv', '', '--.--M'],
  [0xa4, 'SHLD', 'Ev,Gv,Ib', '', 'ummumm'],
  [0xa5, 'SHLD', 'Ev,Gv,CL', '', 'ummumm'],
  [0xa8, 'PUSH', 'GS', 'd64'],
  [0xa9, 'POP', 'GS', 'd64 end'],
  [0xaa, 'RSM', '', 'end', 'MMMMMMMM'],
  [0xab, 'BTS', 'Ev,Gv', 'lock', '--.--M'],
  [0xac, 'SHRD', 'Ev,Gv,Ib', '', 'ummumm'],
  [0xad, 'SHRD', 'Ev,Gv,CL', '', 'ummumm'],
  [0xae, '@15', ''],
  [0xaf, 'IMUL', 'Gv,Ev', '', 'M----M'],

  [0xb0, 'CMPXCHG', 'Eb,Gb', 'lock', 'MMMMMM'],
  [0xb1, 'CMPXCHG', 'Ev,Gv', 'lock', 'MMMMMM'],
  [0xb2, 'LSS', 'Gv,Mp', 'end'],
  [0xb3, 'BTR', 'Ev,Gv', 'lock', '--.--M'],
  [0xb4, 'LFS', 'Gv,Mp', 'end'],
  [0xb5, 'LGS', 'Gv,Mp', 'end'],
  [0xb6, 'MOVZX', 'Gv,Eb'],
  [0xb7, 'MOVZX', 'Gv,Ew'],
  [0xf3_b8, 'POPCNT', 'Gv,Ev', 'POPCNT', '00M000'],
  [0xb9, 'UD1', 'Gv,Ev', 'end'],
  [0xba, '@8', 'Ev,Ib'],
  [0xbb, 'BTC', 'Ev,Gv', 'lock', '--.--M'],
  [0xbc, 'BSF', 'Gv,Ev', '', '--M---'],
  // Without the feature a processor runs these two as BSF and BSR: the prefix is ignored, no #UD.
  [0xf3_bc, 'TZCNT', 'Gv,Ev', 'BMI1', '--M--M'],
  [0xbd, 'BSR', 'Gv,Ev', '', '--M---'],
  [0xf3_bd, 'LZCNT', 'Gv,Ev', 'LZCNT', '--M--M'],
  [0xbe, 'MOVSX', 'Gv,Eb'],
  [0xbf, 'MOVSX', 'Gv,Ew'],

  [0xc0, 'XADD', 'Eb,Gb', 'lock', 'MMMMMM'],
  [0xc1, 'XADD', 'Ev,Gv', 'lock', 'MMMMMM'],
  [0xc3, 'MOVNTI', 'My,Gy', 'np SSE2'],
  [0xc7, '@9', ''],
  [0xc8, 'BSWAP', 'Zv', '+r'],
  [0xff, 'UD0', 'Gv,Ev', 'end'],
] as const satisfies readonly RowSpec[];

export const ZERO_F_38 = [
  [0x66_82, 'INVPCID', 'Gy,Mdq', 'priv end INVPCID'],
  [0xf0, 'MOVBE', 'Gv,Mv', 'nf MOVBE'],
  [0xf1, 'MOVBE', 'Mv,Gv', 'nf MOVBE'],
  // The manual's map has Gd,Eb and Gd,Ev; the destination is 64 bits wide with REX.W only.
  [0xf2_f0, 'CRC32', 'Gy,Eb', 'SSE4.2'],
  [0xf2_f1, 'CRC32', 'Gy,Ev', 'SSE4.2'],
  [0x66_f6, 'ADCX', 'Gy,Ey', 'ADX', '.....B'],
  [0xf3_f6, 'ADOX', 'Gy,Ey', 'ADX', 'B.....'],
] as const satisfies readonly RowSpec[];
