/** Named event counters for hot and slow paths, printed by one flag. Each is created once, where its event happens. */

/** Hot code holds the counter and writes `counter.n++`. */
export interface Counter {
  readonly name: string;
  readonly meaning: string;
  n: number;
}

const counters = new Map<string, Counter>();

/** Creates a counter. Names are words with dots, `exec.lookup-miss`; the meaning says what one count is. */
export function defineCounter(name: string, meaning: string): Counter {
  if (counters.has(name)) throw new Error(`counter ${name} is defined twice`);
  const counter: Counter = { name, meaning, n: 0 };
  counters.set(name, counter);
  return counter;
}

/** All counters of this thread by name. */
export function allCounters(): Counter[] {
  return [...counters.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** One line per counter that is not zero: count, name, meaning. */
export function counterReport(): string {
  return allCounters()
    .filter((c) => c.n !== 0)
    .map((c) => `${String(c.n).padStart(12)}  ${c.name.padEnd(28)} ${c.meaning}\n`)
    .join('');
}
