// What runs before the rest of a command for guests is loaded: imported first, and in the executable a script of its own.
import { makeMemoryEarly } from '../memory/wasm-memory.ts';

makeMemoryEarly();
