// The kernel's helper page of ARM at 0xffff0000: code that programs call at fixed addresses (Documentation/arch/arm/kernel_user_helpers).

export const KUSER_PAGE = 0xffff0000;

/** Routines by address, as A32 words. The page is executed on every model, so all may use exclusive accesses. */
const ROUTINES: readonly (readonly [address: number, code: readonly number[]])[] = [
  // __kuser_cmpxchg64: r0 old value, r1 new value (pointers), r2 pointer. r0 = 0 and C set if it was exchanged.
  [
    0xffff0f60,
    [
      0xe92d00f0, // push {r4, r5, r6, r7}
      0xe8900030, // ldm r0, {r4, r5}
      0xe89100c0, // ldm r1, {r6, r7}
      0xe1b20f9f, // ldrexd r0, r1, [r2]
      0xe0303004, // eors r3, r0, r4
      0x00313005, // eorseq r3, r1, r5
      0x01a23f96, // strexdeq r3, r6, r7, [r2]
      0x03330001, // teqeq r3, #1
      0x0afffff9, // beq (ldrexd)
      0xe2730000, // rsbs r0, r3, #0
      0xe8bd00f0, // pop {r4, r5, r6, r7}
      0xe12fff1e, // bx lr
    ],
  ],
  // __kuser_memory_barrier
  [
    0xffff0fa0,
    [
      0xf57ff05b, // dmb ish
      0xe12fff1e, // bx lr
    ],
  ],
  // __kuser_cmpxchg: r0 old value, r1 new value, r2 pointer. r0 = 0 and C set if it was exchanged.
  [
    0xffff0fc0,
    [
      0xe1923f9f, // ldrex r3, [r2]
      0xe0533000, // subs r3, r3, r0
      0x01823f91, // strexeq r3, r1, [r2]
      0x03330001, // teqeq r3, #1
      0x0afffffa, // beq (ldrex)
      0xe2730000, // rsbs r0, r3, #0
      0xe12fff1e, // bx lr
    ],
  ],
  // __kuser_get_tls: r0 = thread pointer
  [
    0xffff0fe0,
    [
      0xee1d0f70, // mrc p15, 0, r0, c13, c0, 3
      0xe12fff1e, // bx lr
    ],
  ],
];

/** Number of the newest routine (__kuser_helper_version). */
const VERSION_ADDRESS = 0xffff0ffc;
const VERSION = 5;

/** Contents of the page. Its instructions are always little-endian, as the translator reads them there. */
export function kuserPage(bigEndian: boolean): Uint8Array {
  const page = new Uint8Array(4096);
  const view = new DataView(page.buffer);
  for (const [address, code] of ROUTINES) {
    code.forEach((word, k) => {
      view.setUint32(address - KUSER_PAGE + 4 * k, word, true);
    });
  }
  view.setUint32(VERSION_ADDRESS - KUSER_PAGE, VERSION, !bigEndian);
  return page;
}
