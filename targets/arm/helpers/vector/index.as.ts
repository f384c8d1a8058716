// Entry of the helper module of floating point and Advanced SIMD: what is exported here is what ../vector-table.ts lists (AssemblyScript).

export * from './vfp.as';
export * from './half.as';
export * from './bfloat.as';
export {
  neon_clz, neon_pmul8, neon_pmull64, neon_pmull8, neon_qshift, neon_shift, neon_uestimate,
} from './neon-integer.as';
export {
  neon_f2, neon_f3, neon_festimate, neon_fromhalves, neon_fromint, neon_rint, neon_tohalves, neon_toint,
} from './neon-float.as';
