// What compiling blocks and regions needs of the CPU they are for.
import type { CodeSource, Guest } from '../../targets/target.ts';
import type { Block } from '../../tcg/ir/block.ts';
import type { CodeCache, Entry, KnownSlots, Tier } from './code-cache.ts';
import type { CodeMemory } from './code-memory.ts';
import type { CpuOptions } from './options.ts';

/** A unit of a module and the guest code it was made from: start and end of each piece. */
export interface RecordedUnit {
  readonly entry: Entry;
  readonly ranges: readonly number[];
}

/** Translations kept from one run to the next; `StoredTranslations` is one. */
export interface TranslationStore extends KnownSlots {
  /** Takes over the translation of an entry that has none; returns whether it has one now. */
  load(cpu: Translator, entry: Entry): boolean;
  /** Notes a module that has just been made. `modules`: bit n for the guest's n-th helper module. */
  record(cpu: Translator, bytes: Uint8Array, tier: Tier, units: readonly RecordedUnit[], modules: number): void;
}

/** A CPU as the compiling side sees it; `Cpu` is one. */
export interface Translator {
  readonly guest: Guest;
  readonly memory: CodeMemory;
  readonly options: CpuOptions;
  readonly cache: CodeCache;
  /** Where translations are kept for the next run; null: nowhere. */
  readonly store: TranslationStore | null;
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
  /** The exports of one of the guest's wasm helper modules, which is instantiated at first use. */
  helperModule(module: string): Record<string, unknown>;
}
