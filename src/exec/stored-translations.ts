// Translations kept on disk from one run of a program to the next: the file, finding and checking what it holds, adding to it.
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { defineCounter } from '../log/counters.ts';
import { readWholeFile, withStandardTaken } from '../util/read-file.ts';
import { type CodeCache, type Entry, Tier } from './code-cache.ts';
import { enterInner } from './join.ts';
import { COUNTER_BASE } from './layout.ts';
import { translateTogether } from './neighbourhood.ts';
import type { RecordedUnit, TranslationStore, Translator } from './translator.ts';

/**
 * The file, in words of 32 bits and the host's byte order: magic, version, checksum of all that follows, HEADER_WORDS - 3
 * sizes; the identity (text, zero-padded to words); per slot pc, flags, number of its block's chunk, of its region's chunk
 * (-1: none), all as separate tables; the hash table (slot + 1, 0: free); slots of blocks that ran but were not compiled,
 * in order; offsets of chunks within the words that follow; chunks (see CHUNK_WORDS); then bytes: code and modules.
 */
const MAGIC = 0x74656d77;
const VERSION = 1;
const HEADER_WORDS = 12;

/**
 * A chunk is one module: tier, offset and length of the module, offset and length of the guest code it was made from, mask
 * of the helper modules it imports, number of units; then per unit: slot, profile ring (0: none), number of ranges, and
 * start and end of each.
 */
const CHUNK_WORDS = 7;

/** More is not added to what is kept of one program: a file this large takes 10 ms to read and check. */
const MAX_BYTES = 64 << 20;
/** No file becomes larger: what a run adds, and tables. */
export const MAX_FILE_BYTES = 4 * MAX_BYTES;

/** How the names of files end. */
export const SUFFIX = '.wmt';

/** All files together; the oldest go first. */
const MAX_FOLDER_BYTES = 1 << 30;

/** Saving costs about as much as translating this many blocks; fewer new ones are not worth it. */
const MIN_NEW_UNITS = 48;

/** Known blocks compiled together on first sight: modules are dear, but what does not run this time is wasted. */
const AHEAD = 48;

/** An instruction may reach this far behind a block's last byte and have stopped it there by not being fetchable. */
const LONGEST_INSN = 16;

const LOADED = defineCounter('exec.stored-blocks', 'blocks taken over from an earlier run');
const REJECTED = defineCounter('exec.stored-rejects', 'modules of an earlier run whose guest code is another now');

/** What becomes of a chunk of the file in this run. */
enum State {
  FRESH = 0,
  LOADED = 1,
  /** Made from other code than is there now. */
  STALE = 2,
}

/** A module made in this run, to be written. */
interface NewChunk {
  readonly tier: Tier;
  readonly bytes: Uint8Array;
  readonly code: Uint8Array;
  readonly modules: number;
  readonly units: readonly RecordedUnit[];
}

/** The parts of a file that has been read. */
class StoredFile {
  readonly slotCount: number;
  readonly chunkCount: number;
  readonly seenCount: number;
  readonly profiles: number;
  readonly pc: Int32Array;
  readonly flags: Int32Array;
  readonly blockChunk: Int32Array;
  readonly regionChunk: Int32Array;
  readonly seen: Int32Array;
  readonly chunkOffsets: Int32Array;
  readonly chunks: Int32Array;
  private readonly hash: Int32Array;

  private constructor(
    words: Int32Array,
    identityWords: number,
    readonly bytes: Uint8Array,
  ) {
    const [slots, hashSize, seen, chunks, chunkWords, profiles] = words.subarray(4, 10) as unknown as number[];
    let at = HEADER_WORDS + identityWords;
    const take = (count: number): Int32Array => words.subarray(at, (at += count));
    this.slotCount = slots!;
    this.chunkCount = chunks!;
    this.seenCount = seen!;
    this.profiles = profiles!;
    this.pc = take(slots!);
    this.flags = take(slots!);
    this.blockChunk = take(slots!);
    this.regionChunk = take(slots!);
    this.hash = take(hashSize!);
    this.seen = take(seen!);
    this.chunkOffsets = take(chunks!);
    this.chunks = take(chunkWords!);
  }

