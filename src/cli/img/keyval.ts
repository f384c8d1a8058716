// The key=value lists of objects: stricter than those of images, every key must have a value and a proper name.
import { BlockError } from '../../block/errors.ts';
import { type OptionTree, takeValue } from '../../block/options.ts';

/** Parts of a key between its dots: names, or numbers in lists. */
const FRAGMENT = /^([a-zA-Z_][-\w]*|\d+)$/;

/** Parses `a=b,c.d=e`; a first word without `=` is the value of `implied`. `help` says whether a word asked for it. */
export function parseKeyval(text: string, implied: string): { values: OptionTree; help: boolean } {
  const values: OptionTree = new Map();
  let help = false;
  for (let at = 0; at < text.length; ) {
    let end = at;
    while (end < text.length && text[end] !== '=' && text[end] !== ',') end++;
    const word = text.slice(at, end);
    const first = at === 0;
    if (text[end] !== '=' && (word === 'help' || word === '?')) {
      help = true;
      at = end + 1;
      continue;
    }
    if (first && word !== '' && text[end] !== '=') {
      values.set(implied, word);
      at = end + 1;
      continue;
    }
    if (!word.split('.').every((part) => FRAGMENT.test(part))) throw new BlockError(`Invalid parameter '${word}'`);
    if (text[end] !== '=') throw new BlockError(`Expected '=' after parameter '${word}'`);
    const taken = takeValue(text, end + 1);
    values.set(word, taken.value);
    at = taken.end;
  }
  for (const key of values.keys()) {
    for (let dot = key.indexOf('.'); dot >= 0; dot = key.indexOf('.', dot + 1)) {
      if (values.has(key.slice(0, dot)))
        throw new BlockError(`Parameters '${key.slice(0, dot)}.*' used inconsistently`);
    }
  }
  return { values, help };
}
