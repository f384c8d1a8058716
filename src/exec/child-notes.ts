// What the children of a fork have to interpret, told to the process that forks: it translates that once for all that come.
import type { CodeMemory } from './code-memory.ts';

/** A block as a child saw it. */
export interface ChildNote {
  readonly pc: number;
  readonly flags: number;
  /** First address behind its code, and `codeHash` of it: the child may be running another program. */
  readonly end: number;
  readonly hash: number;
  /** Which program the child runs (Cpu.program). */
  readonly program: number;
}

/** What there was to read: notes, and pages that they are about, by program and number. */
export interface ChildReport {
  readonly notes: readonly ChildNote[];
  readonly pages: ReadonlyMap<number, ReadonlyMap<number, Uint8Array>>;
}

const PAGE_SIZE = 4096;
/** Words of one note. */
const NOTE_WORDS = 5;
/** Blocks that are noted of all children between two forks; a dynamic program that does nothing takes about 900, `ls` 2,500. */
const MAX_NOTES = 8000;
/** Pages of code likewise, of programs that are not the parent's; `ls` takes 250. */
const MAX_PAGES = 1000;

/** Words: how many notes there are, and how many pages; where they begin; program and number (0: not there yet) of each page. */
const NOTES = 0;
const PAGES = 1;
const FIRST_NOTE = 2;
const DIRECTORY = FIRST_NOTE + NOTE_WORDS * MAX_NOTES;
const FIRST_PAGE = Math.ceil((4 * (DIRECTORY + 2 * MAX_PAGES)) / PAGE_SIZE) * PAGE_SIZE;

/** Bytes that are to be shared with children; what is not used costs nothing. */
export const NOTES_SIZE = FIRST_PAGE + PAGE_SIZE * MAX_PAGES;

/**
 * A number that tells the code in [start, end), or what is left of it, from other code; its words may be read. It need not
 * be safe: a wrong guess costs time.
 */
export function codeHash(words: Uint32Array, start: number, end: number): number {
  let hash = end - start;
  for (let n = start >>> 2; n < end / 4; n++) hash = Math.imul(hash ^ words[n]!, 0x01000193);
  return hash;
}

/** Whether all of [start, end) can be read as code. */
export function canFetchAll(memory: CodeMemory, start: number, end: number): boolean {
  for (let page = start >>> 12; page <= (end - 1) >>> 12; page++) if (!memory.canFetch(page * 4096)) return false;
  return true;
}

/**
 * Words in memory that a process shares with its children. Several children may write at once, and the reader may come while
 * one is writing: a note that is half written is one that fits no code, and code that no program has is never used.
 */
export class ChildNotes {
  private readonly bytes: Uint8Array;

  /**
   * @param words zero at first; `NOTES_SIZE` bytes
   * @param program which one the process runs that reads
   */
  constructor(
    private readonly words: Int32Array,
    readonly program = 0,
  ) {
    this.bytes = new Uint8Array(words.buffer, words.byteOffset, NOTES_SIZE);
  }

  /** For a child. */
  add(note: ChildNote): void {
    const n = Atomics.add(this.words, NOTES, 1);
    if (n >= MAX_NOTES) return;
    this.words.set([note.pc, note.flags, note.end, note.hash, note.program], FIRST_NOTE + NOTE_WORDS * n);
  }

  /** For a child: a page that its notes are about. */
  addPage(program: number, page: number, bytes: Uint8Array): void {
    const n = Atomics.add(this.words, PAGES, 1);
    if (n >= MAX_PAGES) return;
    this.bytes.set(bytes, FIRST_PAGE + PAGE_SIZE * n);
    this.words[DIRECTORY + 2 * n] = program;
    Atomics.store(this.words, DIRECTORY + 2 * n + 1, page);
  }

  /** For the process that forks: all there is; afterwards there is nothing. */
  take(): ChildReport {
    const { words } = this;
    const notes: ChildNote[] = [];
    const count = Math.min(Atomics.exchange(words, NOTES, 0), MAX_NOTES);
    for (let n = 0; n < count; n++) {
      const [pc, flags, end, hash, program] = words.subarray(FIRST_NOTE + NOTE_WORDS * n) as unknown as number[];
      notes.push({ pc: pc! >>> 0, flags: flags!, end: end! >>> 0, hash: hash!, program: program! });
    }
    return { notes, pages: this.takePages() };
  }

  private takePages(): Map<number, Map<number, Uint8Array>> {
    const { words } = this;
    const pages = new Map<number, Map<number, Uint8Array>>();
    const count = Math.min(Atomics.exchange(words, PAGES, 0), MAX_PAGES);
    for (let n = 0; n < count; n++) {
      const page = Atomics.exchange(words, DIRECTORY + 2 * n + 1, 0);
      if (page <= 0) continue;
      const program = words[DIRECTORY + 2 * n]!;
      let all = pages.get(program);
      if (!all) pages.set(program, (all = new Map()));
      const at = FIRST_PAGE + PAGE_SIZE * n;
      if (!all.has(page)) all.set(page, this.bytes.slice(at, at + PAGE_SIZE));
    }
    return pages;
  }
}
