// What the children of a fork have to interpret, told to the process that forks: it translates that once for all that come.
import type { CodeMemory } from './code-memory.ts';

/** A block as a child saw it. */
export interface ChildNote {
  readonly pc: number;
  readonly flags: number;
  /** First address behind its code, and `codeHash` of it: the child may be running another program. */
  readonly end: number;
  readonly hash: number;
}

/** Words of one note. */
const NOTE_WORDS = 4;
/** Blocks that are noted of all children between two forks; a dynamic program that does nothing takes about 900. */
const MAX_NOTES = 2000;

/** Bytes that are to be shared with children. */
export const NOTES_SIZE = 4 * (1 + NOTE_WORDS * MAX_NOTES);

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
 * Words in memory that a process shares with its children: how many are used, then the notes. Several children may write at
 * once, and the reader may come while one is writing: a note that is half written is one that fits no code.
 */
export class ChildNotes {
  /** @param words zero at first; `NOTES_SIZE` bytes */
  constructor(private readonly words: Int32Array) {}

  /** For a child. */
  add(note: ChildNote): void {
    const n = Atomics.add(this.words, 0, 1);
    if (n >= MAX_NOTES) return;
    this.words.set([note.pc, note.flags, note.end, note.hash], 1 + NOTE_WORDS * n);
  }

  /** For the process that forks: all there are; afterwards there are none. */
  take(): ChildNote[] {
    const { words } = this;
    const count = Math.min(Atomics.exchange(words, 0, 0), MAX_NOTES);
    const notes: ChildNote[] = [];
    for (let n = 0; n < count; n++) {
      const at = 1 + NOTE_WORDS * n;
      notes.push({ pc: words[at]! >>> 0, flags: words[at + 1]!, end: words[at + 2]! >>> 0, hash: words[at + 3]! });
    }
    return notes;
  }
}
