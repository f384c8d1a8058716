// Exception numbers of the x86.

/** Exception vectors (Intel SDM vol. 3, table 6-1). */
export enum Vector {
  DE = 0,
  DB = 1,
  BP = 3,
  OF = 4,
  BR = 5,
  UD = 6,
  NM = 7,
  NP = 11,
  SS = 12,
  GP = 13,
  PF = 14,
  MF = 16,
  AC = 17,
  /** #XM, also written #XF: an unmasked SSE exception. */
  XM = 19,
}
