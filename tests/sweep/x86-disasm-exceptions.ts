/** Where capstone or objdump and the x86 rows disagree on purpose, each with the reason; any other disagreement fails. */

import type { Sequence } from './x86-disasm-cases.ts';

export type Oracle = 'capstone' | 'objdump';

/**
 * - `lax`: the oracle decodes what is undefined
 * - `strict`: the oracle rejects what is defined
 * - `length`: both decode, with different lengths
 * - `absent`: a real instruction of a feature that no CPU model here has; without it the processor raises #UD too
 */
export type Verdict = 'lax' | 'strict' | 'length' | 'absent';

export interface Exception {
  readonly of: readonly Oracle[];
  readonly openings: readonly string[];
  readonly verdict: Verdict;
  /** Narrows it to some sequences; all when absent. */
  readonly when?: (sequence: Sequence) => boolean;
  readonly why: string;
}

const BOTH: readonly Oracle[] = ['capstone', 'objdump'];
const CAPSTONE: readonly Oracle[] = ['capstone'];
const OBJDUMP: readonly Oracle[] = ['objdump'];
const reg = (s: Sequence) => (s.modrm >> 3) & 7;
const isRegister = (s: Sequence) => s.modrm >= 0xc0;
const has = (s: Sequence, ...bytes: number[]) => s.prefixes.some((prefix) => bytes.includes(prefix));

function openings(prefix: string, from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => prefix + (from + i).toString(16).padStart(2, '0'));
}

const between = (s: Sequence, from: number, to: number) => s.modrm >= from && s.modrm <= to;

