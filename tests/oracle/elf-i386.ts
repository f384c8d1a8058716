// Writes static i386 ELF executables from segments of bytes.

/** One PT_LOAD segment. */
export interface Segment {
  /** Page-aligned address. */
  address: number;
  /** Initial bytes; `zeroBytes` asks for an area of zeros instead. */
  bytes?: Uint8Array;
  /** Size in bytes of an area of zeros. */
  zeroBytes?: number;
  access: 'r' | 'rw' | 'rx' | 'rwx';
}

const PAGE = 4096;
const EHDR_BYTES = 52;
const PHDR_BYTES = 32;
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474e551;
const PF = { x: 1, w: 2, r: 4 } as const;

function accessBits(access: string): number {
  let bits = 0;
  for (const letter of access) bits |= PF[letter as keyof typeof PF];
  return bits;
}

const roundUp = (value: number) => Math.ceil(value / PAGE) * PAGE;

/**
 * Builds the file image (System V ABI, i386 supplement). Areas of zeros are backed by one shared run of zero bytes in
 * the file rather than by p_memsz > p_filesz, because kernels before 6.6 handle that in the last segment only.
 * PT_GNU_STACK without X keeps data pages non-executable (otherwise Linux makes every readable i386 page executable).
 */
export function buildElf(entry: number, segments: Segment[]): Uint8Array {
  const sorted = [...segments].sort((a, b) => a.address - b.address);
  for (let i = 0; i < sorted.length; i++) {
    const { address, bytes, zeroBytes } = sorted[i]!;
    if (address % PAGE !== 0) throw new Error(`segment at ${address.toString(16)} is not page-aligned`);
    const size = roundUp(bytes ? bytes.length : zeroBytes!);
    const next = sorted[i + 1];
    if (next && address + size > next.address) throw new Error(`segments overlap at ${next.address.toString(16)}`);
  }
  const zeros = roundUp(Math.max(0, ...sorted.map((segment) => (segment.bytes ? 0 : segment.zeroBytes!))));
  const headers = roundUp(EHDR_BYTES + PHDR_BYTES * (sorted.length + 1));
  let size = headers + zeros;
  const offsets = sorted.map((segment) => {
    if (!segment.bytes) return headers;
    const offset = size;
    size += roundUp(segment.bytes.length);
    return offset;
  });

  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]); // ELF, 32-bit, little-endian, version 1
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, 3, true); // EM_386
  view.setUint32(20, 1, true);
  view.setUint32(24, entry, true);
  view.setUint32(28, EHDR_BYTES, true); // e_phoff
  view.setUint16(40, EHDR_BYTES, true);
  view.setUint16(42, PHDR_BYTES, true);
  view.setUint16(44, sorted.length + 1, true);
  view.setUint16(46, 40, true); // e_shentsize
  const header = (index: number, fields: number[]) =>
    fields.forEach((field, i) => {
      view.setUint32(EHDR_BYTES + index * PHDR_BYTES + i * 4, field, true);
    });
  sorted.forEach((segment, i) => {
    const bytes = segment.bytes ? segment.bytes.length : segment.zeroBytes!;
    header(i, [PT_LOAD, offsets[i]!, segment.address, segment.address, bytes, bytes, accessBits(segment.access), PAGE]);
    if (segment.bytes) file.set(segment.bytes, offsets[i]!);
  });
  header(sorted.length, [PT_GNU_STACK, 0, 0, 0, 0, 0, accessBits('rw'), 16]);
  return file;
}
