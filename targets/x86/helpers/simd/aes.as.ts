// Rounds of AES (FIPS 197; SDM vol. 2, AESENC and the others): the state is a column-major 4 x 4 matrix of bytes (AssemblyScript).
//
// `tables.as` is made by the build script; there is no such file on disk.

import { inverseSbox, sbox } from './tables.as';

/** Twice every byte in the field. */
// @ts-ignore: decorator
@inline
function double(x: v128): v128 {
  return v128.xor(i8x16.add(x, x), v128.and(i8x16.lt_s(x, i8x16.splat(0)), i8x16.splat(0x1b)));
}

/** Each column turned up by one byte. */
// @ts-ignore: decorator
@inline
function turn(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);
}

// @ts-ignore: decorator
@inline
function turnTwice(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
}

/** MixColumns: 2 a + 3 b + c + d. */
// @ts-ignore: decorator
@inline
function mixColumns(x: v128): v128 {
  const next = turn(x);
  const pairs = v128.xor(x, next);
  return v128.xor(v128.xor(double(pairs), next), turnTwice(pairs));
}

/** InvMixColumns: MixColumns of 5 a + 4 c. */
// @ts-ignore: decorator
@inline
function inverseMixColumns(x: v128): v128 {
  return mixColumns(v128.xor(x, double(double(v128.xor(x, turnTwice(x))))));
}

// @ts-ignore: decorator
@inline
function shiftRows(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11);
}

// @ts-ignore: decorator
@inline
function inverseShiftRows(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 0, 13, 10, 7, 4, 1, 14, 11, 8, 5, 2, 15, 12, 9, 6, 3);
}

/** AESENC state, round key. */
export function aesenc(env: usize, state: v128, key: v128): v128 {
  return v128.xor(mixColumns(sbox(shiftRows(state))), key);
}

/** AESENCLAST state, round key. */
export function aesenclast(env: usize, state: v128, key: v128): v128 {
  return v128.xor(sbox(shiftRows(state)), key);
}

/** AESDEC state, round key. */
export function aesdec(env: usize, state: v128, key: v128): v128 {
  return v128.xor(inverseMixColumns(inverseSbox(inverseShiftRows(state))), key);
}

/** AESDECLAST state, round key. */
export function aesdeclast(env: usize, state: v128, key: v128): v128 {
  return v128.xor(inverseSbox(inverseShiftRows(state)), key);
}

/** AESIMC. */
export function aesimc(env: usize, key: v128): v128 {
  return inverseMixColumns(key);
}

/** AESKEYGENASSIST: words 1 and 3 substituted, and the same turned with the round constant. */
export function aeskeygenassist(env: usize, key: v128, constant: i32): v128 {
  const words = sbox(key);
  const turned = v128.shuffle<u8>(words, words, 4, 5, 6, 7, 5, 6, 7, 4, 12, 13, 14, 15, 13, 14, 15, 12);
  return v128.xor(turned, i64x2.splat(<i64>constant << 32));
}
