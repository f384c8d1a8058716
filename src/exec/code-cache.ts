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
  /** Code that is compiled goes to its slot by itself: it is entered from more than one place, or may be. */
  linked = false;
  /** It is compiled as a part of other blocks' functions, which count its runs; it may have none of its own. */
  inner = false;
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
    /** Where it is entered. */
    readonly space: Space,
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

/** Blocks that have been interpreted no more often lose their IR when garbage is collected. */
const COLD_IR_RUNS = 2;

/** A page that translations were made from before another program took its place. */
interface AsidePage {
  readonly bytes: Uint8Array;
  readonly entries: Set<Entry>;
  /** Whether the page of the program now there is the same, if `age` is that program's; otherwise nobody has looked. */
  same: boolean;
  age: number;
}

/** Entries by address: those of the first program and of what is the same in others, or what one other program has of its own. */
class Space {
  readonly byFlags = new Map<number, Map<number, Entry>>();
  /** Entries by the pages they were translated from, of the program that runs. */
  readonly byPage = new Map<number, Set<Entry>>();
  /** The same of programs that ran before, or have not run here. */
  readonly asidePages = new Map<number, AsidePage>();
  /** Copies of pages in `byPage`, made ahead. */
  readonly copies = new Map<number, Uint8Array>();

  of(flags: number): Map<number, Entry> {
    let map = this.byFlags.get(flags);
    if (!map) this.byFlags.set(flags, (map = new Map()));
    return map;
  }
}

/** Filling a slot costs 0.1 us, growing little more than filling: a small program needs about 2,300 slots. */
const FIRST_TABLE_SIZE = 1 << 11;
/** Slots left free for the program itself when others' begin: what it stores of its own numbers nobody else's (`slotCount`). */
const SLOT_GAP = 4096;

/**
 * Entries of one thread. A slot belongs to one (address, flags) for good: jumps name the slot of their target whether it
 * is translated or not, so translating, replacing and invalidating are one table store each.
 *
 * Other programs that children of this process have run (`learn`) have entries and slots of their own where their code is
 * another; where it is the same they share the first program's. A process that executes such a program finds its code
 * translated. What was translated is only used once the pages it was made from have been compared with those there are.
 */
export class CodeCache {
  readonly table: WebAssembly.Table;
  private nextSlot = 0;
  /** The first slot that belongs to other programs, while there are free ones below, and the next one for them. */
  private othersStart = Number.POSITIVE_INFINITY;
  private othersNext = 0;
  private nextProfile = 0;
  private readonly base = new Space();
  private readonly others = new Map<number, Space>();
  /** Of the program that runs; null: it is the first one. */
  private own: Space | null = null;
  private currentFlags = -1;
  private current = new Map<number, Entry>();
  private currentOwn: Map<number, Entry> | null = null;
  private keeper: SlotKeeper | null = null;
  /** Something was compiled that the keeper does not have yet. */
  private compiled = true;
  /** How many programs there were before this one. */
  private age = 0;
  /** While another program is learnt: whether this process has the same page. */
  private isShared: ((page: number) => boolean) | null = null;
  /** Told when `slotCount` is about to include slots of other programs. */
  onCrowded: (() => void) | null = null;

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

  /** Slots given away so far to the first program. */
  get slotCount(): number {
    return this.nextSlot;
  }

  /** All slots that may be in use. */
  get allSlots(): number {
    return Math.max(this.nextSlot, this.othersNext);
  }

  /** Profile rings given away so far. */
  get profileCount(): number {
    return this.nextProfile;
  }

  /** All entries of the first program, in the order in which they were first named. */
  *entries(): Iterable<Entry> {
    for (const map of this.base.byFlags.values()) yield* map.values();
  }

  /** Drops the IR of blocks that hardly ever run; whoever needs it translates again. */
  forgetCold(): void {
    for (const { byFlags } of this.own === null ? [this.base] : [this.base, this.own]) {
      for (const map of byFlags.values()) {
        for (const entry of map.values()) if (entry.runs <= COLD_IR_RUNS) entry.ir = null;
      }
    }
  }

  private select(flags: number): Map<number, Entry> {
    if (flags !== this.currentFlags) {
      this.current = this.base.of(flags);
      this.currentOwn = this.own?.of(flags) ?? null;
      this.currentFlags = flags;
    }
    return this.current;
  }

  /** The entry of an address, if any jump or translation has named it. */
  find(pc: number, flags: number): Entry | undefined {
    const entry = this.select(flags).get(pc);
    const own = this.currentOwn?.get(pc);
    if (own === undefined) return entry;
    if (own.tier !== Tier.NONE || own.ir !== null || entry === undefined) return own;
    // Named only: what other programs have in common may be translated.
    return this.isAside(entry) || entry.tier !== Tier.NONE ? entry : own;
  }

  /** The entry of an address, made now if there is none. */
  get(pc: number, flags: number): Entry {
    const entry = this.select(flags).get(pc);
    const own = this.currentOwn;
    if (own === null) return entry ?? this.make(pc, flags, this.base, this.current);
    const there = own.get(pc);
    if (there !== undefined) return there;
    if (entry !== undefined && this.isCommon(entry)) return entry;
    return this.make(pc, flags, this.own!, own);
  }

