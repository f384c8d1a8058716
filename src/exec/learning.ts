// What a process learns from its children (child-notes.ts): which blocks are worth compiling, its own and those of other programs.
import { type CodeSource, GuestException } from '../../targets/target.ts';
import { defineCounter } from '../log/counters.ts';
import { type ChildNote, type ChildNotes, codeHash } from './child-notes.ts';
import { type Entry, Tier } from './code-cache.ts';
import { translateForOthers } from './neighbourhood.ts';
import type { Translator } from './translator.ts';

/** Blocks of one module of those that children have told of. */
export const MAX_LEARNT = 64;
/** No other program is learnt once there are so many slots: nobody knows which will still be of use. */
const MAX_SLOTS_TO_LEARN = 1 << 16;

const LEARNT = defineCounter('exec.learnt', 'blocks of other programs translated for children');

/** Memory of the host as large as the guest's, in which code of other programs is laid out to be translated. */
export interface CodeWindow {
  readonly u8: Uint8Array;
  readonly words: Uint32Array;
  /** Forgets what was written to it. */
  clear(): void;
}

/** The pages of another program of which code is known. */
type Pages = ReadonlyMap<number, Uint8Array>;

/** What of a process `Learning` needs. */
export interface Learner extends Translator {
  /** The program it runs. */
  readonly program: number;
  /** Whether it has this very code, and may execute it. */
  hasCode(note: ChildNote): boolean;
  /** Compiles blocks of its own program. */
  compileOwn(entries: readonly Entry[], flags: number): void;
  /** The entry of an address of its own program, with IR; undefined when there is nothing to do, or it cannot be translated. */
  coldEntry(pc: number, flags: number): Entry | undefined;
}

export class Learning {
  /** Blocks that children have told of once, by program, flags and PC. */
  private readonly toldOnce = new Map<number, Set<number>>();
  private window: CodeWindow | null | undefined;

  /** @param makeWindow makes it when first needed; null where there is none */
  constructor(
    private readonly notes: ChildNotes,
    private readonly makeWindow: () => CodeWindow | null,
  ) {}

  /** Compiles what two children were told to have interpreted. */
  learn(cpu: Learner): void {
    const { notes, pages } = this.notes.take();
    const own = new Map<number, Entry[]>();
    const others = new Map<number, ChildNote[]>();
    for (const note of notes) {
      if (!this.isToldAgain(note)) continue;
      if (cpu.hasCode(note)) {
        const entry = cpu.coldEntry(note.pc, note.flags);
        if (entry) push(own, note.flags, entry);
      } else if (note.program !== cpu.program && note.program !== 0) push(others, note.program, note);
    }
    for (const [flags, entries] of own) inGroups(entries, (some) => cpu.compileOwn(some, flags));
    for (const [program, list] of others) {
      const known = pages.get(program);
      if (known && cpu.cache.allSlots < MAX_SLOTS_TO_LEARN) this.learnProgram(cpu, program, list, known);
    }
  }

  private isToldAgain({ pc, flags, program }: ChildNote): boolean {
    let told = this.toldOnce.get(program);
    if (!told) this.toldOnce.set(program, (told = new Set()));
    const key = flags * 0x100000000 + pc;
    if (told.has(key)) return true;
    told.add(key);
    return false;
  }

  private learnProgram(cpu: Learner, program: number, notes: readonly ChildNote[], pages: Pages): void {
    this.window = this.window === undefined ? this.makeWindow() : this.window;
    const { window } = this;
    if (!window) return;
    for (const [page, bytes] of pages) window.u8.set(bytes, page * 4096);
    const isThere = (address: number): boolean => pages.has(address >>> 12);
    const code: CodeSource = { bytes: window.u8, canFetch: isThere, isMapped: isThere };
    // Nothing of this is kept for the next run.
    const translator: Translator = Object.create(cpu, { code: { value: code }, store: { value: null } });
    const { u8 } = cpu.memory;
    const shared = new Map<number, boolean>();
    const isShared = (page: number): boolean => {
      let same = shared.get(page);
      if (same === undefined) {
        const bytes = pages.get(page);
        const at = page * 4096;
        same =
          bytes !== undefined && cpu.memory.canFetch(at) && Buffer.compare(u8.subarray(at, at + 4096), bytes) === 0;
        shared.set(page, same);
      }
      return same;
    };
    cpu.cache.learn(program, pages, isShared, (ownEntry, done) => {
      const byFlags = new Map<number, { entry: Entry; end: number }[]>();
      for (const { pc, flags, end, hash } of notes) {
        if (!isThere(pc) || !isThere(end - 1) || codeHash(window.words, pc, end) !== hash) continue;
        const entry = ownEntry(pc, flags);
        if (entry.tier === Tier.NONE) push(byFlags, flags, { entry, end });
      }
      for (const [flags, wanted] of byFlags) {
        inGroups(wanted, (some) => {
          const ends = new Map(some.map(({ entry, end }) => [entry, end]));
          for (const entry of translateForOthers(translator, some, flags)) {
            LEARNT.n++;
            done(entry, pagesBetween(entry.pc, ends.get(entry)!));
          }
        });
      }
    });
    window.clear();
  }
}

function pagesBetween(start: number, end: number): number[] {
  const first = start >>> 12;
  return Array.from({ length: ((end - 1) >>> 12) - first + 1 }, (_, n) => first + n);
}

function push<T>(map: Map<number, T[]>, key: number, value: T): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

function inGroups<T>(list: readonly T[], work: (some: readonly T[]) => void): void {
  for (let n = 0; n < list.length; n += MAX_LEARNT) work(list.slice(n, n + MAX_LEARNT));
}

/** `translate`, or undefined when guest code is not there. */
export function unlessFault<T>(translate: () => T): T | undefined {
  try {
    return translate();
  } catch (error) {
    if (error instanceof GuestException) return undefined;
    throw error;
  }
}
