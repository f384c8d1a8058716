/** `npm run build`: compiles guests' helpers to WebAssembly, and bundles commands with their bytecode so that they start fast. */

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import type { BunPlugin } from 'bun';
import { buildHelpers } from './build-helpers.ts';
import { splitScripts } from './split-bundle.ts';
import { wrapTopLevelLoops } from './wrap-loops.ts';

const root = resolve(import.meta.dir, '../..');

/** Files of src/cli that launchers start, without `.ts`. */
export const COMMANDS = ['user-mode', 'wemu', 'img'].filter((name) => existsSync(join(root, `src/cli/${name}.ts`)));

/** Of these, the ones that need only a part of their code at a time, and which files they should have at hand from the start. */
const SPLIT: Record<string, readonly string[]> = {
  img: ['src/cli/img/info.ts', 'src/cli/img/check.ts', 'src/block/qcow2/open.ts', 'src/block/qcow2/check.ts'],
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
  define: { WEMU_BUNDLED: 'true', WEMU_BUNDLE_FOLDER: 'module.path' },
} as const;

/** Bundles one command to build/<name>.js, with bytecode beside it and the list of its sources. Throws when it cannot be. */
export async function bundle(name: string): Promise<void> {
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
  const entry = join(root, `src/cli/${name}.ts`);
  const folder = join(root, 'build');
  const temporary = join(folder, `.${name}-${process.pid}`);
  mkdirSync(temporary, { recursive: true });
  const files: [string, string | Uint8Array][] = [];
  /** Compiles a script and puts it with its bytecode among the files. */
  const compile = async (file: string, from: string): Promise<void> => {
    const { outputs } = await Bun.build({
      ...OPTIONS,
      entrypoints: [from],
      // Bytecode outside of executables exists for this format only.
      format: 'cjs',
      bytecode: true,
      plugins: [collect],
    });
    const code = outputs.find(({ kind }) => kind === 'entry-point');
    const bytecode = outputs.find(({ kind }) => kind === 'bytecode');
    if (!code || !bytecode || outputs.length !== 2) throw new Error(`the bundle of ${file} is not code and bytecode`);
    const text = await code.text();
    const own = text.indexOf(root);
    if (own >= 0) {
      const line = text.slice(text.lastIndexOf('\n', own) + 1, text.indexOf('\n', own));
      throw new Error(
        `the bundle of ${file} names a folder of this machine (use util/package-files.ts): ${line.trim()}`,
      );
    }
    files.push([`${file}.js.jsc`, new Uint8Array(await bytecode.arrayBuffer())], [`${file}.js`, text]);
  };
  try {
    const early = SPLIT[name];
    if (early) {
      const rest = `${name}-rest`;
      const { outputs } = await Bun.build({
        ...OPTIONS,
        entrypoints: [entry],
        format: 'esm',
        splitting: true,
        plugins: [collect],
      });
      const scripts = await splitScripts(outputs, early, `${rest}.js`);
      const script = (file: string): string => join(temporary, `${file}-script.js`);
      writeFileSync(script(rest), scripts.rest);
      writeFileSync(script(name), scripts.main);
      await compile(rest, script(rest));
      await compile(name, script(name));
    } else {
      await compile(name, entry);
    }
    const [, text] = files.at(-1)!;
    files.unshift(
      [`${name}.inputs`, `wemu_inputs='${sources.sort().join(' ')}'\n`],
      [`${name}.id`, `${buildId(String(text))}\n`],
    );
    for (const [file, content] of files) writeFileSync(join(temporary, file), content);
    // A millisecond more, because this time stamp is rounded and those of files are not.
    utimesSync(join(temporary, `${name}.js`), Date.now() / 1000, (newest + 1) / 1000);
    // The launcher takes the bundle when it finds the .js: the rest is there first. Bytecode of other code is not used.
    for (const [file] of files) renameSync(join(temporary, file), join(folder, file));
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

if (import.meta.main) {
  try {
    await buildHelpers();
    for (const name of COMMANDS) await bundle(name);
  } catch (error) {
    console.error(`build: ${error instanceof Error ? error.message : error}`);
    process.exit(1);
  }
}
