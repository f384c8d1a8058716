// 128-bit fixed-point multiplication and division, and the constants of the transcendental functions (AssemblyScript).
//
// Results travel in the globals `wHi`/`wLo`. Constants are switches, not tables: the module may own no memory.

import { divRem, divide128, mulHigh } from './f80-core.as';

/** High and low half of the last 128-bit result. */
export let wHi: u64 = 0;
export let wLo: u64 = 0;

// @ts-ignore: decorator
@inline
export function setWide(hi: u64, lo: u64): void {
  wHi = hi;
  wLo = lo;
}

/** The high 128 bits of a product of two 128-bit numbers, at most 3 units of the last place too small. */
export function wideMul(aHi: u64, aLo: u64, bHi: u64, bLo: u64): void {
  const cross1 = mulHigh(aHi, bLo);
  const cross2 = mulHigh(aLo, bHi);
  let hi = mulHigh(aHi, bHi);
  let lo = aHi * bHi + cross1;
  hi += u64(lo < cross1);
  lo += cross2;
  hi += u64(lo < cross2);
  wHi = hi;
  wLo = lo;
}

/** floor(n * 2^128 / d) for n < d and bit 127 of d set. */
export function wideDiv(nHi: u64, nLo: u64, dHi: u64, dLo: u64): void {
  const q1 = digit(nHi, nLo, dHi, dLo);
  const q0 = digit(remHi, remLo, dHi, dLo);
  wHi = q1;
  wLo = q0;
}

let remHi: u64 = 0;
let remLo: u64 = 0;

/** One base-2^64 digit of a quotient: floor(n * 2^64 / d), the remainder in `remHi`/`remLo`. */
function digit(nHi: u64, nLo: u64, dHi: u64, dLo: u64): u64 {
  let q: u64;
  let r: u64;
  let over = false; // the partial remainder r has a bit 64
  if (nHi >= dHi) {
    q = ~u64(0);
    r = nLo + dHi;
    over = r < nLo;
  } else {
    q = divide128(nHi, nLo, dHi);
    r = divRem;
  }
  // (over:r:0) - q * dLo, adding d back while negative (at most twice).
  let pHi = mulHigh(q, dLo);
  let pLo = q * dLo;
  while (!over && (pHi > r || (pHi == r && pLo != 0))) {
    q--;
    pHi -= u64(pLo < dLo);
    pLo -= dLo;
    const sum = r + dHi;
    over = sum < r;
    r = sum;
  }
  remLo = 0 - pLo;
  remHi = r - pHi - u64(pLo != 0);
  return q;
}

/** n/d of two normalized numbers into `wHi`/`wLo`, normalized: wide/2^128 * 2^(what is returned, 0 or 1). */
export function wideQuotient(nHi: u64, nLo: u64, dHi: u64, dLo: u64): i32 {
  if (nHi > dHi || (nHi == dHi && nLo >= dLo)) {
    wideDiv(nHi >> 1, (nHi << 63) | (nLo >> 1), dHi, dLo);
    return 1;
  }
  wideDiv(nHi, nLo, dHi, dLo);
  return 0;
}

/** Shifts a 128-bit number right by n >= 0 into `wHi`/`wLo`. */
export function wideShiftRight(hi: u64, lo: u64, n: i32): void {
  if (n == 0) setWide(hi, lo);
  else if (n < 64) setWide(hi >> n, (hi << (64 - n)) | (lo >> n));
  else if (n < 128) setWide(0, hi >> (n - 64));
  else setWide(0, 0);
}

/** Leading zeros of a non-zero 128-bit number, which is shifted left by as many into `wHi`/`wLo`. */
export function wideNormalize(hi: u64, lo: u64): i32 {
  if (hi == 0) {
    const n = i32(clz(lo));
    setWide(lo << n, 0);
    return n + 64;
  }
  const n = i32(clz(hi));
  if (n == 0) setWide(hi, lo);
  else setWide((hi << n) | (lo >> (64 - n)), lo << n);
  return n;
}

