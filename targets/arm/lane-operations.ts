// Numbers of the operations on lanes that helpers/vector/lanes.as.ts has by number.

/** The position is the number; Advanced SIMD has all but the last. */
export const LANE_OPERATIONS = [
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
export type LaneOperation = (typeof LANE_OPERATIONS)[number];
