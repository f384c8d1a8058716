// What compiling blocks and regions needs of the CPU they are for.
import type { CodeSource, Guest } from '../../targets/target.ts';
import type { Block } from '../../tcg/ir/block.ts';
import type { CodeCache } from './code-cache.ts';
import type { CodeMemory } from './code-memory.ts';
import type { CpuOptions } from './options.ts';

/** A CPU as the compiling side sees it; `Cpu` is one. */
export interface Translator {
  readonly guest: Guest;
  readonly memory: CodeMemory;
  readonly options: CpuOptions;
  readonly cache: CodeCache;
  readonly view: DataView;
  /** Guest memory as the translator reads it. */
  readonly code: CodeSource;
  /** The imports of generated modules, by module and name. */
  readonly imports: Record<string, Record<string, unknown>>;
  /** End of the last block `translateOne` made. */
  readonly lastEnd: number;
  /** Translates the straight run at `pc`; nothing is optimised or entered in the cache. */
  translateOne(pc: number, flags: number, maxInsns: number): Block;
  /** The pages of [start, end), write-protected so that translations made from them stay true. */
  pagesOf(start: number, end: number): number[];
  /** A function of one of the guest's wasm helper modules. */
  helperModule(module: string): Record<string, unknown>;
}
