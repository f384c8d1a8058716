// Warnings of the disk layer: it says what, the program that uses it says where they go.

let sink: (text: string) => void = () => {};

/** What was said already. */
const said = new Set<string>();

/** Tells once of something that is accepted but should be otherwise. */
export function warn(text: string): void {
  if (said.has(text)) return;
  said.add(text);
  sink(text);
}

/** Where warnings go from now on; at first nowhere. */
export function sendWarnings(to: (text: string) => void): void {
  sink = to;
}
