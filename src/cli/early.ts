// What runs before the rest of a command for guests is loaded: imported first, and in the executable a script of its own.
import { makeMemoryEarly, NO_ADDRESS_SPACE } from '../memory/wasm-memory.ts';

try {
  makeMemoryEarly();
} catch (error) {
  if (!(error instanceof RangeError)) throw error;
  // The engine then has none for calls of the system either, with which the rest begins. (Nothing is imported for this: memory
  // is made much faster while nothing is there.)
  console.error(`wemu: ${NO_ADDRESS_SPACE}`);
  process.exit(1);
}