  /** The file at `path` if it is whole, of this version and for `identity`, and nobody but us can have written it. */
  static read(path: string, identity: string): StoredFile | null {
    let file: Uint8Array;
    try {
      const { uid, mode, size } = statSync(path);
      if (uid !== process.geteuid?.() || (mode & 0o022) !== 0 || size > MAX_FILE_BYTES) return null;
      file = readWholeFile(path);
    } catch {
      return null;
    }
    if (file.length < 4 * HEADER_WORDS) return null;
    if (file.byteOffset % 4 !== 0) file = new Uint8Array(file);
    const words = new Int32Array(file.buffer, file.byteOffset, file.length >>> 2);
    if (words[0] !== MAGIC || words[1] !== VERSION || words[2] !== checksum(file)) return null;
    const name = Buffer.from(identity);
    const identityWords = words[3]!;
    if (identityWords !== Math.ceil(name.length / 4)) return null;
    const stored = file.subarray(4 * HEADER_WORDS, 4 * HEADER_WORDS + name.length);
    if (Buffer.compare(stored, name) !== 0) return null;
    return new StoredFile(words, identityWords, file.subarray(4 * words[10]!));
  }

  /** The slot of an address; -1 when it has none. */
  find(pc: number, flags: number): number {
    const { hash } = this;
    const mask = hash.length - 1;
    for (let at = hashOf(pc, flags) & mask; ; at = (at + 1) & mask) {
      const slot = hash[at]! - 1;
      if (slot < 0) return -1;
      if (this.pc[slot] === (pc | 0) && this.flags[slot] === (flags | 0)) return slot;
    }
  }
}

