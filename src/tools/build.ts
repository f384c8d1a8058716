/** `npm run build`: compiles guests' helpers to WebAssembly, and commands to bytecode so that they start fast. */

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import type { BunPlugin } from 'bun';
import { buildHelpers } from './build-helpers.ts';
import { splitScripts } from './split-bundle.ts';
import { wrapTopLevelLoops } from './wrap-loops.ts';

const root = resolve(import.meta.dir, '../..');
const folder = join(root, 'build');

/** Files of src/cli that launchers start, without `.ts`. */
export const COMMANDS = ['user-mode', 'wemu', 'img'].filter((name) => existsSync(join(root, `src/cli/${name}.ts`)));

/** Of these, the ones that are in the executable: those that are started often. It can build nothing. */
const IN_EXECUTABLE = ['user-mode', 'img'];

/** What runs in the executable before the script of a command is loaded. */
const BEFORE: Record<string, string> = { 'user-mode': 'early' };

/** What is small enough not to be a script of its own in the executable. */
const INLINE = ['img'];

/** The executable's name in `build`, also what `ps` shows. */
const EXECUTABLE = 'wemu';

/** The ones that need only a part of their code at a time, and which files they should have at hand from the start. */
const SPLIT: Record<string, readonly string[]> = {
  img: [
    'src/cli/img/info.ts',
    'src/cli/img/check.ts',
    'src/block/raw.ts',
    'src/block/qcow2/open.ts',
    'src/block/qcow2/check.ts',
  ],
};

/** Names a bundle with the helpers it loads, in hex: what is kept on disk between runs holds only for the same name. */
function buildId(text: string): string {
  let hash = Bun.hash(text);
  for (const helper of [...new Bun.Glob('targets/*/helpers/*.wasm').scanSync({ cwd: root })].sort()) {
    hash = Bun.hash(readFileSync(join(root, helper)), hash);
  }
  return hash.toString(16);
}

const OPTIONS = {
  target: 'bun',
  // Names and lines stay, for readable stack traces; shorter ones measured no faster.
  minify: { syntax: true, whitespace: false, identifiers: false },
} as const;

/** How a module, as which a command is bundled, loads what is part of Bun; a script, as which it is compiled, does it without. */
const MODULE_REQUIRE = { 'import.meta.require': 'require' };

/** A command as JavaScript, before it is compiled. */
interface Scripts {
  /** Code by file name in `build`; last the file the command starts with. */
  readonly code: ReadonlyMap<string, string>;
  /** The files it was made of, from the package's top folder. */
  readonly sources: readonly string[];
  /** When the newest of them was changed, in ms. */
  readonly newest: number;
}

/** A script as a function that is called at once. Throws for a module. */
function asFunction(code: string): string {
  if (/^(import|export)\b/m.test(code)) throw new Error('a script must not import anything');
  return `(() => {\n${code}\n})();\n`;
}

/** The code that runs before a command's script is loaded. */
async function before(name: string): Promise<string> {
  const file = BEFORE[name];
  return file === undefined ? '' : asFunction((await scriptsOf(file)).code.get(`${file}.js`)!);
}

/** Bundles one command. Throws when it cannot be. */
async function scriptsOf(name: string): Promise<Scripts> {
  const sources: string[] = ['package.json'];
  // The bundle is as old as its newest source was when read: whatever is changed from then on is newer.
  let newest = statSync(join(root, 'package.json')).mtimeMs;
  const collect: BunPlugin = {
    name: 'sources',
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        newest = Math.max(newest, statSync(path).mtimeMs);
        sources.push(relative(root, path));
        return { contents: wrapTopLevelLoops(readFileSync(path, 'utf8')), loader: 'ts' };
      });
    },
  };
  const early = SPLIT[name];
  const { outputs } = await Bun.build({
    ...OPTIONS,
    define: { WEMU_BUNDLED: 'true' },
    entrypoints: [join(root, `src/cli/${name}.ts`)],
    format: 'esm',
    splitting: early !== undefined,
    plugins: [collect],
  });
  const code = new Map<string, string>();
  if (early) {
    const rest = `${name}-rest.js`;
    const scripts = await splitScripts(outputs, early, rest);
    code.set(rest, scripts.rest).set(`${name}.js`, scripts.main);
  } else {
    const [script] = outputs;
    if (!script || outputs.length !== 1) throw new Error(`the bundle of ${name} is not one file`);
    code.set(`${name}.js`, await script.text());
  }
  for (const [file, text] of code) {
    const own = text.indexOf(root);
    if (own < 0) continue;
    const line = text.slice(text.lastIndexOf('\n', own) + 1, text.indexOf('\n', own));
    throw new Error(`the bundle of ${file} names a folder of this machine (use util/package-files.ts): ${line.trim()}`);
  }
  return { code, sources: sources.sort(), newest };
}

