// Encoding rows of the floating-point extension: coprocessors 10 and 11, the same bits in A32 (any condition) and T32.
import type { RowSpec } from '../decode/pattern.ts';

// Fields: D d, N n, M m halves of vector register numbers; n t u core registers; i immediate; x y lane bits; P U W as in LDM;
// z 1 for double precision; r rounding; s signed; k condition of VSEL; p half of a register; q width of a fixed-point number.

// biome-ignore format: a table, one row per encoding
export const VFP_ROWS = [
  // ---- loads, stores, transfers to and from core registers
  ['VSTR_s', 'cccc1101UD00 nnnn dddd 1010 iiiiiiii', 'vfp2', 'Fs,Mi'],
  ['VSTR_d', 'cccc1101UD00 nnnn dddd 1011 iiiiiiii', 'vfp2', 'Fd,Mi'],
  ['VLDR_s', 'cccc1101UD01 nnnn dddd 1010 iiiiiiii', 'vfp2', 'Fs,Mi'],
  ['VLDR_d', 'cccc1101UD01 nnnn dddd 1011 iiiiiiii', 'vfp2', 'Fd,Mi'],
  ['VSTM_s', 'cccc11001DW0 nnnn dddd 1010 iiiiiiii', 'vfp2', 'n', 'U=1'],
  ['VSTM_s', 'cccc11010D10 nnnn dddd 1010 iiiiiiii', 'vfp2', 'n', 'P=1 W=1'],
  ['VSTM_d', 'cccc11001DW0 nnnn dddd 1011 iiiiiiii', 'vfp2', 'n', 'U=1'],
  ['VSTM_d', 'cccc11010D10 nnnn dddd 1011 iiiiiiii', 'vfp2', 'n', 'P=1 W=1'],
  ['VLDM_s', 'cccc11001DW1 nnnn dddd 1010 iiiiiiii', 'vfp2', 'n', 'U=1'],
  ['VLDM_s', 'cccc11010D11 nnnn dddd 1010 iiiiiiii', 'vfp2', 'n', 'P=1 W=1'],
  ['VLDM_d', 'cccc11001DW1 nnnn dddd 1011 iiiiiiii', 'vfp2', 'n', 'U=1'],
  ['VLDM_d', 'cccc11010D11 nnnn dddd 1011 iiiiiiii', 'vfp2', 'n', 'P=1 W=1'],
  ['VMOV_toS', 'cccc11100000 nnnn tttt 1010 N0010000', 'vfp2', 'Fn,t'],
  ['VMOV_fromS', 'cccc11100001 nnnn tttt 1010 N0010000', 'vfp2', 't,Fn'],
  ['VMOV_toSS', 'cccc11000100 uuuu tttt 1010 00M1 mmmm', 'vfp2', 't,u'],
  ['VMOV_fromSS', 'cccc11000101 uuuu tttt 1010 00M1 mmmm', 'vfp2', 't,u'],
  ['VMOV_toD', 'cccc11000100 uuuu tttt 1011 00M1 mmmm', 'vfp2', 't,u'],
  ['VMOV_fromD', 'cccc11000101 uuuu tttt 1011 00M1 mmmm', 'vfp2', 't,u'],
  ['VMOV_toLane32', 'cccc111000x0 nnnn tttt 1011 N0010000', 'vfp2', 't'],
  ['VMOV_fromLane32', 'cccc111000x1 nnnn tttt 1011 N0010000', 'vfp2', 't'],
  ['VMOV_toLane8', 'cccc111001x0 nnnn tttt 1011 Nyy10000', 'neon', 't'],
  ['VMOV_toLane16', 'cccc111000x0 nnnn tttt 1011 Ny110000', 'neon', 't'],
  ['VMOV_fromLane8', 'cccc1110U1x1 nnnn tttt 1011 Nyy10000', 'neon', 't'],
  ['VMOV_fromLane16', 'cccc1110U0x1 nnnn tttt 1011 Ny110000', 'neon', 't'],
  ['VDUP_core', 'cccc11101xW0 dddd tttt 1011 D0y10000', 'neon', 't'],
  ['VMSR', 'cccc11101110 nnnn tttt 1010 00010000', 'vfp2', 't'],
  ['VMRS', 'cccc11101111 nnnn tttt 1010 00010000', 'vfp2', 't'],
  // ---- arithmetic
  ['VMLA_v', 'cccc11100D00 nnnn dddd 101z N0M0 mmmm', 'vfp2', 'Vd,Vn,Vm'],
  ['VMLS_v', 'cccc11100D00 nnnn dddd 101z N1M0 mmmm', 'vfp2', 'Vd,Vn,Vm'],
  ['VNMLS_v', 'cccc11100D01 nnnn dddd 101z N0M0 mmmm', 'vfp2', 'Vd,Vn,Vm'],
  ['VNMLA_v', 'cccc11100D01 nnnn dddd 101z N1M0 mmmm', 'vfp2', 'Vd,Vn,Vm'],
  ['VMUL_v', 'cccc11100D10 nnnn dddd 101z N0M0 mmmm', 'vfp2', 'Vd,Vn,Vm'],
  ['VNMUL_v', 'cccc11100D10 nnnn dddd 101z N1M0 mmmm', 'vfp2', 'Vd,Vn,Vm'],
  ['VADD_v', 'cccc11100D11 nnnn dddd 101z N0M0 mmmm', 'vfp2', 'Vd,Vn,Vm'],
  ['VSUB_v', 'cccc11100D11 nnnn dddd 101z N1M0 mmmm', 'vfp2', 'Vd,Vn,Vm'],
  ['VDIV_v', 'cccc11101D00 nnnn dddd 101z N0M0 mmmm', 'vfp2', 'Vd,Vn,Vm'],
  ['VFNMS_v', 'cccc11101D01 nnnn dddd 101z N0M0 mmmm', 'vfp4', 'Vd,Vn,Vm'],
  ['VFNMA_v', 'cccc11101D01 nnnn dddd 101z N1M0 mmmm', 'vfp4', 'Vd,Vn,Vm'],
  ['VFMA_v', 'cccc11101D10 nnnn dddd 101z N0M0 mmmm', 'vfp4', 'Vd,Vn,Vm'],
  ['VFMS_v', 'cccc11101D10 nnnn dddd 101z N1M0 mmmm', 'vfp4', 'Vd,Vn,Vm'],
  ['VMOV_imm', 'cccc11101D11 iiii dddd 101z 0000 iiii', 'vfp3', 'Vd,i'],
  ['VMOV_v', 'cccc11101D11 0000 dddd 101z 01M0 mmmm', 'vfp2', 'Vd,Vm'],
  ['VABS_v', 'cccc11101D11 0000 dddd 101z 11M0 mmmm', 'vfp2', 'Vd,Vm'],
  ['VNEG_v', 'cccc11101D11 0001 dddd 101z 01M0 mmmm', 'vfp2', 'Vd,Vm'],
  ['VSQRT_v', 'cccc11101D11 0001 dddd 101z 11M0 mmmm', 'vfp2', 'Vd,Vm'],
  ['VRINTR_v', 'cccc11101D11 0110 dddd 101z 01M0 mmmm', 'vfp8', 'Vd,Vm'],
  ['VRINTZ_v', 'cccc11101D11 0110 dddd 101z 11M0 mmmm', 'vfp8', 'Vd,Vm'],
  ['VRINTX_v', 'cccc11101D11 0111 dddd 101z 01M0 mmmm', 'vfp8', 'Vd,Vm'],
  // ---- comparison and conversion
  ['VCMP_v', 'cccc11101D11 0100 dddd 101z r1M0 mmmm', 'vfp2', 'Vd,Vm'],
  ['VCMP_zero', 'cccc11101D11 0101 dddd 101z r100 0000', 'vfp2', 'Vd'],
  ['VCVT_fromHalf', 'cccc11101D11 0010 dddd 1010 p1M0 mmmm', 'half', 'Vd,Vm'],
  ['VCVT_toHalf', 'cccc11101D11 0011 dddd 1010 p1M0 mmmm', 'half', 'Vd,Vm'],
  ['VCVT_halfToDouble', 'cccc11101D11 0010 dddd 1011 p1M0 mmmm', 'vfp8', 'Vd,Vm'],
  ['VCVT_doubleToHalf', 'cccc11101D11 0011 dddd 1011 p1M0 mmmm', 'vfp8', 'Vd,Vm'],
  ['VCVT_precision', 'cccc11101D11 0111 dddd 101z 11M0 mmmm', 'vfp2', 'Vd,Vm'],
  ['VCVT_fromInt', 'cccc11101D11 1000 dddd 101z s1M0 mmmm', 'vfp2', 'Vd,Vm'],
  ['VCVT_toInt', 'cccc11101D11 110s dddd 101z r1M0 mmmm', 'vfp2', 'Vd,Vm'],
  ['VCVT_fromFixed', 'cccc11101D11 101U dddd 101z q1j0 iiii', 'vfp3', 'Vd,Vd'],
  ['VCVT_toFixed', 'cccc11101D11 111U dddd 101z q1j0 iiii', 'vfp3', 'Vd,Vd'],
] as const satisfies readonly RowSpec[];

/** The rows with 1111 in place of the condition. */
// biome-ignore format: a table, one row per encoding
export const VFP_UNCONDITIONAL_ROWS = [
  ['VSEL_v', '111111100Dkk nnnn dddd 101z N0M0 mmmm', 'vfp8', 'Vd,Vn,Vm'],
  ['VMAXNM_v', '111111101D00 nnnn dddd 101z N0M0 mmmm', 'vfp8', 'Vd,Vn,Vm'],
  ['VMINNM_v', '111111101D00 nnnn dddd 101z N1M0 mmmm', 'vfp8', 'Vd,Vn,Vm'],
  ['VRINT_v', '111111101D11 10rr dddd 101z 01M0 mmmm', 'vfp8', 'Vd,Vm'],
  ['VCVT_rounded', '111111101D11 11rr dddd 101z s1M0 mmmm', 'vfp8', 'Vd,Vm'],
] as const satisfies readonly RowSpec[];