function hashOf(pc: number, flags: number): number {
  const mixed = Math.imul(pc ^ Math.imul(flags, 0x85ebca6b), 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

function checksum(file: Uint8Array): number {
  return Bun.hash.xxHash32(file.subarray(12)) | 0;
}

/**
 * The translations of one program under one set of options. They are made from the same guest code byte for byte, or not
 * used: whatever the file was, a stale translation never runs. Losing the file only costs time.
 */
export class StoredTranslations implements TranslationStore {
  private readonly file: StoredFile | null;
  private readonly state: Uint8Array;
  private readonly seenAt = new Map<number, number>();
  private readonly added: NewChunk[] = [];
  private addedBytes = 0;
  private addedUnits = 0;
  private saving = true;

  /**
   * @param path where the file is or will be
   * @param identity all that translations depend on besides guest code: build, guest, CPU model, options
   */
  constructor(
    private readonly path: string,
    private readonly identity: string,
  ) {
    this.file = StoredFile.read(path, identity);
    this.state = new Uint8Array(this.file?.chunkCount ?? 0);
    this.file?.seen.forEach((slot, n) => {
      this.seenAt.set(slot, n);
    });
  }

  get slotCount(): number {
    return this.file?.slotCount ?? 0;
  }

  get profileCount(): number {
    return this.file?.profiles ?? 0;
  }

  find(pc: number, flags: number): number {
    return this.file === null ? -1 : this.file.find(pc, flags);
  }

  /** From now on nothing is saved: in children, which end too often for that, and where file names mean something else. */
  stopSaving(): void {
    this.saving = false;
  }

  load(cpu: Translator, entry: Entry): boolean {
    const { file } = this;
    if (file === null || entry.slot >= file.slotCount || entry.invalidations > 0) return false;
    const chunk = file.blockChunk[entry.slot]!;
    if (chunk >= 0) {
      if (this.state[chunk] !== State.FRESH || !this.loadChunk(cpu, file, chunk)) return false;
      for (const slot of this.slotsOf(file, chunk)) {
        const region = file.regionChunk[slot]!;
        if (region >= 0 && this.state[region] === State.FRESH) this.loadChunk(cpu, file, region);
      }
      return true;
    }
    return this.compileSeen(cpu, file, entry);
  }

  private slotsOf(file: StoredFile, chunk: number): number[] {
    const { chunks } = file;
    let at = file.chunkOffsets[chunk]!;
    const slots: number[] = [];
    let left = chunks[at + 6]!;
    for (at += CHUNK_WORDS; left > 0; left--) {
      slots.push(chunks[at]!);
      at += 3 + 2 * chunks[at + 2]!;
    }
    return slots;
  }

  private loadChunk(cpu: Translator, file: StoredFile, chunk: number): boolean {
    const { chunks, bytes } = file;
    const at = file.chunkOffsets[chunk]!;
    if (!this.codeIsTheSame(cpu, file, at)) {
      this.state[chunk] = State.STALE;
      REJECTED.n++;
      return false;
    }
    this.state[chunk] = State.LOADED;
    const tier = chunks[at]! as Tier;
    const [offset, length, , , modules] = chunks.subarray(at + 1, at + 6) as unknown as [number, number, 0, 0, number];
    const names = Object.keys(cpu.guest.helperModules);
    for (let n = 0; n < names.length; n++) if (modules & (1 << n)) cpu.helperModule(names[n]!);
    const { cache } = cpu;
    let unit = at + CHUNK_WORDS;
    for (let left = chunks[at + 6]!; left > 0; left--) {
      const slot = chunks[unit]!;
      const ranges = chunks[unit + 2]!;
      const entry = cache.get(file.pc[slot]! >>> 0, file.flags[slot]!);
      const pages: number[] = [];
      for (let n = 0; n < ranges; n++) {
        const [start, end] = [chunks[unit + 3 + 2 * n]! >>> 0, chunks[unit + 4 + 2 * n]! >>> 0];
        for (const page of cpu.pagesOf(start, end)) if (!pages.includes(page)) pages.push(page);
      }
      entry.ir = null;
      if (tier === Tier.BLOCK) entry.end = chunks[unit + 4]! >>> 0;
      entry.profile = entry.profile || chunks[unit + 1]! >>> 0;
      cache.setTranslated(entry, tier, pages);
      if (tier === Tier.REGION) entry.regionBlocks = ranges;
      else {
        if (cpu.options.regions) cpu.view.setInt32(COUNTER_BASE + 4 * slot, cpu.options.hotThreshold, true);
        for (let n = 1; n < ranges; n++) {
          const inner = cache.get(chunks[unit + 3 + 2 * n]! >>> 0, entry.flags);
          if (inner.tier === Tier.NONE && inner.ir === null) enterInner(cpu, inner);
        }
      }
      unit += 3 + 2 * ranges;
      LOADED.n++;
    }
    new WebAssembly.Instance(new WebAssembly.Module(bytes.subarray(offset, offset + length)), cpu.imports as never);
    cache.noteCompiled();
    return true;
  }

  /** Whether the code of a chunk's units is in guest memory as it was, and may be executed. */
  private codeIsTheSame(cpu: Translator, file: StoredFile, at: number): boolean {
    const { chunks, bytes } = file;
    const { memory } = cpu;
    let code = chunks[at + 3]!;
    let unit = at + CHUNK_WORDS;
    let window = memory.u8;
    let windowPage = -1;
    for (let left = chunks[at + 6]!; left > 0; left--) {
      const ranges = chunks[unit + 2]!;
      for (let n = 0; n < ranges; n++) {
        const start = chunks[unit + 3 + 2 * n]! >>> 0;
        const end = chunks[unit + 4 + 2 * n]! >>> 0;
        for (let from = start; from < end; ) {
          const page = from >>> 12;
          if (page !== windowPage) {
            if (!memory.canFetch(from)) return false;
            // A window on the page: indexes of 2^31 and more are slow.
            window = memory.u8.subarray(page * 4096, page * 4096 + 4096);
            windowPage = page;
          }
          const to = Math.min(end, page * 4096 + 4096);
          for (let k = from & 4095; from < to; from++) if (window[k++] !== bytes[code++]) return false;
        }
        if (!memory.canFetch(end + LONGEST_INSN)) return false;
      }
      unit += 3 + 2 * ranges;
    }
    return true;
  }

  /** Compiles a block that is known to run a few times, with those that ran after it the last time. */
  private compileSeen(cpu: Translator, file: StoredFile, entry: Entry): boolean {
    const first = this.seenAt.get(entry.slot);
    if (first === undefined) return false;
    const entries: Entry[] = [];
    for (let n = first; n < file.seenCount && n < first + AHEAD; n++) {
      const slot = file.seen[n]!;
      if (!this.seenAt.delete(slot) || file.flags[slot] !== entry.flags) continue;
      const pc = file.pc[slot]! >>> 0;
      if (!cpu.memory.canFetch(pc) || isWritable(cpu, pc)) continue;
      const other = cpu.cache.get(pc, entry.flags);
      if (other.tier === Tier.NONE && other.invalidations === 0) entries.push(other);
    }
    if (entries[0] !== entry) return false;
    translateTogether(cpu, entries, entry.flags);
    return entry.tier !== Tier.NONE;
  }

  record(cpu: Translator, bytes: Uint8Array, tier: Tier, units: readonly RecordedUnit[], modules: number): void {
    if (!this.saving || this.addedBytes + (this.file?.bytes.length ?? 0) > MAX_BYTES) return;
    let length = 0;
    for (const { entry, ranges } of units) {
      if (entry.invalidations > 0) return;
      for (let n = 0; n < ranges.length; n += 2) {
        const [start, end] = [ranges[n]!, ranges[n + 1]!];
        // Code a program writes is gone with it; and what ended because it could not be fetched may go on next time.
        if (isWritable(cpu, start) || isWritable(cpu, end - 1) || !cpu.memory.canFetch(end + LONGEST_INSN)) return;
        length += end - start;
      }
    }
    const code = new Uint8Array(length);
    let at = 0;
    for (const { ranges } of units) {
      for (let n = 0; n < ranges.length; n += 2) {
        code.set(cpu.memory.u8.subarray(ranges[n]!, ranges[n + 1]!), at);
        at += ranges[n + 1]! - ranges[n]!;
      }
    }
    this.added.push({ tier, bytes, code, modules, units });
    this.addedBytes += bytes.length + code.length;
    this.addedUnits += units.length;
  }

  /** Writes the file if that is worth it. Failures are silent: translations are only kept for speed. */
  save(cache: CodeCache): void {
    const { file } = this;
    if (!this.saving) return;
    this.saving = false;
    const stale = this.state.reduce((sum, state) => sum + (state === State.STALE ? 1 : 0), 0);
    try {
      if (stale * 2 > this.state.length) {
        // Another version of the program: begin anew next time, with slots for what is there now.
        rmSync(this.path, { force: true });
        return;
      }
      if (this.addedUnits < MIN_NEW_UNITS) return;
      const parts = this.build(cache);
      writePrivate(this.path, parts);
      if (file === null) prune(dirname(this.path));
    } catch {
      // No room, no permission, no directory: the next run translates again.
    }
  }

  private build(cache: CodeCache): Uint8Array {
    const { file } = this;
    const slots = cache.slotCount;
    const pc = new Int32Array(slots);
    const flags = new Int32Array(slots);
    const blockChunk = new Int32Array(slots).fill(-1);
    const regionChunk = new Int32Array(slots).fill(-1);
    if (file) {
      pc.set(file.pc);
      flags.set(file.flags);
    }
    const chunkOffsets: number[] = [];
    const chunks: number[] = [];
    const pieces: Uint8Array[] = [];
    let length = 0;
    const append = (bytes: Uint8Array): number => {
      pieces.push(bytes);
      length += bytes.length;
      return length - bytes.length;
    };
    const place = (tier: Tier, slot: number) => {
      (tier === Tier.REGION ? regionChunk : blockChunk)[slot] = chunkOffsets.length - 1;
    };
    for (let n = 0; file && n < file.chunkCount; n++) {
      if (this.state[n] === State.STALE) continue;
      const at = file.chunkOffsets[n]!;
      const [tier, wasmAt, wasmLength, codeAt, codeLength] = file.chunks.subarray(at, at + 5) as unknown as number[];
      chunkOffsets.push(chunks.length);
      const wasm = append(file.bytes.subarray(wasmAt!, wasmAt! + wasmLength!));
      const code = append(file.bytes.subarray(codeAt!, codeAt! + codeLength!));
      chunks.push(tier!, wasm, wasmLength!, code, codeLength!);
      const end = n + 1 < file.chunkCount ? file.chunkOffsets[n + 1]! : file.chunks.length;
      for (let k = at + 5; k < end; k++) chunks.push(file.chunks[k]!);
      for (const slot of this.slotsOf(file, n)) place(tier!, slot);
    }
    for (const { tier, bytes, code, modules, units } of this.added) {
      chunkOffsets.push(chunks.length);
      chunks.push(tier, append(bytes), bytes.length, append(code), code.length, modules, units.length);
      for (const { entry, ranges } of units) {
        chunks.push(entry.slot, entry.profile, ranges.length >>> 1, ...ranges);
        place(tier, entry.slot);
      }
    }
    const seen: number[] = [];
    // Slots of other programs' blocks, if there are any, lead nowhere the next time.
    const named = new Uint8Array(slots);
    if (file) named.fill(1, 0, file.slotCount);
    for (const entry of cache.entries()) {
      if (entry.slot < slots) named[entry.slot] = 1;
      pc[entry.slot] = entry.pc;
      flags[entry.slot] = entry.flags;
      if (entry.runs > 0 && entry.invalidations === 0 && blockChunk[entry.slot]! < 0) seen.push(entry.slot);
    }
    const now = new Set(seen);
    for (const slot of this.seenAt.keys()) if (blockChunk[slot]! < 0 && !now.has(slot)) seen.push(slot);

    let hashSize = 64;
    while (hashSize < slots * 2) hashSize *= 2;
    const hash = new Int32Array(hashSize);
    for (let slot = 0; slot < slots; slot++) {
      if (named[slot] === 0) continue;
      let at = hashOf(pc[slot]!, flags[slot]!) & (hashSize - 1);
      while (hash[at] !== 0) at = (at + 1) & (hashSize - 1);
      hash[at] = slot + 1;
    }
    return this.assemble(
      [pc, flags, blockChunk, regionChunk, hash, seen, chunkOffsets, chunks],
      [slots, hashSize, seen.length, chunkOffsets.length, chunks.length, cache.profileCount],
      pieces,
      length,
    );
  }

  private assemble(
    tables: readonly (Int32Array | readonly number[])[],
    sizes: readonly number[],
    pieces: readonly Uint8Array[],
    length: number,
  ): Uint8Array {
    const identity = Buffer.from(this.identity);
    const identityWords = Math.ceil(identity.length / 4);
    const words = tables.reduce((sum, table) => sum + table.length, HEADER_WORDS + identityWords);
    const out = new Uint8Array(4 * words + length);
    const header = new Int32Array(out.buffer, 0, words);
    header.set([MAGIC, VERSION, 0, identityWords, ...sizes, words]);
    out.set(identity, 4 * HEADER_WORDS);
    let at = HEADER_WORDS + identityWords;
    for (const table of tables) {
      header.set(table, at);
      at += table.length;
    }
    let byte = 4 * words;
    for (const piece of pieces) {
      out.set(piece, byte);
      byte += piece.length;
    }
    header[2] = checksum(out);
    return out;
  }
}

/** Replaces a file, making its directory if need be, so that nobody else can read it and nobody sees half of it. */
export function writePrivate(path: string, contents: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}`;
  withStandardTaken(() => writeFileSync(temporary, contents, { mode: 0o600 }));
  renameSync(temporary, path);
}

/** Removes the files that were not written for longest while all together are too large. */
function prune(folder: string): void {
  const files = withStandardTaken(() => readdirSync(folder))
    .filter((name) => name.includes(SUFFIX))
    .map((name) => ({ path: join(folder, name), ...statSync(join(folder, name)) }))
    .sort((a, b) => b.mtimeMs - a.mtimeMs);
  let total = 0;
  for (const { path, size } of files) {
    total += size;
    if (total > MAX_FOLDER_BYTES) rmSync(path, { force: true });
  }
}

function isWritable(cpu: Translator, address: number): boolean {
  return cpu.memory.checkWrite(address, 1);
}
