// What the rules of single ops may ask of the lowering of a block, and the form of a rule.
import type { Op } from '../ir/block.ts';
import type { Global, Value } from '../ir/value.ts';
import type { LoweringOptions } from './lower-options.ts';
import type { CodeWriter, ValType } from './module-writer.ts';

/** The lowering of one block as rules see it: a code writer that knows operands, locals, pending loads and CPU state. */
export interface Emitter extends CodeWriter {
  readonly options: LoweringOptions;
  /** Addresses of the block's run counter and of its ring of indirect jump targets; 0: none. */
  readonly counter: number;
  readonly profile: number;
  /** Puts operand a, b or c of the op at `i` on the stack. */
  a(op: Op, i: number): void;
  b(op: Op, i: number): void;
  c(op: Op, i: number): void;
  /**
   * Puts a guest address on the stack and returns the constant displacement (0..2^16-1) that the access has to add. Sums
   * of a value and a small constant are not computed at all.
   */
  address(op: Op, i: number): number;
  /** A local of the given type whose content nobody needs. */
  allocate(type: ValType): number;
  /** Prepares a value to be put on the stack once, in code that runs only sometimes. */
  delayValue(value: Value): void;
  /** Puts the address of CPU state on the stack. */
  env(): void;
  /** Whether the block's ways out that go on with another block share the end of its function. */
  readonly sharesEnd: boolean;
  /**
   * Goes there, to go on with the block in the slot on the stack; `pc` becomes the PC, which is stored already if not given.
   * Only where no construct is open but those of the block's own branches.
   */
  goToEnd(pc?: number): void;
  /** Whether the op in front of the `goto_tb` at `i` is a poll that it does. */
  gotoPolls(i: number): boolean;
  /** The op that will compute operand a of the op at `i` for this use alone, or null. */
  pendingOperand(i: number): Op | null;
  /**
   * Whether the engine might load the poll word of a poll here only once, in front of a loop. It does not where the loop
   * stores to memory, such as in the same run.
   */
  pollMayBeHoisted(): boolean;
  /** Whether the poll at `i` is done by the `goto_tb` behind it, which goes to the same PC. */
  pollsInGoto(i: number): boolean;
  /** Gives back a local got from `allocate`; homes stay. */
  release(local: number): void;
  /** Takes over the globals a helper wrote, behind the call at `i`. */
  reloadGlobals(i: number): void;
  /** Takes the result of an op emitted where it stands from the stack. */
  result(op: Op, i: number): void;
  /** Computes what the field of the global with this id still holds for later: the field is about to be overwritten. */
  saveEntryValue(id: number): void;
  /** The same for all globals. */
  saveEntryValues(): void;
  /** The same for loads from CPU state. */
  settleEnvLoads(): void;
  /** Computes a value, so that it can be used in code that runs only sometimes. */
  settleValue(value: Value): void;
  /** Computes the loads that are still pending: an effect follows that they must not move past. */
  settleLoads(): void;
  /**
   * Takes the operand `value` apart into alternatives, of which any makes it not 0, and prepares these and `more` to be put
   * on the stack in this order in code that runs only sometimes: what other code needs too is computed now.
   */
  splitRare(value: Value, more: Value): readonly number[];
  /** Stores the value on the stack, with `env` below it, to the field of a global. */
  storeGlobal(global: Global): void;
  /** Stores the values of globals to CPU state. Loads that are still pending are done before the first store. */
  sync(list: readonly Global[]): void;
  /** Marks the op `pendingOperand` found as used; the caller emits it in its own way. Returns its index. */
  takeOperand(i: number): number;
  /** Puts an alternative that `splitRare` found on the stack. */
  useAlternative(ref: number): void;
  /** Puts the value a variable has now, or a constant, on the stack. */
  useValue(value: Value): void;
}

/** Emits one op; `i` is its index in the block. */
export type Rule = (l: Emitter, op: Op, i: number) => void;