  /** Whether an entry of the first program is known to be about the code of this one. */
  private isCommon(entry: Entry): boolean {
    if (this.isShared !== null) return this.isShared(entry.pc >>> 12);
    return !this.isAside(entry) || (entry.pages !== null && this.isAsBefore(entry));
  }

  /** The program's own entry of an address. */
  private getOwn(pc: number, flags: number): Entry {
    this.select(flags);
    return this.currentOwn!.get(pc) ?? this.make(pc, flags, this.own!, this.currentOwn!);
  }

  private make(pc: number, flags: number, space: Space, map: Map<number, Entry>): Entry {
    const before = this.known === null || space !== this.base ? -1 : this.known.find(pc, flags);
    const slot = before >= 0 ? before : this.isShared === null ? this.freeSlot() : this.freeForOthers();
    if (slot >= MAX_SLOTS) throw new Error(`more than ${MAX_SLOTS} translated addresses`);
    const { length } = this.table;
    if (slot >= length) this.table.grow(Math.max(length, slot + 1 - length), this.miss as never);
    const entry = new Entry(pc, flags, slot, space);
    entry.age = this.age;
    map.set(pc, entry);
    return entry;
  }

  private freeSlot(): number {
    if (this.nextSlot === this.othersStart) {
      this.onCrowded?.();
      this.othersStart = Number.POSITIVE_INFINITY;
      this.nextSlot = this.othersNext;
    }
    return this.nextSlot++;
  }

  private freeForOthers(): number {
    if (this.othersNext === 0) this.othersNext = this.othersStart = this.nextSlot + SLOT_GAP;
    return this.othersStart === Number.POSITIVE_INFINITY ? this.nextSlot++ : this.othersNext++;
  }

  /** Gives an entry a ring for the targets of its indirect jump, if there is one left. */
  giveProfile(entry: Entry): number {
    if (entry.profile === 0 && this.nextProfile < MAX_PROFILES) {
      entry.profile = PROFILE_BASE + 4 * PROFILE_ENTRIES * this.nextProfile++;
    }
    return entry.profile;
  }

  /** To be called when functions have come into the table. */
  noteCompiled(): void {
    this.compiled = true;
  }

  /**
   * Takes all translations out of use because other memory comes in place of the guest's (exec): they may come back with
   * `recall`. `bytesOf` copies a page.
   */
  setAside(bytesOf: (page: number) => Uint8Array): void {
    this.prepareAside(null);
    for (const space of this.own === null ? [this.base] : [this.base, this.own]) {
      for (const [page, entries] of space.byPage) {
        space.asidePages.set(page, { bytes: space.copies.get(page) ?? bytesOf(page), entries, same: false, age: -1 });
      }
      space.byPage.clear();
      space.copies.clear();
    }
    this.age++;
    this.keeper!.clear(this.allSlots, this.miss);
  }

  /** Makes what `setAside` needs; with `bytesOf` also the copies of pages, which children of a fork then share. */
  prepareAside(bytesOf: ((page: number) => Uint8Array) | null): void {
    const spaces = this.own === null ? [this.base] : [this.base, this.own];
    for (const space of bytesOf === null ? [] : spaces) {
      for (const page of space.byPage.keys()) {
        if (space.copies.has(page)) continue;
        const aside = space.asidePages.get(page);
        space.copies.set(page, aside !== undefined && this.isSameNow(aside) ? aside.bytes : bytesOf!(page));
      }
    }
    this.keeper ??= keepSlots(this.table);
    this.keeper.grow(this.table.length);
    if (!this.compiled) return;
    this.compiled = false;
    for (const space of spaces) {
      for (const entries of space.byPage.values()) {
        for (const entry of entries) if (this.holds(entry)) this.keeper.keep(entry.slot);
      }
    }
  }

  /** The program that runs from now on, after `setAside`: a number that tells it from others; 0: the first one. */
  enterProgram(program: number): void {
    this.own = null;
    if (program !== 0) {
      const space = this.others.get(program) ?? new Space();
      this.others.set(program, space);
      this.own = space;
    }
    this.currentFlags = -1;
  }

  /** Whether translations of another program's own code are there. */
  hasProgram(program: number): boolean {
    return (this.others.get(program)?.asidePages.size ?? 0) > 0;
  }

  /**
   * Has `work` translate code of another program, which is not in this process's memory: entries it gets are that program's
   * where `isShared` does not say that this process has the same page. `pages` are those that it translates from; what was
   * known of others that stood there is forgotten.
   */
  learn(
    program: number,
    pages: ReadonlyMap<number, Uint8Array>,
    isShared: (page: number) => boolean,
    work: (own: (pc: number, flags: number) => Entry, done: (entry: Entry, pages: readonly number[]) => void) => void,
  ): void {
    const before = this.own;
    this.enterProgram(program);
    this.isShared = isShared;
    const { asidePages } = this.own!;
    for (const [page, bytes] of pages) {
      const aside = asidePages.get(page);
      if (aside !== undefined && Buffer.compare(aside.bytes, bytes) === 0) continue;
      for (const entry of aside?.entries ?? []) forget(entry);
      asidePages.set(page, { bytes, entries: new Set(), same: false, age: -1 });
    }
    this.keeper ??= keepSlots(this.table);
    const done = (entry: Entry, from: readonly number[]): void => {
      entry.pages = from;
      entry.age = -1;
      for (const page of from) asidePages.get(page)!.entries.add(entry);
      this.keeper!.grow(this.table.length);
      this.keeper!.keep(entry.slot);
    };
    try {
      work((pc, flags) => this.getOwn(pc, flags), done);
    } finally {
      this.isShared = null;
      this.own = before;
      this.currentFlags = -1;
    }
  }

