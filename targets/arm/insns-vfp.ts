// Encoding rows of the floating-point extension: coprocessors 10 and 11, the same bits in A32 (any condition) and T32.
import type { RowSpec } from '../decode/pattern.ts';

// Fields: D d, N n, M m halves of vector register numbers; n t u core registers; i immediate; x y lane bits; P U W as in LDM;
// z 1 for double precision; r rounding; s signed; k condition of VSEL; p half of a register; q width of a fixed-point number.

// The operand column is explained in disasm-vector.ts.
// biome-ignore format: a table, one row per encoding
export const VFP_ROWS = [
  // ---- loads, stores, transfers to and from core registers
  ['VSTR_s', 'cccc1101UD00 nnnn dddd 1010 iiiiiiii', 'vfp2', '|Ds A', '?vstrpc'],
  ['VSTR_d', 'cccc1101UD00 nnnn dddd 1011 iiiiiiii', 'vfp2', '|Dd A', '?vstrpc'],
  ['VLDR_s', 'cccc1101UD01 nnnn dddd 1010 iiiiiiii', 'vfp2', '|Ds A'],
  ['VLDR_d', 'cccc1101UD01 nnnn dddd 1011 iiiiiiii', 'vfp2', '|Dd A'],
  ['VSTM_s', 'cccc11001DW0 nnnn dddd 1010 iiiiiiii', 'vfp2', '|B Ls', 'U=1 ?vbasepc ?vcount'],
  ['VSTM_s', 'cccc11010D10 nnnn dddd 1010 iiiiiiii', 'vfp2', '|B Ls', 'P=1 W=1 ?vbasepc ?vcount'],
  ['VSTM_d', 'cccc11001DW0 nnnn dddd 1011 iiiiiiii', 'vfp2', '|B Ld', 'U=1 ?vbasepc ?vcount'],
  ['VSTM_d', 'cccc11010D10 nnnn dddd 1011 iiiiiiii', 'vfp2', '|B Ld', 'P=1 W=1 ?vbasepc ?vcount'],
  ['VLDM_s', 'cccc11001DW1 nnnn dddd 1010 iiiiiiii', 'vfp2', '|B Ls', 'U=1 ?vbasepc ?vcount'],
  ['VLDM_s', 'cccc11010D11 nnnn dddd 1010 iiiiiiii', 'vfp2', '|B Ls', 'P=1 W=1 ?vbasepc ?vcount'],
  ['VLDM_d', 'cccc11001DW1 nnnn dddd 1011 iiiiiiii', 'vfp2', '|B Ld', 'U=1 ?vbasepc ?vcount'],
  ['VLDM_d', 'cccc11010D11 nnnn dddd 1011 iiiiiiii', 'vfp2', '|B Ld', 'P=1 W=1 ?vbasepc ?vcount'],
  ['VMOV_toS', 'cccc11100000 nnnn tttt 1010 N0010000', 'vfp2', '|Ns T', '?tpc ?tsp'],
  ['VMOV_fromS', 'cccc11100001 nnnn tttt 1010 N0010000', 'vfp2', '|T Ns', '?tpc ?tsp'],
  ['VMOV_toSS', 'cccc11000100 uuuu tttt 1010 00M1 mmmm', 'vfp2', '|Ms Mt T U', '?pc ?tsp ?lasts'],
  ['VMOV_fromSS', 'cccc11000101 uuuu tttt 1010 00M1 mmmm', 'vfp2', '|T U Ms Mt', '?pc ?tsp ?lasts ?pairsame'],
  ['VMOV_toD', 'cccc11000100 uuuu tttt 1011 00M1 mmmm', 'vfp2', '|Md T U', '?pc ?tsp'],
  ['VMOV_fromD', 'cccc11000101 uuuu tttt 1011 00M1 mmmm', 'vfp2', '|T U Md', '?pc ?tsp ?pairsame'],
  ['VMOV_toLane32', 'cccc111000x0 nnnn tttt 1011 N0010000', 'vfp2', '.32|Nl T', '?tpc ?tsp'],
  ['VMOV_fromLane32', 'cccc111000x1 nnnn tttt 1011 N0010000', 'vfp2', '.32|T Nl', '?tpc ?tsp'],
  ['VMOV_toLane8', 'cccc111001x0 nnnn tttt 1011 Nyy10000', 'neon', '.8|Nl T', '?tpc ?tsp'],
  ['VMOV_toLane16', 'cccc111000x0 nnnn tttt 1011 Ny110000', 'neon', '.16|Nl T', '?tpc ?tsp'],
  ['VMOV_fromLane8', 'cccc1110U1x1 nnnn tttt 1011 Nyy10000', 'neon', 'x8|T Nl', '?tpc ?tsp'],
  ['VMOV_fromLane16', 'cccc1110U0x1 nnnn tttt 1011 Ny110000', 'neon', 'x16|T Nl', '?tpc ?tsp'],
  ['VDUP_core', 'cccc11101xW0 dddd tttt 1011 D0y10000', 'neon', 'c|Dw T', '?tpc ?tsp'],
  ['VMSR', 'cccc11101110 nnnn tttt 1010 00010000', 'vfp2', '|R T', '?tpc ?tsp'],
  ['VMRS', 'cccc11101111 nnnn tttt 1010 00010000', 'vfp2', '|T R', '?flagspc ?tsp'],
  // ---- arithmetic
  ['VMLA_v', 'cccc11100D00 nnnn dddd 101z N0M0 mmmm', 'vfp2', 'f|D N M'],
  ['VMLS_v', 'cccc11100D00 nnnn dddd 101z N1M0 mmmm', 'vfp2', 'f|D N M'],
  ['VNMLS_v', 'cccc11100D01 nnnn dddd 101z N0M0 mmmm', 'vfp2', 'f|D N M'],
  ['VNMLA_v', 'cccc11100D01 nnnn dddd 101z N1M0 mmmm', 'vfp2', 'f|D N M'],
  ['VMUL_v', 'cccc11100D10 nnnn dddd 101z N0M0 mmmm', 'vfp2', 'f|D N M'],
  ['VNMUL_v', 'cccc11100D10 nnnn dddd 101z N1M0 mmmm', 'vfp2', 'f|D N M'],
  ['VADD_v', 'cccc11100D11 nnnn dddd 101z N0M0 mmmm', 'vfp2', 'f|D N M'],
  ['VSUB_v', 'cccc11100D11 nnnn dddd 101z N1M0 mmmm', 'vfp2', 'f|D N M'],
  ['VDIV_v', 'cccc11101D00 nnnn dddd 101z N0M0 mmmm', 'vfp2', 'f|D N M'],
  ['VFNMS_v', 'cccc11101D01 nnnn dddd 101z N0M0 mmmm', 'vfp4', 'f|D N M'],
  ['VFNMA_v', 'cccc11101D01 nnnn dddd 101z N1M0 mmmm', 'vfp4', 'f|D N M'],
  ['VFMA_v', 'cccc11101D10 nnnn dddd 101z N0M0 mmmm', 'vfp4', 'f|D N M'],
  ['VFMS_v', 'cccc11101D10 nnnn dddd 101z N1M0 mmmm', 'vfp4', 'f|D N M'],
  ['VMOV_imm', 'cccc11101D11 iiii dddd 101z 0000 iiii', 'vfp3', 'f|D #v'],
  ['VMOV_v', 'cccc11101D11 0000 dddd 101z 01M0 mmmm', 'vfp2', 'f|D M'],
  ['VABS_v', 'cccc11101D11 0000 dddd 101z 11M0 mmmm', 'vfp2', 'f|D M'],
  ['VNEG_v', 'cccc11101D11 0001 dddd 101z 01M0 mmmm', 'vfp2', 'f|D M'],
  ['VSQRT_v', 'cccc11101D11 0001 dddd 101z 11M0 mmmm', 'vfp2', 'f|D M'],
  ['VRINTR_v', 'cccc11101D11 0110 dddd 101z 01M0 mmmm', 'vfp8', 'f|D M'],
  ['VRINTZ_v', 'cccc11101D11 0110 dddd 101z 11M0 mmmm', 'vfp8', 'f|D M'],
  ['VRINTX_v', 'cccc11101D11 0111 dddd 101z 01M0 mmmm', 'vfp8', 'f|D M'],
  // ---- comparison and conversion
  ['VCMP_v', 'cccc11101D11 0100 dddd 101z r1M0 mmmm', 'vfp2', 'f|D M'],
  ['VCMP_zero', 'cccc11101D11 0101 dddd 101z r100 0000', 'vfp2', 'f|D #0'],
  ['VCVT_fromHalf', 'cccc11101D11 0010 dddd 1010 p1M0 mmmm', 'half', '.f32.f16|Ds Ms'],
  ['VCVT_toHalf', 'cccc11101D11 0011 dddd 1010 p1M0 mmmm', 'half', '.f16.f32|Ds Ms'],
  ['VCVT_halfToDouble', 'cccc11101D11 0010 dddd 1011 p1M0 mmmm', 'vfp8', '.f64.f16|Dd Ms'],
  ['VCVT_doubleToHalf', 'cccc11101D11 0011 dddd 1011 p1M0 mmmm', 'vfp8', '.f16.f64|Ds Md'],
  ['VCVT_precision', 'cccc11101D11 0111 dddd 101z 11M0 mmmm', 'vfp2', 'f2|Dz Mp'],
  ['VCVT_fromInt', 'cccc11101D11 1000 dddd 101z s1M0 mmmm', 'vfp2', 'f1|D Ms'],
  ['VCVT_toInt', 'cccc11101D11 110s dddd 101z r1M0 mmmm', 'vfp2', 'f0|Ds M'],
  ['VJCVT', 'cccc11101D11 1001 dddd 1011 11M0 mmmm', 'jscvt', '.s32.f64|Ds Md'],
  ['VCVT_fromFixed', 'cccc11101D11 101U dddd 101z q1j0 iiii', 'vfp3', 'f3|D D #f', '?fraction'],
  ['VCVT_toFixed', 'cccc11101D11 111U dddd 101z q1j0 iiii', 'vfp3', 'f4|D D #f', '?fraction'],
] as const satisfies readonly RowSpec[];

/** The rows with 1111 in place of the condition. */
// biome-ignore format: a table, one row per encoding
export const VFP_UNCONDITIONAL_ROWS = [
  ['VSEL_v', '111111100Dkk nnnn dddd 101z N0M0 mmmm', 'vfp8', 'f|D N M'],
  ['VMAXNM_v', '111111101D00 nnnn dddd 101z N0M0 mmmm', 'vfp8', 'f|D N M'],
  ['VMINNM_v', '111111101D00 nnnn dddd 101z N1M0 mmmm', 'vfp8', 'f|D N M'],
  ['VRINT_v', '111111101D11 10rr dddd 101z 01M0 mmmm', 'vfp8', 'f|D M'],
  ['VCVT_rounded', '111111101D11 11rr dddd 101z s1M0 mmmm', 'vfp8', 'f0|Ds M'],
] as const satisfies readonly RowSpec[];
