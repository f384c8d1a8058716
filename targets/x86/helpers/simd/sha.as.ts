// Steps of SHA-1 and SHA-256 (FIPS 180-4; SDM vol. 2, SHA*): word 3 of a vector is the first in the standard's order for
// SHA-1, and state words are spread over vectors as the manual has them (AssemblyScript).

// @ts-ignore: decorator
@inline
function word(x: v128, n: u8): u32 {
  switch (n) {
    case 0:
      return i32x4.extract_lane(x, 0);
    case 1:
      return i32x4.extract_lane(x, 1);
    case 2:
      return i32x4.extract_lane(x, 2);
    default:
      return i32x4.extract_lane(x, 3);
  }
}

// @ts-ignore: decorator
@inline
function words(w0: u32, w1: u32, w2: u32, w3: u32): v128 {
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(w0), 1, w1), 2, w2), 3, w3);
}

/** SHA1RNDS4: four rounds on A B C D (a, word 3 down) with E added to the message words (b); imm & 3 chooses f and K. */
export function sha1rnds4(env: usize, a: v128, b: v128, imm: i32): v128 {
  let A = word(a, 3);
  let B = word(a, 2);
  let C = word(a, 1);
  let D = word(a, 0);
  let E: u32 = 0;
  const kind = imm & 3;
  const K: u32 = kind == 0 ? 0x5a827999 : kind == 1 ? 0x6ed9eba1 : kind == 2 ? 0x8f1bbcdc : 0xca62c1d6;
  for (let round: i32 = 3; round >= 0; round--) {
    const f: u32 = kind == 0 ? (B & C) ^ (~B & D) : kind == 2 ? (B & C) ^ (B & D) ^ (C & D) : B ^ C ^ D;
    const next = f + rotl<u32>(A, 5) + word(b, <u8>round) + E + K;
    E = D;
    D = C;
    C = rotl<u32>(B, 30);
    B = A;
    A = next;
  }
  return words(D, C, B, A);
}

/** SHA1NEXTE: E of four rounds on (from A in word 3 of a) added to word 3 of b. */
export function sha1nexte(env: usize, a: v128, b: v128): v128 {
  return i32x4.replace_lane(b, 3, word(b, 3) + rotl<u32>(word(a, 3), 30));
}

/** SHA1MSG1: words of the message schedule, first half. */
export function sha1msg1(env: usize, a: v128, b: v128): v128 {
  return v128.xor(a, v128.shuffle<u64>(b, a, 1, 2));
}

/** SHA1MSG2: the second half. */
export function sha1msg2(env: usize, a: v128, b: v128): v128 {
  const w16 = rotl<u32>(word(a, 3) ^ word(b, 2), 1);
  const w17 = rotl<u32>(word(a, 2) ^ word(b, 1), 1);
  const w18 = rotl<u32>(word(a, 1) ^ word(b, 0), 1);
  const w19 = rotl<u32>(word(a, 0) ^ w16, 1);
  return words(w19, w18, w17, w16);
}

/** SHA256RNDS2: two rounds; a is C D G H, b is A B E F (word 3 down), wk the sums of message and constants. */
export function sha256rnds2(env: usize, a: v128, b: v128, wk: v128): v128 {
  let A = word(b, 3);
  let B = word(b, 2);
  let C = word(a, 3);
  let D = word(a, 2);
  let E = word(b, 1);
  let F = word(b, 0);
  let G = word(a, 1);
  let H = word(a, 0);
  for (let round: i32 = 0; round < 2; round++) {
    const choose = (E & F) ^ (~E & G);
    const sum1 = rotr<u32>(E, 6) ^ rotr<u32>(E, 11) ^ rotr<u32>(E, 25);
    const t1 = choose + sum1 + word(wk, <u8>round) + H;
    const majority = (A & B) ^ (A & C) ^ (B & C);
    const sum0 = rotr<u32>(A, 2) ^ rotr<u32>(A, 13) ^ rotr<u32>(A, 22);
    H = G;
    G = F;
    F = E;
    E = t1 + D;
    D = C;
    C = B;
    B = A;
    A = t1 + majority + sum0;
  }
  return words(F, E, B, A);
}

// @ts-ignore: decorator
@inline
function sigma0(w: u32): u32 {
  return rotr<u32>(w, 7) ^ rotr<u32>(w, 18) ^ (w >> 3);
}

// @ts-ignore: decorator
@inline
function sigma1(w: u32): u32 {
  return rotr<u32>(w, 17) ^ rotr<u32>(w, 19) ^ (w >> 10);
}

/** SHA256MSG1: words of the message schedule, first half. */
export function sha256msg1(env: usize, a: v128, b: v128): v128 {
  return words(
    word(a, 0) + sigma0(word(a, 1)),
    word(a, 1) + sigma0(word(a, 2)),
    word(a, 2) + sigma0(word(a, 3)),
    word(a, 3) + sigma0(word(b, 0)),
  );
}

/** SHA256MSG2: the second half. */
export function sha256msg2(env: usize, a: v128, b: v128): v128 {
  const w16 = word(a, 0) + sigma1(word(b, 2));
  const w17 = word(a, 1) + sigma1(word(b, 3));
  return words(w16, w17, word(a, 2) + sigma1(w16), word(a, 3) + sigma1(w17));
}
