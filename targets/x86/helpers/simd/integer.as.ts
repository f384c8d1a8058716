// Integer instructions that WebAssembly has nothing near to: MPSADBW, CRC32 (AssemblyScript).

/** MPSADBW: eight sums of differences of four bytes; the immediate chooses where they begin in a (bit 2) and b (bits 0-1). */
export function mpsadbw(env: usize, a: v128, b: v128, imm: i32): v128 {
  const zero = i8x16.splat(0);
  const start = i8x16.add(i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), i8x16.splat(<i8>(imm & 4)));
  let sum = zero;
  for (let j = 0; j < 4; j++) {
    const place = <i8>(((imm & 3) << 2) + j);
    const x = i8x16.swizzle(a, i8x16.add(start, i8x16.splat(<i8>j)));
    const y = i8x16.swizzle(b, i8x16.splat(place));
    const difference = v128.or(i8x16.sub_sat_u(x, y), i8x16.sub_sat_u(y, x));
    sum = i16x8.add(sum, i16x8.extend_low_i8x16_u(difference));
  }
  return sum;
}

/** The polynomial of CRC32 (Castagnoli), its bits in opposite order, without the leading one. */
const CRC32C: u32 = 0x82f63b78;

/** CRC32: accumulated value, data, bytes of data (1, 2, 4). */
export function crc32(env: usize, crc: i32, data: i32, bytes: i32): i32 {
  const bits = bytes << 3;
  let value: u32 = <u32>crc ^ (bits == 32 ? data : data & ((1 << bits) - 1));
  for (let n = 0; n < bits; n++) value = (value >> 1) ^ (CRC32C & -(value & 1));
  return value;
}
