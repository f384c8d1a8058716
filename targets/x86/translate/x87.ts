// The x87 instructions: operands and memory formats here, arithmetic in the softfloat helpers.
import type { X86Mnemonic } from '../insns.ts';
import type { Handler } from './handlers.ts';
import { unimplemented } from './system.ts';

/** Every x87 mnemonic. */
export type X87Mnemonic = Exclude<Extract<X86Mnemonic, `F${string}`>, 'FEMMS' | 'FXSAVE' | 'FXRSTOR'>;

export const X87_HANDLERS = {} as Record<X87Mnemonic, Handler>;
export { unimplemented };