  /** Whether what is known of an entry is about another program's memory: `recall` finds out whether it holds. */
  isAside(entry: Entry): boolean {
    return entry.age !== this.age;
  }

  private isSameNow(aside: AsidePage): boolean {
    return aside.same && aside.age === this.age;
  }

  /** Whether a page is known to be as the first program has it. */
  isFirstPrograms(page: number): boolean {
    if (this.own === null) return true;
    const aside = this.base.asidePages.get(page);
    return aside !== undefined && this.isSameNow(aside);
  }

  /**
   * Brings back what was set aside of the pages of `entry`, which is aside, as far as the pages are as they were; otherwise
   * the entry has no translation any more. `isSame` compares a page with its former bytes, `use` has writes to it noticed.
   * Returns the entry to go on with: the program's own where its code is not the first program's.
   */
  recall(entry: Entry, isSame: (page: number, bytes: Uint8Array) => boolean, use: (page: number) => void): Entry {
    const { space } = entry;
    for (const page of entry.pages ?? []) {
      const aside = space.asidePages.get(page);
      if (aside === undefined || aside.age === this.age) continue;
      aside.same = isSame(page, aside.bytes);
      aside.age = this.age;
      if (!aside.same) continue;
      use(page);
      this.bringBack(space, page, aside.entries);
    }
    const valid = entry.pages !== null && this.isAsBefore(entry);
    if (!valid && this.own !== null && space === this.base) {
      const own = this.getOwn(entry.pc, entry.flags);
      return this.isAside(own) ? this.recall(own, isSame, use) : own;
    }
    entry.age = this.age;
    // The list of warm blocks is not kept: it is to be entered there again.
    entry.runs = 0;
    if (!valid) forget(entry);
    return entry;
  }

  /** Whether the translation of an entry can be used. */
  holds(entry: Entry): boolean {
    return entry.tier !== Tier.NONE && (!this.isAside(entry) || this.isAsBefore(entry));
  }

  /** A page is as it was. Nothing is written to its entries, whose memory a child of a fork would have to copy. */
  private bringBack({ byPage }: Space, page: number, entries: Set<Entry>): void {
    for (const entry of entries) {
      if (entry.tier === Tier.NONE || !this.isAside(entry)) continue;
      if (entry.pages!.length === 1 || this.isAsBefore(entry)) this.keeper!.back(entry.slot);
    }
    for (const entry of byPage.get(page) ?? []) entries.add(entry);
    byPage.set(page, entries);
  }

  private isAsBefore(entry: Entry): boolean {
    for (const page of entry.pages!) {
      const aside = entry.space.asidePages.get(page);
      if (aside === undefined || !this.isSameNow(aside) || !aside.entries.has(entry)) return false;
    }
    return true;
  }

  /** Notes that `entry` now has a translation, or IR to interpret, made from these pages. */
  setTranslated(entry: Entry, tier: Tier, pages: readonly number[]): void {
    entry.tier = tier;
    entry.pages = pages;
    entry.age = this.age;
    const { byPage } = entry.space;
    for (const page of pages) {
      let set = byPage.get(page);
      if (!set) byPage.set(page, (set = new Set()));
      set.add(entry);
    }
  }

  /** Whether any translation was made from `page`. */
  hasCode(page: number): boolean {
    return this.base.byPage.has(page) || (this.own?.byPage.has(page) ?? false);
  }

  /** Forgets all translations made from `page`; returns them. */
  invalidatePage(page: number): Iterable<Entry> {
    const first = this.invalidateIn(this.base, page);
    return this.own === null ? first : [...first, ...this.invalidateIn(this.own, page)];
  }

  private invalidateIn({ asidePages, byPage, copies }: Space, page: number): Iterable<Entry> {
    const aside = asidePages.get(page);
    if (aside) {
      aside.same = false;
      aside.age = this.age;
    }
    const set = byPage.get(page);
    if (!set) return [];
    byPage.delete(page);
    copies.delete(page);
    for (const entry of set) {
      this.table.set(entry.slot, this.miss as never);
      entry.runs = 0;
      entry.invalidations++;
      for (const other of entry.pages ?? []) if (other !== page) byPage.get(other)?.delete(entry);
      forget(entry);
    }
    return set;
  }
}

/** The entry has no translation any more. */
function forget(entry: Entry): void {
  entry.tier = Tier.NONE;
  entry.ir = null;
  entry.inner = false;
  entry.pages = null;
}
