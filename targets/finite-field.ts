// The finite field of AES: inverses and the S-boxes made from them, for guests with such instructions.

/** The polynomial of AES and GFNI: x^8 + x^4 + x^3 + x + 1. */
const POLYNOMIAL = 0x11b;

function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit++) {
    if ((b >> bit) & 1) product ^= a;
    a <<= 1;
    if (a & 0x100) a ^= POLYNOMIAL;
  }
  return product;
}

/** Multiplicative inverses; that of 0 is 0. */
export function inverses(): number[] {
  const table = new Array<number>(256).fill(0);
  for (let a = 1; a < 256; a++) {
    for (let b = 1; table[a] === 0; b++) if (multiply(a, b) === 1) table[a] = b;
  }
  return table;
}

/** The S-box of FIPS 197, 5.1.1: the inverse, then an affine map of its bits. */
function substitute(inverse: number): number {
  let result = 0x63;
  for (let turn = 0; turn < 5; turn++) result ^= ((inverse << turn) | (inverse >> (8 - turn))) & 0xff;
  return result;
}

/** The S-box of AES and its inverse. */
export function substitutionBoxes(): [sbox: number[], inverse: number[]] {
  const sbox = inverses().map(substitute);
  return [sbox, sbox.map((_, value) => sbox.indexOf(value))];
}
