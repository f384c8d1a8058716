/** `wemu standalone`: makes one executable of the emulator for a guest, which needs no other file, as in a chroot. */

import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { BunPlugin } from 'bun';
import { ENGINE_SETTINGS } from '../host/engine-settings.ts';
import { UserError } from '../util/errors.ts';
import { PACKAGE_ROOT } from '../util/package-files.ts';
import { joinExecutable, type NamedFile } from './standalone-elf.ts';
import { wrapTopLevelLoops } from './wrap-loops.ts';

/** Files that are read while the emulator runs: the helper modules of guests, and the identity of the build. */
function embedded(): Record<string, string> {
  const files: Record<string, string> = {};
  const glob = new Bun.Glob('targets/*/helpers/*.wasm');
  for (const path of [...[...glob.scanSync({ cwd: PACKAGE_ROOT })].sort(), 'build/user-mode.id']) {
    files[path] = readFileSync(join(PACKAGE_ROOT, path)).toString('base64');
  }
  return files;
}

/** The executable of Bun with our code in it. */
async function compile(guest: string, output: string): Promise<void> {
  const unwrap: BunPlugin = {
    name: 'loops',
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => ({
        contents: wrapTopLevelLoops(readFileSync(path, 'utf8')),
        loader: 'ts',
      }));
    },
  };
  await Bun.build({
    entrypoints: [join(PACKAGE_ROOT, 'src/cli/user-mode.ts')],
    target: 'bun',
    format: 'cjs',
    bytecode: true,
    minify: { syntax: true, whitespace: false, identifiers: false },
    define: {
      WEMU_BUNDLED: 'true',
      WEMU_BUNDLE_FOLDER: '"/"',
      WEMU_STANDALONE: JSON.stringify(guest),
      WEMU_EMBEDDED: JSON.stringify(embedded()),
    },
    // Disassembly for -d in_asm comes from a package that loads files of its own.
    external: ['capstone-wasm'],
    plugins: [unwrap],
    // Settings of the current directory are the guest's business.
    compile: { outfile: output, autoloadDotenv: false, autoloadBunfig: false },
  });
}

const LIBRARY = /^\s+(\S+) => (\/\S+) \(/;
const LINKER = /^\s+(\/\S+) \(/;

/** The dynamic linker and libraries that this machine's own linker finds for a program. */
function findLibraries(program: string): { linker: NamedFile; libraries: NamedFile[] } {
  const listed = Bun.spawnSync(['ldd', program], { env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' } });
  let linker: NamedFile | undefined;
  const libraries: NamedFile[] = [];
  for (const line of listed.stdout.toString().split('\n')) {
    const library = LIBRARY.exec(line);
    const name = library?.[2] ?? LINKER.exec(line)?.[1];
    if (name === undefined) continue;
    const file = { name, bytes: new Uint8Array(readFileSync(name)) };
    if (library) libraries.push(file);
    else linker = file;
  }
  if (!linker || libraries.length === 0) throw new UserError('ldd does not tell which libraries the emulator needs');
  return { linker, libraries };
}

/** Writes the executable `output` for `guest`; about 115 MB. Throws UserError. */
export async function buildStandalone(guest: string, output: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'wemu-standalone-'));
  try {
    const compiled = join(folder, 'program');
    await compile(guest, compiled);
    const { linker, libraries } = findLibraries(compiled);
    const program = { name: output, bytes: new Uint8Array(readFileSync(compiled)) };
    const name = `WEMU_EXECUTABLE=${guest}`;
    // An odd number in all (standalone-start.ts): one may be there twice.
    const variables = [...ENGINE_SETTINGS, name, ...(ENGINE_SETTINGS.length % 2 === 0 ? [] : [name])];
    const joined = joinExecutable(program, linker, libraries, variables);
    // Written aside: the file may be in use.
    const partial = join(dirname(output), `.wemu-${process.pid}.partial`);
    try {
      writeFileSync(partial, joined);
      chmodSync(partial, 0o755);
      renameSync(partial, output);
    } catch (error) {
      rmSync(partial, { force: true });
      throw new UserError(`${output}: ${(error as Error).message}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