/** Runs `action` with an empty folder beside what is built, on the same disk. */
async function inTemporary<T>(action: (temporary: string) => Promise<T>): Promise<T> {
  const temporary = join(folder, `.build-${process.pid}`);
  mkdirSync(temporary, { recursive: true });
  try {
    return await action(temporary);
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

/** Compiles one command to build/<name>.js, with bytecode beside it and the list of its sources. Throws when it cannot be. */
async function compileBundle(name: string, { code, sources, newest }: Scripts): Promise<void> {
  await inTemporary(async (temporary) => {
    const files: [string, string | Uint8Array][] = [];
    for (const [file, text] of code) {
      const from = join(temporary, `source-${file}`);
      writeFileSync(from, text);
      const { outputs } = await Bun.build({
        ...OPTIONS,
        define: { ...MODULE_REQUIRE, WEMU_BUNDLE_FOLDER: 'module.path' },
        entrypoints: [from],
        // Bytecode outside of executables exists for this format only.
        format: 'cjs',
        bytecode: true,
      });
      const script = outputs.find(({ kind }) => kind === 'entry-point');
      const bytecode = outputs.find(({ kind }) => kind === 'bytecode');
      if (!script || !bytecode || outputs.length !== 2)
        throw new Error(`the bundle of ${file} is not code and bytecode`);
      files.push([`${file}.jsc`, new Uint8Array(await bytecode.arrayBuffer())], [file, await script.text()]);
    }
    files.unshift(
      [`${name}.inputs`, `wemu_inputs='${sources.join(' ')}'\n`],
      [`${name}.id`, `${buildId([...code.values()].join(''))}\n`],
    );
    for (const [file, content] of files) writeFileSync(join(temporary, file), content);
    // A millisecond more, because this time stamp is rounded and those of files are not.
    utimesSync(join(temporary, `${name}.js`), Date.now() / 1000, (newest + 1) / 1000);
    // The launcher takes the bundle when it finds the .js: the rest is there first. Bytecode of other code is not used.
    for (const [file] of files) renameSync(join(temporary, file), join(folder, file));
  });
}

/**
 * What the executable begins with: the first argument is the name of a command, which goes on with the others. A small one
 * is part of this script, in a function, because looking for another takes 0.3 ms; large ones would cost the others time. They
 * are named by an expression lest they become part of it.
 */
async function firstScript(commands: ReadonlyMap<string, Scripts>): Promise<string> {
  const cases: string[] = [];
  for (const [name, { code }] of commands) {
    cases.push(`case '${name}':`, await before(name));
    cases.push(INLINE.includes(name) ? asFunction(code.get(`${name}.js`)!) : `load('${name}');`, 'break;');
  }
  return `const folder = () => process.execPath.slice(0, process.execPath.lastIndexOf('/'));
Object.defineProperty(globalThis, 'WEMU_BUNDLE_FOLDER', { get: folder });
const load = (name) => require('./' + name + '.js');
switch (process.argv.splice(2, 1)[0]) {
${cases.join('\n')}
default:
console.error('wemu: this file is for the launchers in src/cli/bin');
process.exit(1);
}
`;
}

/** Compiles commands to one executable: Bun with their code and bytecode. Throws when it cannot be. */
async function compileExecutable(commands: ReadonlyMap<string, Scripts>): Promise<void> {
  await inTemporary(async (temporary) => {
    const scripts = new Map([[`${EXECUTABLE}.js`, await firstScript(commands)]]);
    for (const [name, { code }] of commands) {
      for (const [file, text] of code) if (!INLINE.includes(name) || file !== `${name}.js`) scripts.set(file, text);
    }
    const files = [...scripts.keys()];
    for (const [file, text] of scripts) writeFileSync(join(temporary, file), text);
    const outfile = join(temporary, EXECUTABLE);
    await Bun.build({
      ...OPTIONS,
      define: MODULE_REQUIRE,
      entrypoints: files.map((file) => join(temporary, file)),
      root: temporary,
      format: 'cjs',
      bytecode: true,
      // Settings of the current directory are the guest's business.
      compile: { outfile, autoloadDotenv: false, autoloadBunfig: false },
    });
    renameSync(outfile, join(folder, EXECUTABLE));
  });
}

/** Everything. Throws when something cannot be built; what is there then is of one build. */
async function build(): Promise<void> {
  await buildHelpers();
  mkdirSync(folder, { recursive: true });
  // The launchers take it for as new as the bundles.
  rmSync(join(folder, EXECUTABLE), { force: true });
  const inExecutable = new Map<string, Scripts>();
  for (const name of COMMANDS) {
    const scripts = await scriptsOf(name);
    await compileBundle(name, scripts);
    if (IN_EXECUTABLE.includes(name)) inExecutable.set(name, scripts);
  }
  await compileExecutable(inExecutable);
}

if (import.meta.main) {
  try {
    await build();
  } catch (error) {
    console.error(`build: ${error instanceof Error ? error.message : error}`);
    process.exit(1);
  }
}
