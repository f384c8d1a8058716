// Counts of system calls with the time they took, printed when a process ends (-strace-summary).

import { unimpCounts } from '../src/log/log.ts';

interface Count {
  calls: number;
  errors: number;
  /** Nanoseconds spent in the calls, waiting included. */
  time: number;
}

/** The counts of one process. */
export class StraceSummary {
  private readonly counts = new Map<string, Count>();

  add(name: string, time: number, failed: boolean): void {
    let count = this.counts.get(name);
    if (!count) this.counts.set(name, (count = { calls: 0, errors: 0, time: 0 }));
    count.calls++;
    count.time += time;
    if (failed) count.errors++;
  }

  /** A child begins with nothing. */
  reset(): void {
    this.counts.clear();
    unimpCounts().clear();
  }

  /** A table after strace(1)'s, and below it what was not supported, with the number of times it was asked for. */
  report(pid: number): string {
    const rows = [...this.counts].sort(([a, x], [b, y]) => y.time - x.time || (a < b ? -1 : 1));
    const total: Count = { calls: 0, errors: 0, time: 0 };
    for (const [, { calls, errors, time }] of rows) {
      total.calls += calls;
      total.errors += errors;
      total.time += time;
    }
    const line = (name: string, { calls, errors, time }: Count): string => {
      const share = total.time === 0 ? 0 : (100 * time) / total.time;
      const each = calls === 0 ? 0 : Math.round(time / calls / 1000);
      return (
        `${share.toFixed(2).padStart(6)} ${(time / 1e9).toFixed(6).padStart(11)} ${String(each).padStart(11)} ` +
        `${String(calls).padStart(9)} ${(errors === 0 ? '' : String(errors)).padStart(9)} ${name}\n`
      );
    };
    const rule = '------ ----------- ----------- --------- --------- ----------------\n';
    let text = `${pid} system calls:\n% time     seconds  usecs/call     calls    errors syscall\n${rule}`;
    for (const [name, count] of rows) text += line(name, count);
    text += rule + line('total', total);
    const missing = [...unimpCounts()].sort(([a], [b]) => (a < b ? -1 : 1));
    if (missing.length > 0)
      text += `not supported:\n${missing.map(([what, times]) => `${String(times).padStart(9)} ${what}`).join('\n')}\n`;
    return text;
  }
}