/** ln 2 * 2^128. */
export const LN2_HI: u64 = 0xb17217f7d1cf79ab;
export const LN2_LO: u64 = 0xc9e3b39803f2f6af;
/** 2 / ln 2 * 2^126. */
export const TWO_LOG2E_HI: u64 = 0xb8aa3b295c17f0bb;
export const TWO_LOG2E_LO: u64 = 0xbe87fed0691d3e89;
/** pi * 2^126. */
export const PI_HI: u64 = 0xc90fdaa22168c234;
export const PI_LO: u64 = 0xc4c6628b80dc1cd1;

/** 1/n! * 2^127 for 1 <= n <= 34, high half. */
export function inverseFactorialHi(n: i32): u64 {
  switch (n) {
    case 0:
    case 1: return 0x8000000000000000;
    case 2: return 0x4000000000000000;
    case 3: return 0x1555555555555555;
    case 4: return 0x555555555555555;
    case 5: return 0x111111111111111;
    case 6: return 0x2d82d82d82d82d;
    case 7: return 0x6806806806806;
    case 8: return 0xd00d00d00d00;
    case 9: return 0x171de3a556c7;
    case 10: return 0x24fc9f6ef13;
    case 11: return 0x35cc8acfea;
    case 12: return 0x47bb63bfe;
    case 13: return 0x5849184e;
    case 14: return 0x64e5d2a;
    case 15: return 0x6b9fcf;
    case 16: return 0x6b9fc;
    case 17: return 0x654b;
    case 18: return 0x5a0;
    case 19: return 0x4b;
    case 20: return 0x3;
    default: return 0;
  }
}

/** 1/n! * 2^127, low half. */
export function inverseFactorialLo(n: i32): u64 {
  switch (n) {
    case 3: return 0x5555555555555555;
    case 4: return 0x5555555555555555;
    case 5: return 0x1111111111111111;
    case 6: return 0x82d82d82d82d82d8;
    case 7: return 0x8068068068068068;
    case 8: return 0xd00d00d00d00d00d;
    case 9: return 0x338faac1c88e5001;
    case 10: return 0xeb8e5de02da7d4cd;
    case 11: return 0x89c71fce8fc97070;
    case 12: return 0x3625ed5136a61eb4;
    case 13: return 0xa1b425f28e0cc749;
    case 14: return 0x301f27482eb7c517;
    case 15: return 0x9ccee07c476195ac;
    case 16: return 0xf9ccee07c476195b;
    case 17: return 0x1dc0c2b529ac9814;
    case 18: return 0x9e18ee5f65deec01;
    case 19: return 0xd26d1a05055c9328;
    case 20: return 0xca8574804044a0f5;
    case 21: return 0x2e371dedb9eae318;
    case 22: return 0x219c72db6ff0a53;
    case 23: return 0x1761b41316381a;
    case 24: return 0xf96780cb97ac;
    case 25: return 0x9f9e66e8b30;
    case 26: return 0x623a17f1a9;
    case 27: return 0x3a356385c;
    case 28: return 0x2143144c;
    case 29: return 0x1259f99;
    case 30: return 0x9c996;
    case 31: return 0x50d3;
    case 32: return 0x287;
    case 33: return 0x14;
    case 34: return 0x1;
    default: return 0;
  }
}