/** SDM is the Intel manual (volume, section); "host CPU" means found by running the bytes at a page border on one. */
export const EXCEPTIONS: readonly Exception[] = [
  {
    of: CAPSTONE,
    openings: ['02', '03', '0a', '0b', '12', '13', '22', '23', '2a', '2b', '32', '33', '0f1f'],
    verdict: 'lax',
    when: (s) => has(s, 0xf0),
    why: 'LOCK needs a memory destination of a lockable instruction (SDM 2, LOCK); host CPU: #UD',
  },
  {
    of: BOTH,
    openings: ['62', 'c4', 'c5'],
    verdict: 'absent',
    when: isRegister,
    why: 'mod = 3 makes these EVEX and VEX prefixes; no rows for AVX yet',
  },
  {
    of: BOTH,
    openings: ['8e'],
    verdict: 'lax',
    when: (s) => reg(s) === 1,
    why: 'MOV to CS is #UD (SDM 2, MOV); host CPU: #UD',
  },
  {
    of: CAPSTONE,
    openings: ['90'],
    verdict: 'strict',
    when: (s) => has(s, 0x66) && has(s, 0xf3),
    why: '66 is ignored by PAUSE; host CPU: runs',
  },
  {
    of: BOTH,
    openings: ['c6', 'c7'],
    verdict: 'absent',
    when: (s) => s.modrm === 0xf8,
    why: 'XABORT and XBEGIN: RTM',
  },
  {
    of: BOTH,
    openings: ['dc', 'dd', 'de', 'df'],
    verdict: 'strict',
    when: isRegister,
    why: 'aliases of FCOM, FCOMP, FXCH and FSTP that no manual has in its map; host CPU: run',
  },
  {
    of: BOTH,
    openings: ['0f01'],
    verdict: 'absent',
    when: (s) => between(s, 0xc0, 0xc5) || between(s, 0xcf, 0xcf) || between(s, 0xd4, 0xdf),
    why: 'VMX, SGX, RTM, SVM',
  },
  {
    of: BOTH,
    openings: ['0f01'],
    verdict: 'absent',
    when: (s) => between(s, 0xee, 0xef) || between(s, 0xfa, 0xfc),
    why: 'RDPKRU, WRPKRU (PKU), MONITORX, MWAITX, CLZERO',
  },
  {
    of: CAPSTONE,
    openings: ['0f01'],
    verdict: 'absent',
    when: (s) => has(s, 0xf3) && reg(s) === 5,
    why: 'RSTORSSP, SETSSBSY, SAVEPREVSSP: CET',
  },
  {
    of: BOTH,
    openings: ['0f01'],
    verdict: 'lax',
    when: (s) => s.modrm === 0xf8,
    why: 'SWAPGS is valid in 64-bit mode only (SDM 2, SWAPGS)',
  },
  {
    of: BOTH,
    openings: ['0f01'],
    verdict: 'lax',
    when: (s) => has(s, 0x66, 0xf2, 0xf3) && (between(s, 0xc8, 0xcb) || between(s, 0xd0, 0xd1)),
    why: 'MONITOR, MWAIT, CLAC, STAC, XGETBV, XSETBV are NP: 66, F2, F3 make #UD (SDM 2, 3.1.1.1)',
  },
  {
    of: BOTH,
    openings: ['0f0d', '0f18', '0f1a', '0f1b', '0f1c', '0f1d', '0f1e'],
    verdict: 'strict',
    why: 'reserved hints are NOPs (SDM 2, table A-3 and NOP); host CPU: 0F 18 to 0F 1E run in every form',
  },
  {
    of: BOTH,
    openings: ['0f20', '0f22'],
    verdict: 'lax',
    when: (s) => [1, 5, 6, 7].includes(reg(s)),
    why: 'CR1, CR5, CR6, CR7 are #UD (SDM 2, MOV control registers); host CPU: #UD',
  },
  { of: BOTH, openings: ['0f37'], verdict: 'absent', why: 'GETSEC: SMX' },
  {
    of: BOTH,
    openings: ['0f78', '0f79'],
    verdict: 'absent',
    when: (s) => !has(s, 0x66, 0xf2, 0xf3),
    why: 'VMREAD, VMWRITE: VMX',
  },
  {
    of: BOTH,
    openings: ['0f78'],
    verdict: 'lax',
    when: (s) => has(s, 0x66) && isRegister(s) && reg(s) !== 0,
    why: 'EXTRQ is /0 only (AMD APM 4, EXTRQ); host CPU: #UD',
  },
  { of: CAPSTONE, openings: ['0fa6', '0fa7'], verdict: 'absent', when: isRegister, why: 'PadLock' },
  {
    of: BOTH,
    openings: ['0fae'],
    verdict: 'strict',
    when: (s) => isRegister(s) && reg(s) >= 5,
    why: 'LFENCE, MFENCE, SFENCE ignore rm (SDM 2, LFENCE: "any of the opcodes of the form"); host CPU: run',
  },
  {
    of: BOTH,
    openings: ['0fae'],
    verdict: 'lax',
    when: (s) => has(s, 0x66, 0xf2, 0xf3) && !isRegister(s) && reg(s) < 4,
    why: 'FXSAVE, FXRSTOR, LDMXCSR, STMXCSR are NP; host CPU: #UD',
  },
  {
    of: BOTH,
    openings: ['0fae'],
    verdict: 'absent',
    when: (s) => (has(s, 0xf3) && [4, 5, 6].includes(reg(s))) || (has(s, 0x66, 0xf2) && isRegister(s) && reg(s) === 6),
    why: 'PTWRITE, INCSSP and CLRSSBSY (CET), UMONITOR, UMWAIT and TPAUSE (WAITPKG)',
  },
  {
    of: CAPSTONE,
    openings: ['0fb9', '0fff'],
    verdict: 'length',
    why: 'UD1 and UD0 have a ModRM byte (SDM 2, UD; some processors raise #UD before they fetch it)',
  },
  {
    of: BOTH,
    openings: ['0fbc', '0fbd'],
    verdict: 'strict',
    when: (s) => has(s, 0xf2),
    why: 'F2 is ignored by BSF and BSR; host CPU: run',
  },
  {
    of: BOTH,
    openings: ['0fc7'],
    verdict: 'absent',
    when: (s) => !isRegister(s) && reg(s) >= 3,
    why: 'XRSTORS, XSAVEC, XSAVES, VMPTRLD, VMPTRST, VMCLEAR, VMXON',
  },
  {
    of: CAPSTONE,
    openings: [...openings('0f38', 0xc8, 0xcd), '0f3acc'],
    verdict: 'lax',
    when: (s) => has(s, 0x66, 0xf2, 0xf3),
    why: 'the SHA instructions are NP; host CPU: #UD',
  },
  {
    of: BOTH,
    openings: ['0f3880', '0f3881', '0f38f5', '0f38f6', '0f38f8', '0f38f9'],
    verdict: 'absent',
    when: (s) => !isRegister(s),
    why: 'INVEPT, INVVPID, WRUSS, WRSS, MOVDIR64B, MOVDIRI',
  },
  {
    of: OBJDUMP,
    openings: ['8c', '8e'],
    verdict: 'lax',
    when: (s) => reg(s) >= 6,
    why: 'there are no segment registers 6 and 7: #UD (SDM 2, MOV); host CPU: #UD',
  },
  {
    of: OBJDUMP,
    openings: ['9b'],
    verdict: 'length',
    why: 'FWAIT is an instruction of its own; objdump joins it with an x87 instruction that follows',
  },
  {
    of: OBJDUMP,
    openings: ['d6'],
    verdict: 'strict',
    why: 'SALC is in every processor, though not in every manual; host CPU: runs',
  },
  {
    of: OBJDUMP,
    openings: ['d9'],
    verdict: 'strict',
    when: (s) => between(s, 0xd8, 0xdf),
    why: 'alias of FSTP that no manual has in its map; host CPU: runs',
  },
  {
    of: OBJDUMP,
    openings: ['db'],
    verdict: 'lax',
    when: (s) => s.modrm === 0xe5,
    why: 'FRSTPM of the 287 XL; host CPU: #UD',
  },
  {
    of: OBJDUMP,
    openings: ['0f09'],
    verdict: 'strict',
    when: (s) => has(s, 0x66, 0xf2),
    why: '66 and F2 are ignored by WBINVD; host CPU: #GP as without',
  },
  {
    of: OBJDUMP,
    openings: ['0f24', '0f26'],
    verdict: 'absent',
    why: 'test registers of the 386 and 486; later processors raise #UD',
  },
  {
    of: OBJDUMP,
    openings: ['0fae'],
    verdict: 'lax',
    when: (s) => (has(s, 0x66, 0xf2, 0xf3) && reg(s) === 7) || (has(s, 0xf3) && isRegister(s)),
    why: 'SFENCE is NP; RDFSBASE and its like are valid in 64-bit mode only; host CPU: #UD',
  },
  {
    of: OBJDUMP,
    openings: ['0fd7'],
    verdict: 'lax',
    when: (s) => has(s, 0xf2, 0xf3),
    why: 'PMOVMSKB is NP or 66; host CPU: #UD',
  },
  {
    of: OBJDUMP,
    openings: ['0f38d8', '0f38dc', '0f38dd', '0f38de', '0f38df', '0f38fa', '0f38fb'],
    verdict: 'absent',
    when: (s) => has(s, 0xf3),
    why: 'Key Locker',
  },
  {
    of: OBJDUMP,
    openings: ['0f38fc'],
    verdict: 'absent',
    when: (s) => !isRegister(s),
    why: 'AADD, AAND, AOR, AXOR: RAO-INT',
  },
];
