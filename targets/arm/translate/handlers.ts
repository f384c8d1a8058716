// The handler of every row: a row without one, or a handler without a row, does not type-check.
import type { CoreRow, RowName } from '../insns.ts';
import { BRANCH_HANDLERS } from './branch.ts';
import type { Handler } from './context.ts';
import { DATA_HANDLERS } from './data.ts';
import { MEDIA_HANDLERS } from './media.ts';
import { MEMORY_HANDLERS } from './memory.ts';
import { MULTIPLY_HANDLERS } from './multiply.ts';
import { NEON_HANDLERS } from './neon.ts';
import { VFP_HANDLERS } from './vfp.ts';

const CORE_HANDLERS = {
  ...DATA_HANDLERS,
  ...MULTIPLY_HANDLERS,
  ...MEDIA_HANDLERS,
  ...MEMORY_HANDLERS,
  ...BRANCH_HANDLERS,
} satisfies Record<CoreRow, Handler>;

/** A handler that no row has would be a key here. */
type Unused = Exclude<keyof typeof CORE_HANDLERS, CoreRow>;
const NO_UNUSED: [Unused] extends [never] ? true : Unused = true;
void NO_UNUSED;

export const HANDLERS: Record<RowName, Handler> = { ...CORE_HANDLERS, ...VFP_HANDLERS, ...NEON_HANDLERS };
