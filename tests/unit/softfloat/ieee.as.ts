// The operations of src/softfloat/ieee-*.as.ts by name and format, for tests to call (AssemblyScript).

import { add, div, fma, mul, sqrt, sub } from '../../../src/softfloat/ieee-arith.as';
import { compare, minMax } from '../../../src/softfloat/ieee-compare.as';
import { convert, fromSigned, fromUnsigned, roundToIntegral, scaleB, toInteger } from '../../../src/softfloat/ieee-convert.as';
import { raised } from '../../../src/softfloat/ieee-core.as';

/** Exceptions of the last operation. */
export function flags(): i32 {
  return raised;
}

export function add_16(a: u64, b: u64, mode: i32): u64 { return add<u16>(a, b, mode); }
export function add_32(a: u64, b: u64, mode: i32): u64 { return add<u32>(a, b, mode); }
export function add_64(a: u64, b: u64, mode: i32): u64 { return add<u64>(a, b, mode); }
export function sub_16(a: u64, b: u64, mode: i32): u64 { return sub<u16>(a, b, mode); }
export function sub_32(a: u64, b: u64, mode: i32): u64 { return sub<u32>(a, b, mode); }
export function sub_64(a: u64, b: u64, mode: i32): u64 { return sub<u64>(a, b, mode); }
export function mul_16(a: u64, b: u64, mode: i32): u64 { return mul<u16>(a, b, mode); }
export function mul_32(a: u64, b: u64, mode: i32): u64 { return mul<u32>(a, b, mode); }
export function mul_64(a: u64, b: u64, mode: i32): u64 { return mul<u64>(a, b, mode); }
export function div_16(a: u64, b: u64, mode: i32): u64 { return div<u16>(a, b, mode); }
export function div_32(a: u64, b: u64, mode: i32): u64 { return div<u32>(a, b, mode); }
export function div_64(a: u64, b: u64, mode: i32): u64 { return div<u64>(a, b, mode); }
export function sqrt_16(a: u64, mode: i32): u64 { return sqrt<u16>(a, mode); }
export function sqrt_32(a: u64, mode: i32): u64 { return sqrt<u32>(a, mode); }
export function sqrt_64(a: u64, mode: i32): u64 { return sqrt<u64>(a, mode); }
export function fma_16(a: u64, b: u64, c: u64, negate: i32, mode: i32): u64 { return fma<u16>(a, b, c, negate, mode); }
export function fma_32(a: u64, b: u64, c: u64, negate: i32, mode: i32): u64 { return fma<u32>(a, b, c, negate, mode); }
export function fma_64(a: u64, b: u64, c: u64, negate: i32, mode: i32): u64 { return fma<u64>(a, b, c, negate, mode); }
export function compare_16(a: u64, b: u64, signal: i32, mode: i32): i32 { return compare<u16>(a, b, signal != 0, mode); }
export function compare_32(a: u64, b: u64, signal: i32, mode: i32): i32 { return compare<u32>(a, b, signal != 0, mode); }
export function compare_64(a: u64, b: u64, signal: i32, mode: i32): i32 { return compare<u64>(a, b, signal != 0, mode); }
export function minmax_16(a: u64, b: u64, variant: i32, mode: i32): u64 { return minMax<u16>(a, b, variant, mode); }
export function minmax_32(a: u64, b: u64, variant: i32, mode: i32): u64 { return minMax<u32>(a, b, variant, mode); }
export function minmax_64(a: u64, b: u64, variant: i32, mode: i32): u64 { return minMax<u64>(a, b, variant, mode); }
export function rint_16(a: u64, report: i32, mode: i32): u64 { return roundToIntegral<u16>(a, report != 0, mode); }
export function rint_32(a: u64, report: i32, mode: i32): u64 { return roundToIntegral<u32>(a, report != 0, mode); }
export function rint_64(a: u64, report: i32, mode: i32): u64 { return roundToIntegral<u64>(a, report != 0, mode); }
export function toint_16(a: u64, scale: i32, bits: i32, signed: i32, mode: i32): i64 { return toInteger<u16>(a, scale, bits, signed != 0, mode); }
export function toint_32(a: u64, scale: i32, bits: i32, signed: i32, mode: i32): i64 { return toInteger<u32>(a, scale, bits, signed != 0, mode); }
export function toint_64(a: u64, scale: i32, bits: i32, signed: i32, mode: i32): i64 { return toInteger<u64>(a, scale, bits, signed != 0, mode); }
export function froms_16(v: i64, scale: i32, mode: i32): u64 { return fromSigned<u16>(v, scale, mode); }
export function froms_32(v: i64, scale: i32, mode: i32): u64 { return fromSigned<u32>(v, scale, mode); }
export function froms_64(v: i64, scale: i32, mode: i32): u64 { return fromSigned<u64>(v, scale, mode); }
export function fromu_16(v: u64, scale: i32, mode: i32): u64 { return fromUnsigned<u16>(v, scale, mode); }
export function fromu_32(v: u64, scale: i32, mode: i32): u64 { return fromUnsigned<u32>(v, scale, mode); }
export function fromu_64(v: u64, scale: i32, mode: i32): u64 { return fromUnsigned<u64>(v, scale, mode); }
export function scaleb_16(a: u64, n: i32, mode: i32): u64 { return scaleB<u16>(a, n, mode); }
export function scaleb_32(a: u64, n: i32, mode: i32): u64 { return scaleB<u32>(a, n, mode); }
export function scaleb_64(a: u64, n: i32, mode: i32): u64 { return scaleB<u64>(a, n, mode); }
export function convert_16_32(a: u64, mode: i32): u64 { return convert<u16, u32>(a, mode); }
export function convert_16_64(a: u64, mode: i32): u64 { return convert<u16, u64>(a, mode); }
export function convert_32_16(a: u64, mode: i32): u64 { return convert<u32, u16>(a, mode); }
export function convert_32_64(a: u64, mode: i32): u64 { return convert<u32, u64>(a, mode); }
export function convert_64_16(a: u64, mode: i32): u64 { return convert<u64, u16>(a, mode); }
export function convert_64_32(a: u64, mode: i32): u64 { return convert<u64, u32>(a, mode); }
export function convert_alt_32(a: u64, mode: i32): u64 { return convert<i16, u32>(a, mode); }
export function convert_32_alt(a: u64, mode: i32): u64 { return convert<u32, i16>(a, mode); }
