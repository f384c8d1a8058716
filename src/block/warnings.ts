// Warnings of the disk layer: it says what, the program that uses it says where they go.

let sink: (text: string) => void = () => {};

/** Tells of something that is accepted but should be otherwise. */
export function warn(text: string): void {
  sink(text);
}

/** Where warnings go from now on; at first nowhere. */
export function sendWarnings(to: (text: string) => void): void {
  sink = to;
}
