// The hand-written wasm functions of the execution loop: entering generated code through the table, the miss, keeping slots.

/** What the loop calls, and what it puts in table slots without a translation. */
export interface GeneratedFunctions {
  /**
   * Runs the function in table slot `slot` on the CPU state at `env`; returns an `Exit`. At `Exit.EXCEPTION` it calls
   * `trap`, and goes on with the slot that returns; a negative number it returns instead. Throws when guest code faults.
   */
  enter(env: number, slot: number): number;
  /** Returns `Exit.LOOKUP`. */
  readonly miss: CallableFunction;
  /** Must be called once before `enter`. */
  connect(table: WebAssembly.Table, trap: () => number): void;
}

// (module (func (export "miss") (param i32) (result i32) (i32.const 0)))
const MISS = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127, 3, 2, 1, 0, 7, 8, 1, 4, 109, 105, 115, 115, 0, 0, 10, 6, 1,
  4, 0, 65, 0, 11,
]);

// (module (import "e" "t" (table 0 funcref)) (import "e" "s" (func $trap (result i32)))
//   (type (func (param i32) (result i32)))
//   (func (export "enter") (param $env i32) (param $slot i32) (result i32) (local $exit i32)
//     (loop $again
//       (local.tee $exit (call_indirect (type 0) (local.get $env) (local.get $slot)))
//       (if (i32.ne (i32.const 2)) (then (return (local.get $exit))))
//       (br_if $again (i32.ge_s (local.tee $slot (call $trap)) (i32.const 0))))
//     (local.get $slot)))
const ENTER = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 16, 3, 96, 1, 127, 1, 127, 96, 2, 127, 127, 1, 127, 96, 0, 1, 127, 2, 15, 2, 1, 101,
  1, 116, 1, 112, 0, 0, 1, 101, 1, 115, 0, 2, 3, 2, 1, 1, 7, 9, 1, 5, 101, 110, 116, 101, 114, 0, 1, 10, 38, 1, 36, 1,
  1, 127, 3, 64, 32, 0, 32, 1, 17, 0, 0, 34, 2, 65, 2, 71, 4, 64, 32, 2, 15, 11, 16, 0, 34, 1, 65, 0, 78, 13, 0, 11, 32,
  1, 11,
]);

/** Instantiates both; `Exit.LOOKUP` is 0, as MISS returns, and `Exit.EXCEPTION` is 2, as ENTER asks. */
export function bootstrap(): GeneratedFunctions {
  const missInstance = new WebAssembly.Instance(new WebAssembly.Module(MISS));
  const functions = {
    miss: missInstance.exports.miss as CallableFunction,
    enter: (): number => {
      throw new Error('connect the table first');
    },
    connect(table: WebAssembly.Table, trap: () => number): void {
      const instance = new WebAssembly.Instance(new WebAssembly.Module(ENTER), { e: { t: table, s: trap } });
      functions.enter = instance.exports.enter as () => number;
    },
  };
  return functions;
}

/** Keeps functions of a table while its slots are used for others, and puts single ones back. */
export interface SlotKeeper {
  /** Keeps what is in one slot; there must be room. */
  keep(slot: number): void;
  /** Puts the function of one slot back. */
  back(slot: number): void;
  /** Fills the first `count` slots of the table with `filler`. */
  clear(count: number, filler: CallableFunction): void;
  /** Makes room for `count` slots. */
  grow(count: number): void;
}

// (module (import "e" "t" (table 0 funcref)) (import "e" "k" (table 0 funcref))
//   (func (export "clear") (param i32 funcref) (table.fill 0 (i32.const 0) (local.get 1) (local.get 0)))
//   (func (export "keep") (param i32) (table.set 1 (local.get 0) (table.get 0 (local.get 0))))
//   (func (export "back") (param i32) (table.set 0 (local.get 0) (table.get 1 (local.get 0)))))
const KEEPER = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 10, 2, 96, 2, 127, 112, 0, 96, 1, 127, 0, 2, 17, 2, 1, 101, 1, 116, 1, 112, 0, 0, 1,
  101, 1, 107, 1, 112, 0, 0, 3, 4, 3, 0, 1, 1, 7, 23, 3, 5, 99, 108, 101, 97, 114, 0, 0, 4, 107, 101, 101, 112, 0, 1, 4,
  98, 97, 99, 107, 0, 2, 10, 35, 3, 11, 0, 65, 0, 32, 1, 32, 0, 252, 17, 0, 11, 10, 0, 32, 0, 32, 0, 37, 0, 38, 1, 11,
  10, 0, 32, 0, 32, 0, 37, 1, 38, 0, 11,
]);

/** A keeper for the slots of `table`; it has room for those there are now. */
export function keepSlots(table: WebAssembly.Table): SlotKeeper {
  const kept = new WebAssembly.Table({ initial: table.length, element: 'anyfunc' });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(KEEPER), { e: { t: table, k: kept } });
  const { keep, back, clear } = instance.exports as unknown as Omit<SlotKeeper, 'grow'>;
  const grow = (count: number): void => {
    if (count > kept.length) kept.grow(count - kept.length);
  };
  return { keep, back, clear, grow };
}
