// Waiting: a mutex, a range lock and a bounded queue for code that interleaves at awaits.

/** A first-come first-served lock. `acquire` returns undefined when free, so an uncontended take needs no await. */
export class Mutex {
  private held = false;
  private readonly waiters: (() => void)[] = [];

  get isHeld(): boolean {
    return this.held;
  }

  acquire(): Promise<void> | undefined {
    if (!this.held) {
      this.held = true;
      return undefined;
    }
    return new Promise((resolve) => this.waiters.push(resolve));
  }

  release(): void {
    const next = this.waiters.shift();
    if (next) next();
    else this.held = false;
  }

  /** Runs `body` holding the lock. */
  async with<T>(body: () => Promise<T> | T): Promise<T> {
    const wait = this.acquire();
    if (wait) await wait;
    try {
      return await body();
    } finally {
      this.release();
    }
  }
}

/** A byte range somebody works on; others that overlap wait for it. */
export interface HeldRange {
  start: number;
  end: number;
  shared: boolean;
  waiters: (() => void)[] | undefined;
}

/** Byte-range lock with shared and exclusive holders; waiting is in no particular order but always ends. */
export class RangeLock {
  private readonly held = new Set<HeldRange>();
  /** How many of them are held by one alone. */
  private exclusive = 0;

  private conflict(start: number, end: number, shared: boolean): HeldRange | undefined {
    if (shared && this.exclusive === 0) return undefined;
    for (const r of this.held) {
      if (r.start < end && start < r.end && !(shared && r.shared)) return r;
    }
    return undefined;
  }

  /** Takes [start, end) at once, or returns undefined if somebody holds part of it in a way that excludes us. */
  tryAcquire(start: number, end: number, shared: boolean): HeldRange | undefined {
    if (this.held.size > 0 && this.conflict(start, end, shared)) return undefined;
    const range: HeldRange = { start, end, shared, waiters: undefined };
    this.held.add(range);
    if (!shared) this.exclusive++;
    return range;
  }

  async acquire(start: number, end: number, shared: boolean): Promise<HeldRange> {
    for (;;) {
      const blocker = this.held.size > 0 ? this.conflict(start, end, shared) : undefined;
      if (!blocker) return this.tryAcquire(start, end, shared)!;
      await new Promise<void>((resolve) => {
        (blocker.waiters ??= []).push(resolve);
      });
    }
  }

  /** Takes everything for the caller alone: nobody who comes later goes first, so that it also ends where there is always something under way. */
  async acquireAll(): Promise<HeldRange> {
    const before = [...this.held];
    const all: HeldRange = { start: 0, end: Infinity, shared: false, waiters: undefined };
    this.held.add(all);
    this.exclusive++;
    for (const range of before) {
      while (this.held.has(range)) {
        await new Promise<void>((resolve) => {
          (range.waiters ??= []).push(resolve);
        });
      }
    }
    return all;
  }

  release(range: HeldRange): void {
    this.held.delete(range);
    if (!range.shared) this.exclusive--;
    if (range.waiters) for (const w of range.waiters) w();
  }
}

/**
 * Runs `task(i)` for i in 0..count-1 with at most `width` at a time; the first failure stops new ones, and is thrown
 * once those under way have ended.
 */
export async function runParallel(count: number, width: number, task: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  let failed: { error: unknown } | undefined;
  const lane = async (): Promise<void> => {
    while (next < count && !failed) {
      const index = next++;
      try {
        await task(index);
      } catch (error) {
        failed ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, count) }, lane));
  if (failed) throw failed.error;
}
