// Image locks: shared OFD locks on single bytes, one byte per permission taken and one per permission not shared.
// The byte numbers are those other tools use (seen in /proc/locks): 100 + bit for a permission held, 200 + bit for one denied.
import { PERM, PERM_TEXTS } from './driver.ts';
import { BlockError, ERRNO, strerror } from './errors.ts';
import { setOfdLock, statPath, testOfdLock } from './libc.ts';

const PERMISSION_BASE = 100;
const DENIED_BASE = 200;
const BITS = PERM_TEXTS.length;

/** The locks one open file holds. */
export class ImageLock {
  private held = 0;
  private denied = 0;

  constructor(
    private readonly fd: number,
    private readonly filename: string,
  ) {}

  /**
   * Changes to `perm` and `shared` (PERM bits). When somebody else's locks forbid it, throws and leaves the locks as they
   * were.
   */
  set(perm: number, shared: number): void {
    const deny = PERM.ALL & ~shared;
    const before = { held: this.held, denied: this.denied };
    try {
      this.take(perm & ~this.held, deny & ~this.denied);
      for (let bit = 0; bit < BITS; bit++) {
        if ((perm >> bit) & 1) this.test(DENIED_BASE + bit, `Failed to get "${PERM_TEXTS[bit]}" lock`);
      }
      for (let bit = 0; bit < BITS; bit++) {
        if ((deny >> bit) & 1) this.test(PERMISSION_BASE + bit, `Failed to get shared "${PERM_TEXTS[bit]}" lock`);
      }
    } catch (error) {
      this.drop(this.held & ~before.held, this.denied & ~before.denied);
      throw error;
    }
    this.drop(this.held & ~perm, this.denied & ~deny);
  }

  /**
   * Takes the same locks on `fd`, another description of the file, and only then drops those of the old one (unless that is
   * shared); the caller puts `fd` in its place at once. Nobody else can take what was held at any time.
   */
  handOver(fd: number, shared: boolean): void {
    const bytes: number[] = [];
    for (let bit = 0; bit < BITS; bit++) {
      if ((this.held >> bit) & 1) bytes.push(PERMISSION_BASE + bit);
      if ((this.denied >> bit) & 1) bytes.push(DENIED_BASE + bit);
    }
    for (const at of bytes) {
      const errno = setOfdLock(fd, at, 1, true);
      if (errno !== 0) throw new BlockError(`Failed to lock byte ${at}: ${strerror(errno)}`, errno);
    }
    // (A call that a thread is in keeps the old description for a while, with its locks.)
    if (!shared) for (const at of bytes) setOfdLock(this.fd, at, 1, false);
  }

  private take(perm: number, deny: number): void {
    for (let bit = 0; bit < BITS; bit++) {
      if ((perm >> bit) & 1) {
        this.lockByte(PERMISSION_BASE + bit);
        this.held |= 1 << bit;
      }
    }
    for (let bit = 0; bit < BITS; bit++) {
      if ((deny >> bit) & 1) {
        this.lockByte(DENIED_BASE + bit);
        this.denied |= 1 << bit;
      }
    }
  }

  private lockByte(at: number): void {
    const errno = setOfdLock(this.fd, at, 1, true);
    if (errno === 0) return;
    if (errno === ERRNO.EACCES || errno === ERRNO.EAGAIN) throw this.inUse(`Failed to lock byte ${at}`);
    throw new BlockError(`Failed to lock byte ${at}: ${strerror(errno)}`, errno);
  }

  private test(at: number, message: string): void {
    // Our own locks belong to the same open file description and do not count.
    const other = testOfdLock(this.fd, at, 1);
    if (other === false) return;
    if (other === true) throw this.inUse(message, at);
    throw new BlockError(message, -other);
  }

  private inUse(message: string, at = 0): BlockError {
    const holder = findLockHolder(this.fd, at);
    const who = holder ? ` (held by ${holder})` : '';
    return new BlockError(message, ERRNO.EAGAIN, `Is another process using the image [${this.filename}]?${who}`);
  }

  private drop(perm: number, deny: number): void {
    for (let bit = 0; bit < BITS; bit++) {
      if ((perm >> bit) & 1) setOfdLock(this.fd, PERMISSION_BASE + bit, 1, false);
      if ((deny >> bit) & 1) setOfdLock(this.fd, DENIED_BASE + bit, 1, false);
    }
    this.held &= ~perm;
    this.denied &= ~deny;
  }
}

type Fs = typeof import('node:fs');

/** Lock lines of /proc/PID/fdinfo/N for an inode: device, inode, first and last byte. */
const LOCK_LINE = /^lock:\t.*OFDLCK .* ([0-9a-f]+:[0-9a-f]+):(\d+) (\d+) (\d+|EOF)$/gm;

function locksIn(fs: Fs, path: string): { file: string; start: number; end: number }[] {
  let text: string;
  try {
    text = fs.readFileSync(path, 'latin1');
  } catch {
    return [];
  }
  return [...text.matchAll(LOCK_LINE)].map((m) => ({
    file: `${m[1]}:${m[2]}`,
    start: Number(m[3]),
    end: m[4] === 'EOF' ? Infinity : Number(m[4]),
  }));
}

/** Descriptors of one process that are looked at: some have a million. */
const MAX_SEARCHED = 1000;

/**
 * Name and pid of a process that holds the lock byte `at` of the file open as `fd` (any byte when 0). The kernel gives no pid
 * for these locks, so the descriptors of the processes we may look into are searched.
 */
function findLockHolder(fd: number, at: number): string | undefined {
  const fs = process.getBuiltinModule('node:fs');
  // Our own locks, taken before the test, tell how the kernel writes this file's device and inode.
  const own = locksIn(fs, `/proc/self/fdinfo/${fd}`)[0]?.file;
  if (!own) return undefined;
  const file = statPath(`/proc/self/fd/${fd}`)?.identity;
  let self = false;
  const others = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  for (const pid of [String(process.pid), ...others]) {
    let fds: string[];
    try {
      fds = fs.readdirSync(`/proc/${pid}/fdinfo`);
    } catch {
      continue;
    }
    for (const n of fds.slice(0, MAX_SEARCHED)) {
      const mine = Number(pid) === process.pid;
      if (mine && Number(n) === fd) continue;
      // Locks are listed only for descriptors of this file: the kernel takes long over them where there are many.
      if (statPath(`/proc/${pid}/fd/${n}`)?.identity !== file) continue;
      const hit = locksIn(fs, `/proc/${pid}/fdinfo/${n}`).some(
        (l) => l.file === own && (at === 0 || (l.start <= at && at <= l.end)),
      );
      if (!hit) continue;
      if (mine) {
        self = true;
        continue;
      }
      let name = '?';
      try {
        name = fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
      } catch {}
      return `${name}, pid ${pid}`;
    }
  }
  return self ? 'this process itself' : undefined;
}