/** 1/(2n + 1) * 2^127 for 0 <= n <= 30: the coefficients of atan and atanh. */
export function inverseOdd(n: i32): void {
  switch (n) {
    case 0: setWide(0x8000000000000000, 0x0); break;
    case 1: setWide(0x2aaaaaaaaaaaaaaa, 0xaaaaaaaaaaaaaaab); break;
    case 2: setWide(0x1999999999999999, 0x999999999999999a); break;
    case 3: setWide(0x1249249249249249, 0x2492492492492492); break;
    case 4: setWide(0xe38e38e38e38e38, 0xe38e38e38e38e38e); break;
    case 5: setWide(0xba2e8ba2e8ba2e8, 0xba2e8ba2e8ba2e8c); break;
    case 6: setWide(0x9d89d89d89d89d8, 0x9d89d89d89d89d8a); break;
    case 7: setWide(0x888888888888888, 0x8888888888888889); break;
    case 8: setWide(0x787878787878787, 0x8787878787878788); break;
    case 9: setWide(0x6bca1af286bca1a, 0xf286bca1af286bca); break;
    case 10: setWide(0x618618618618618, 0x6186186186186186); break;
    case 11: setWide(0x590b21642c8590b, 0x21642c8590b21643); break;
    case 12: setWide(0x51eb851eb851eb8, 0x51eb851eb851eb85); break;
    case 13: setWide(0x4bda12f684bda12, 0xf684bda12f684bda); break;
    case 14: setWide(0x469ee58469ee584, 0x69ee58469ee5846a); break;
    case 15: setWide(0x421084210842108, 0x4210842108421084); break;
    case 16: setWide(0x3e0f83e0f83e0f8, 0x3e0f83e0f83e0f84); break;
    case 17: setWide(0x3a83a83a83a83a8, 0x3a83a83a83a83a84); break;
    case 18: setWide(0x3759f22983759f2, 0x2983759f2298375a); break;
    case 19: setWide(0x348348348348348, 0x3483483483483483); break;
    case 20: setWide(0x31f3831f3831f38, 0x31f3831f3831f383); break;
    case 21: setWide(0x2fa0be82fa0be82, 0xfa0be82fa0be82fa); break;
    case 22: setWide(0x2d82d82d82d82d8, 0x2d82d82d82d82d83); break;
    case 23: setWide(0x2b9310572620ae4, 0xc415c9882b931057); break;
    case 24: setWide(0x29cbc14e5e0a72f, 0x5397829cbc14e5e); break;
    case 25: setWide(0x282828282828282, 0x8282828282828283); break;
    case 26: setWide(0x26a439f656f1826, 0xa439f656f1826a44); break;
    case 27: setWide(0x253c8253c8253c8, 0x253c8253c8253c82); break;
    case 28: setWide(0x23ee08fb823ee08, 0xfb823ee08fb823ee); break;
    case 29: setWide(0x22b63cbeea4e1a0, 0x8ad8f2fba9386823); break;
    case 30: setWide(0x2192e29f79b4758, 0x2192e29f79b47582); break;
    default: setWide(0, 0);
  }
}

/** atan(n/16) * 2^128 for 1 <= n <= 16, and 0 for 0. */
export function arctanSixteenths(n: i32): void {
  switch (n) {
    case 1: setWide(0xffaaddb967ef4e3, 0x6cb2792dc0e2e0d5); break;
    case 2: setWide(0x1fd5ba9aac2f6dc6, 0x5912f313e7d111df); break;
    case 3: setWide(0x2f72f6979cb6044d, 0x1ec2d3e207271d22); break;
    case 4: setWide(0x3eb6ebf25901bac5, 0x5b71e7bd7de885f9); break;
    case 5: setWide(0x4d89dcdc1faf2f34, 0xe2d5da4c693d7994); break;
    case 6: setWide(0x5bd86507937bc239, 0xc55190916e7f2242); break;
    case 7: setWide(0x6993bb0f308ff2db, 0x213e4af4800f389b); break;
    case 8: setWide(0x76b19c1586ed3da2, 0xb7f222f65e1d4682); break;
    case 9: setWide(0x832bf4a6d9867e2a, 0x4b6a09cb61a515c1); break;
    case 10: setWide(0x8f005d5ef7f59f9b, 0x5c835e1665c43748); break;
    case 11: setWide(0x9a2f80e671bdda20, 0x4226f8e2204ff3bd); break;
    case 12: setWide(0xa4bc7d1934f70924, 0x19a87f2a457dac9f); break;
    case 13: setWide(0xaeac4c38b4d8c080, 0x14725e2f3e52070a); break;
    case 14: setWide(0xb8053e2bc2319e73, 0xcb2da55210a4443d); break;
    case 15: setWide(0xc0ce85b8ac526640, 0x89dd62c46e92fa25); break;
    case 16: setWide(0xc90fdaa22168c234, 0xc4c6628b80dc1cd1); break;
    default: setWide(0, 0);
  }
}
