/** Turns a bundle split at its dynamic imports into two scripts: what a command needs at once, and the rest of it. */

import type { BuildArtifact } from 'bun';

/** Names in an import or export list: `a, b as c`. */
function names(list: string): [string, string][] {
  return list
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => {
      const [from, to] = part.split(' as ') as [string, string?];
      return [from, to ?? from];
    });
}

/** `{ a, b: c }`, to take an object apart or put it together. */
function members(pairs: [string, string][]): string {
  return `{ ${pairs.map(([key, value]) => (key === value ? key : `${key}: ${value}`)).join(', ')} }`;
}

const fileName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const quoted = (path: string): string => JSON.stringify(fileName(path));

const CHUNK_IMPORT = /^import \{([^}]*)\} from "(\.[^"]+)";$/gm;
const CHUNK_SIDE_EFFECT = /^import ?"(\.[^"]+)";$/gm;

/** The body of a function that runs a chunk and returns what it exports. */
function functionBody(code: string): string {
  const body = code
    .replace(/^\/\/ @bun\n/, '')
    .replace(CHUNK_IMPORT, (_, list: string, path: string) => `const ${members(names(list))} = chunk(${quoted(path)});`)
    .replace(CHUNK_SIDE_EFFECT, (_, path: string) => `chunk(${quoted(path)});`)
    .replace(
      /^import \{([^}]*)\} from ("[^".][^"]*");$/gm,
      (_, list: string, module: string) => `const ${members(names(list))} = require(${module});`,
    )
    .replace(/^import (?:\* as )?(\w+) from ("[^".][^"]*");$/gm, 'const $1 = require($2);')
    .replace(/\bimport\("(\.[^"]+)"\)/g, (_, path: string) => `later(${quoted(path)})`)
    .replace(
      /^export \{([^}]*)\};$/gm,
      (_, list: string) => `return ${members(names(list).map(([from, to]) => [to, from]))};`,
    );
  const left = /^(import|export)\b.*/m.exec(body);
  if (left) throw new Error(`split bundle: cannot translate ${left[0]}`);
  return body;
}

/** Chunks that hold one of these source files, or are imported by such a chunk before it runs. */
function needed(chunks: Map<string, string>, sources: readonly string[]): Set<string> {
  const found = new Set<string>();
  const add = (name: string): void => {
    const code = chunks.get(name);
    if (code === undefined || found.has(name)) return;
    found.add(name);
    for (const [, , path] of code.matchAll(CHUNK_IMPORT)) add(fileName(path!));
    for (const [, path] of code.matchAll(CHUNK_SIDE_EFFECT)) add(fileName(path!));
  };
  for (const source of sources) {
    const holder = [...chunks].find(([, code]) => code.includes(`${source}\n`));
    if (!holder) throw new Error(`split bundle: ${source} is in no chunk`);
    add(holder[0]);
  }
  return found;
}

function table(chunks: Map<string, string>, wanted: (name: string) => boolean): string {
  const rows = [...chunks].filter(([name]) => wanted(name));
  return `{\n__proto__: null,\n${rows.map(([name, code]) => `${quoted(name)}: () => {\n${functionBody(code)}\n},`).join('\n')}\n}`;
}

/**
 * Makes two scripts (CommonJS) of the outputs of a build with `format: 'esm'` and `splitting`. The first holds the entry point
 * and the chunks needed for `early`, source files that most runs import; the second, in `restFile` beside it, all others. A
 * chunk becomes a function that runs when it is first imported. What it exports is copied, so that an exported variable must
 * not change later (as `logMask` of src/log does: commands that use it cannot be split).
 *
 * The engine reads a script's bytecode and sets up all its outermost functions before anything runs: 1 MB takes 3 ms.
 */
export async function splitScripts(
  outputs: readonly BuildArtifact[],
  early: readonly string[],
  restFile: string,
): Promise<{ main: string; rest: string }> {
  const chunks = new Map<string, string>();
  for (const output of outputs) if (output.kind === 'chunk') chunks.set(fileName(output.path), await output.text());
  const entry = outputs.find(({ kind }) => kind === 'entry-point');
  if (!entry) throw new Error('split bundle: no entry point');
  const entryCode = await entry.text();
  const first = needed(new Map([...chunks, ['entry', entryCode]]), early);
  for (const [, , path] of entryCode.matchAll(CHUNK_IMPORT)) first.add(fileName(path!));
  const main = `const early = ${table(chunks, (name) => first.has(name))};
let rest;
let restFile = ${JSON.stringify(`./${restFile}`)};
const ran = { __proto__: null };
const chunk = (name) => (ran[name] ??= (early[name] ?? (rest ??= require(restFile)(chunk, later))[name])());
const later = async (name) => chunk(name);
${functionBody(entryCode)}`;
  return { main, rest: `module.exports = (chunk, later) => (${table(chunks, (name) => !first.has(name))});\n` };
}
