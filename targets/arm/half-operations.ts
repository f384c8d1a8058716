// Numbers of the operations on lanes and halves that helpers/vector/neon-float.as.ts and half.as.ts have by number.

/** The position is the number; single precision has all but the last. */
export const HALF_OPERATIONS = [
  'add',
  'sub',
  'mul',
  'abd',
  'max',
  'min',
  'maxnm',
  'minnm',
  'ceq',
  'cge',
  'cgt',
  'acge',
  'acgt',
  'recps',
  'rsqrts',
  'div',
] as const;
export type HalfOperation = (typeof HALF_OPERATIONS)[number];
