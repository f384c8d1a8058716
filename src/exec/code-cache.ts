// Which guest code is translated: entries by address and flags, their table slots, and the pages they were made from.
import { PROFILE_ENTRIES } from '../../tcg/engine.ts';
import type { Block } from '../../tcg/ir/block.ts';
import { MAX_PROFILES, MAX_SLOTS, PROFILE_BASE } from './layout.ts';

/** How far the translation of an entry has come. */
export enum Tier {
  /** Named as a jump target, or interpreted; its slot leads to the miss function. */
  NONE = 0,
  /** A function of its own, counting its runs. */
  BLOCK = 1,
  /** The entry of a region. */
  REGION = 2,
}

/** One (address, flags) that has a table slot. */
export class Entry {
  tier = Tier.NONE;
  /** Pages of the guest code it was made from. */
  pages: readonly number[] | null = null;
  /** Its IR while it is interpreted: always with the interpreter engine, else until it has run often enough to compile. */
  ir: Block | null = null;
  /** `Builder.writtenEarly` of that IR; -1 when it has been prepared for replay. */
  writtenEarly = -1;
  /** How often it was interpreted. */
  runs = 0;
  /** Address behind the guest code of that IR. */
  end = 0;
  /** Address of its ring of indirect jump targets, or 0. */
  profile = 0;
  /** How many blocks its region was made of; lockstep wants to know. */
  regionBlocks = 0;
  /** How often translations of this address were thrown away because its page was written. */
  invalidations = 0;

  constructor(
    readonly pc: number,
    readonly flags: number,
    readonly slot: number,
  ) {}
}

/** Slots that addresses had in an earlier run and keep. */
export interface KnownSlots {
  readonly slotCount: number;
  /** How many profile rings are given away already. */
  readonly profileCount: number;
  /** The slot of an address, or -1. */
  find(pc: number, flags: number): number;
}

/** Filling a slot costs 0.1 us, growing little more than filling: a small program needs about 2,300 slots. */
const FIRST_TABLE_SIZE = 1 << 11;

/**
 * Entries of one thread. A slot belongs to one (address, flags) for good: jumps name the slot of their target whether it
 * is translated or not, so translating, replacing and invalidating are one table store each.
 */
export class CodeCache {
  readonly table: WebAssembly.Table;
  private nextSlot = 0;
  private nextProfile = 0;
  private readonly byFlags = new Map<number, Map<number, Entry>>();
  private currentFlags = -1;
  private current = new Map<number, Entry>();
  private readonly byPage = new Map<number, Set<Entry>>();

  /**
   * @param miss wasm function that returns `Exit.LOOKUP`; every slot without a translation leads to it.
   * @param known slots that are taken from the start
   */
  constructor(
    private readonly miss: CallableFunction,
    private readonly known: KnownSlots | null = null,
  ) {
    this.nextSlot = known?.slotCount ?? 0;
    this.nextProfile = known?.profileCount ?? 0;
    const initial = Math.max(FIRST_TABLE_SIZE, this.nextSlot + (this.nextSlot >>> 3));
    const limits = { initial, maximum: MAX_SLOTS, element: 'anyfunc' } as const;
    this.table = new WebAssembly.Table(limits, miss as never);
  }

  /** Slots given away so far. */
  get slotCount(): number {
    return this.nextSlot;
  }

  /** Profile rings given away so far. */
  get profileCount(): number {
    return this.nextProfile;
  }

  /** All entries, in the order in which they were first named. */
  *entries(): Iterable<Entry> {
    for (const map of this.byFlags.values()) yield* map.values();
  }

  private select(flags: number): Map<number, Entry> {
    if (flags !== this.currentFlags) {
      let map = this.byFlags.get(flags);
      if (!map) this.byFlags.set(flags, (map = new Map()));
      this.current = map;
      this.currentFlags = flags;
    }
    return this.current;
  }

  /** The entry of an address, if any jump or translation has named it. */
  find(pc: number, flags: number): Entry | undefined {
    return this.select(flags).get(pc);
  }

  /** The entry of an address, made now if there is none. */
  get(pc: number, flags: number): Entry {
    const map = this.select(flags);
    let entry = map.get(pc);
    if (!entry) {
      const before = this.known === null ? -1 : this.known.find(pc, flags);
      const slot = before >= 0 ? before : this.nextSlot++;
      if (slot >= MAX_SLOTS) throw new Error(`more than ${MAX_SLOTS} translated addresses`);
      if (slot >= this.table.length) this.table.grow(this.table.length, this.miss as never);
      entry = new Entry(pc, flags, slot);
      map.set(pc, entry);
    }
    return entry;
  }

  /** Gives an entry a ring for the targets of its indirect jump, if there is one left. */
  giveProfile(entry: Entry): number {
    if (entry.profile === 0 && this.nextProfile < MAX_PROFILES) {
      entry.profile = PROFILE_BASE + 4 * PROFILE_ENTRIES * this.nextProfile++;
    }
    return entry.profile;
  }

  /** Notes that `entry` now has a translation, or IR to interpret, made from these pages. */
  setTranslated(entry: Entry, tier: Tier, pages: readonly number[]): void {
    entry.tier = tier;
    entry.pages = pages;
    for (const page of pages) {
      let set = this.byPage.get(page);
      if (!set) this.byPage.set(page, (set = new Set()));
      set.add(entry);
    }
  }

  /** Whether any translation was made from `page`. */
  hasCode(page: number): boolean {
    return this.byPage.has(page);
  }

  /** Forgets all translations made from `page`; returns them. */
  invalidatePage(page: number): Iterable<Entry> {
    const set = this.byPage.get(page);
    if (!set) return [];
    this.byPage.delete(page);
    for (const entry of set) {
      this.table.set(entry.slot, this.miss as never);
      entry.tier = Tier.NONE;
      entry.ir = null;
      entry.runs = 0;
      entry.invalidations++;
      for (const other of entry.pages ?? []) if (other !== page) this.byPage.get(other)?.delete(entry);
      entry.pages = null;
    }
    return set;
  }
}
