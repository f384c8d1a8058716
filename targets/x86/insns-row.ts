// What an x86 instruction row is: its columns and attributes.

/**
 * One encoding, in the manner of the opcode maps of the Intel SDM, volume 2, appendix A:
 *
 * 0. **key**. In an opcode map: the last opcode byte. In a group: 0-7 is the reg field of ModRM (any mod unless an
 *    operand letter or `mem`/`reg` narrows it); 0xc0-0xff is one exact ModRM byte, and wins over a row for its reg
 *    field. A mandatory prefix is written in front: `0x66_6f`, `0xf3_6f`, `0xf2_6f`. A row without one answers for
 *    every prefix that has no row of its own, unless it says `np`.
 * 1. **mnemonic**, the manual's; translation-equivalent encodings share one. `@name` refers to a group.
 * 2. **operands**, destination first, in the manual's letters (operands.ts lists them). In a group, '' takes over the
 *    operands of the map row that refers to it.
 * 3. **attributes**, blank-separated. Lower case: see RowAttribute. Upper case: the CPUID feature without which the
 *    encoding raises #UD. A group's row adds to the attributes of the map row, its feature replaces that one's.
 * 4. **flags**, one letter for each of OF SF ZF AF PF CF, then optionally DF, IF (SDM volume 1, appendix A):
 *    `.` untouched, `T` tested, `M` modified by the result, `B` tested and modified, `0` `1` forced, `-` undefined,
 *    `m` modified or, for a count of zero, untouched, `b` the same and tested, `u` undefined (some counts define it)
 *    or untouched. '' stands for all untouched.
 */
export type RowSpec = readonly [key: number, mnemonic: string, operands: string, attributes?: string, flags?: string];

/**
 * - `lock`: LOCK allowed, with a memory destination
 * - `mem` / `reg`: this row is for the memory / register forms only (also implied by operand letters M / R N U ST)
 * - `+r` (first in its column): covers the keys up to key|7, the low three bits name a register
 * - `cc` (first in its column): covers 16 opcodes, the low four bits are the condition; `cc2` ...: it is that number
 * - `priv`: #GP outside CPL 0, `privud`: #UD there; `iopl`: #GP when CPL > IOPL (port instructions then ask the I/O bitmap)
 * - `end`: control may go elsewhere than to the next instruction, or translation must stop here
 * - `str`: string instruction, REP/REPE/REPNE repeat it
 * - `np`: a prefix 66, F2 or F3 makes it undefined (for SIMD rows, where it selects another row)
 * - `nf`: a prefix F2 or F3 makes it undefined, 66 is the operand size
 * - `mod`: the mod field is ignored, the operand is a register
 * - `x87`: raises #NM when CR0.EM or CR0.TS is set, waits for pending exceptions unless `nowait`
 * - `3dnow`: the immediate is an opcode of the 3DNow! map
 * - `i64` / `o64`: invalid in / only in 64-bit mode; `d64`: operand size there 64 by default; `f64`: always 64
 */
export type RowAttribute =
  | 'lock'
  | 'mem'
  | 'reg'
  | '+r'
  | `cc${'' | number}`
  | 'priv'
  | 'privud'
  | 'iopl'
  | 'end'
  | 'str'
  | 'np'
  | 'nf'
  | 'mod'
  | 'x87'
  | 'nowait'
  | '3dnow'
  | 'i64'
  | 'o64'
  | 'd64'
  | 'f64'
  | '';
