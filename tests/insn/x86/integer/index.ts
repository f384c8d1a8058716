// The list of integer corpora.

import type { InsnCase } from '../../../oracle/insn-case.ts';
import { addressingCases } from './addressing.ts';
import { aluCases } from './alu.ts';
import { bcdCases } from './bcd.ts';
import { bitCases } from './bit.ts';
import { branchCases } from './branch.ts';
import { exchangeCases } from './exchange.ts';
import { faultCases } from './fault.ts';
import { moveCases } from './move.ts';
import { multiplyDivideCases } from './multiply-divide.ts';
import { optionalCases } from './optional.ts';
import { prefixCases } from './prefix.ts';
import { segmentCases } from './segment.ts';
import { shiftCases } from './shift.ts';
import { stackCases } from './stack.ts';
import { stringCases } from './string.ts';

/** Name of each corpus and the function that builds it, always the same cases. */
export const INTEGER_CORPORA: Record<string, () => InsnCase[]> = {
  alu: aluCases,
  addressing: addressingCases,
  shift: shiftCases,
  'multiply-divide': multiplyDivideCases,
  bcd: bcdCases,
  bit: bitCases,
  exchange: exchangeCases,
  move: moveCases,
  branch: branchCases,
  string: stringCases,
  stack: stackCases,
  segment: segmentCases,
  prefix: prefixCases,
  fault: faultCases,
  optional: optionalCases,
};
