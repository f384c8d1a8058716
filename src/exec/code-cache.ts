// Which guest code is translated: entries by address and flags, their table slots, and the pages they were made from.
import { PROFILE_ENTRIES } from '../../tcg/engine.ts';
import type { Block } from '../../tcg/ir/block.ts';
import { keepSlots, type SlotKeeper } from './bootstrap.ts';
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
  /** Which program, counted by the cache, it was last found to be about. */
  age = 0;
  /** The process, by the number of forks that led to it, that has told its parent of it. */
  toldIn = 0;

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

/** A page that translations were made from before another program took its place. */
interface AsidePage {
  readonly bytes: Uint8Array;
  readonly entries: Set<Entry>;
  /** Whether the page of the program now there is the same; undefined: nobody has looked. */
  same: boolean | undefined;
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
  private readonly asidePages = new Map<number, AsidePage>();
  private keeper: SlotKeeper | null = null;
  private keeperSize = 0;
  /** How many programs there were before this one. */
  private age = 0;

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
      entry.age = this.age;
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

  /**
   * Takes all translations out of use because other memory comes in place of the guest's (exec): they may come back with
   * `recall`. `bytesOf` copies a page.
   */
  setAside(bytesOf: (page: number) => Uint8Array): void {
    this.age++;
    this.asidePages.clear();
    for (const [page, entries] of this.byPage) {
      this.asidePages.set(page, { bytes: this.copies.get(page) ?? bytesOf(page), entries, same: undefined });
    }
    this.byPage.clear();
    this.copies.clear();
    this.prepareAside(null);
    this.keeper!.away(this.nextSlot, this.miss);
  }

  /** Copies of pages with translations, made ahead. */
  private readonly copies = new Map<number, Uint8Array>();

  /** Makes what `setAside` needs; with `bytesOf` also the copies of pages, which children of a fork then share. */
  prepareAside(bytesOf: ((page: number) => Uint8Array) | null): void {
    if (bytesOf !== null) {
      for (const page of this.byPage.keys()) {
        if (this.copies.has(page)) continue;
        const aside = this.asidePages.get(page);
        this.copies.set(page, aside?.same ? aside.bytes : bytesOf(page));
      }
    }
    if (this.keeperSize >= this.nextSlot) return;
    this.keeper = keepSlots(this.table);
    this.keeperSize = this.table.length;
  }

  /** Whether what is known of an entry is about another program's memory: `recall` finds out whether it holds. */
  isAside(entry: Entry): boolean {
    return entry.age !== this.age;
  }

  /**
   * Brings back what was set aside of the pages of `entry`, which is aside, as far as the pages are as they were; otherwise
   * the entry has no translation any more. `isSame` compares a page with its former bytes, `use` has writes to it noticed.
   */
  recall(entry: Entry, isSame: (page: number, bytes: Uint8Array) => boolean, use: (page: number) => void): void {
    for (const page of entry.pages ?? []) {
      const aside = this.asidePages.get(page);
      if (aside === undefined || aside.same !== undefined) continue;
      aside.same = isSame(page, aside.bytes);
      if (!aside.same) continue;
      use(page);
      this.bringBack(page, aside.entries);
    }
    const valid = entry.pages !== null && this.isAsBefore(entry);
    entry.age = this.age;
    // The list of warm blocks is not kept: it is to be entered there again.
    entry.runs = 0;
    if (valid) return;
    entry.tier = Tier.NONE;
    entry.ir = null;
    entry.pages = null;
  }

  /** Whether the translation of an entry can be used. */
  holds(entry: Entry): boolean {
    return entry.tier !== Tier.NONE && (!this.isAside(entry) || this.isAsBefore(entry));
  }

  /** A page is as it was. Nothing is written to its entries, whose memory a child of a fork would have to copy. */
  private bringBack(page: number, entries: Set<Entry>): void {
    for (const entry of entries) {
      if (entry.tier === Tier.NONE || !this.isAside(entry)) continue;
      if (entry.pages!.length === 1 || this.isAsBefore(entry)) this.keeper!.back(entry.slot);
    }
    for (const entry of this.byPage.get(page) ?? []) entries.add(entry);
    this.byPage.set(page, entries);
  }

  private isAsBefore(entry: Entry): boolean {
    for (const page of entry.pages!) {
      const aside = this.asidePages.get(page);
      if (aside === undefined || !aside.same || !aside.entries.has(entry)) return false;
    }
    return true;
  }

  /** Notes that `entry` now has a translation, or IR to interpret, made from these pages. */
  setTranslated(entry: Entry, tier: Tier, pages: readonly number[]): void {
    entry.tier = tier;
    entry.pages = pages;
    entry.age = this.age;
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
    const aside = this.asidePages.get(page);
    if (aside) aside.same = false;
    const set = this.byPage.get(page);
    if (!set) return [];
    this.byPage.delete(page);
    this.copies.delete(page);
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
