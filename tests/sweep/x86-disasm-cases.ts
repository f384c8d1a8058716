/** The byte sequences the x86 decoder sweeps go through: every opening of every opcode map, with ModRM and a tail. */

/** Bytes that are prefixes, which no sequence has as its opcode. */
export const PREFIX_BYTES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3] as const;

/** Escape bytes of the opcode maps. */
export const MAP_ESCAPES: readonly (readonly number[])[] = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];

/** One sequence; `bytes` is reused by the generator and always SEQUENCE_BYTES long. */
export interface Sequence {
  readonly bytes: Uint8Array;
  prefixes: readonly number[];
  /** escape and opcode bytes, as hex: '0fae' */
  opening: string;
  /** the byte after the opcode, ModRM where there is one */
  modrm: number;
}

/** Longer than any instruction. */
export const SEQUENCE_BYTES = 32;

/** Calls `visit` for every opcode of every map behind `prefixes`, with every byte that `modrms` lists after it. */
export function eachOpening(
  prefixes: readonly number[],
  modrms: readonly number[],
  tail: readonly number[],
  visit: (sequence: Sequence) => void,
): void {
  const sequence: Sequence = { bytes: new Uint8Array(SEQUENCE_BYTES), prefixes, opening: '', modrm: 0 };
  for (const escapes of MAP_ESCAPES) {
    for (let opcode = 0; opcode < 256; opcode++) {
      if (escapes.length === 0 && (opcode === 0x0f || (PREFIX_BYTES as readonly number[]).includes(opcode))) continue;
      if (escapes.length === 1 && (opcode === 0x38 || opcode === 0x3a)) continue;
      const start = prefixes.length + escapes.length + 1;
      sequence.bytes.set(prefixes);
      sequence.bytes.set(escapes, prefixes.length);
      sequence.bytes[start - 1] = opcode;
      for (let at = start + 1; at < SEQUENCE_BYTES; at++) sequence.bytes[at] = tail[(at - start - 1) % tail.length]!;
      sequence.opening = hex([...escapes, opcode]);
      for (const modrm of modrms) {
        sequence.modrm = modrm;
        sequence.bytes[start] = modrm;
        visit(sequence);
      }
    }
  }
}

/** Every value of a byte. */
export const ALL_BYTES: readonly number[] = Array.from({ length: 256 }, (_, byte) => byte);

/** Bytes as lower-case hex digits. */
export function hex(bytes: ArrayLike<number>): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
