// Compiles guests' helpers to WebAssembly: runs the build-*.ts scripts beside them, those whose sources have changed.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dir, '../..');

/** Paths (relative to the repository) of all helper build scripts, sorted; a guest without compiled helpers has none. */
export function helperBuildScripts(): string[] {
  const glob = new Bun.Glob('targets/*/helpers/build-*.ts');
  return [...glob.scanSync({ cwd: root })].sort();
}

/** A hash of everything the script may read: its guest's helpers and tables, what guests share, softfloat, the compiler. */
function inputHash(script: string): string {
  const helpers = dirname(script);
  const patterns = [`${helpers}/**/*.ts`, `${dirname(helpers)}/*.ts`, 'targets/*.ts', 'src/softfloat/**/*.ts'];
  const files = patterns.flatMap((pattern) => [...new Bun.Glob(pattern).scanSync({ cwd: root })]);
  let hash = 0n;
  for (const file of ['package-lock.json', ...files.sort()]) {
    hash = Bun.hash(`${file}\0${readFileSync(join(root, file), 'latin1')}`, hash);
  }
  return hash.toString(16);
}

/** Runs one script unless its module is there and was made from the same. Throws when it fails. */
async function buildHelper(script: string): Promise<void> {
  const name = basename(script).replace(/^build-(.*)\.ts$/, '$1');
  const module = join(root, dirname(script), `${name}.wasm`);
  const note = join(root, 'build/helpers', `${script.replaceAll('/', '-')}.hash`);
  const hash = inputHash(script);
  if (existsSync(module) && existsSync(note) && readFileSync(note, 'latin1') === hash) return;
  const run = Bun.spawn([process.execPath, join(root, script)], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if ((await run.exited) !== 0)
    throw new Error(`${script} failed with ${run.signalCode ?? `exit code ${run.exitCode}`}`);
  mkdirSync(dirname(note), { recursive: true });
  writeFileSync(note, hash);
}

/** Builds all helpers, as many at a time as there are processors. Throws when one fails. */
export async function buildHelpers(): Promise<void> {
  const scripts = helperBuildScripts();
  const worker = async () => {
    for (let script = scripts.shift(); script !== undefined; script = scripts.shift()) await buildHelper(script);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}
