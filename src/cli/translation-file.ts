// Where a program's translations are kept between runs, and when they are not.
import { realpathSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import type { CodeCache } from '../exec/code-cache.ts';
import { type CpuOptions, DEFAULT_OPTIONS } from '../exec/options.ts';
import { MAX_FILE_BYTES, type StoredTranslations, SUFFIX } from '../exec/stored-translations.ts';
import { HostBuffer, SYS, sys4 } from '../host/syscall.ts';
import { readPackageFile } from '../util/package-files.ts';
import { withStandardTaken } from '../util/read-file.ts';
import type { UserOptions } from './user-options.ts';

const RLIMIT_FSIZE = 1;

/** Keeps what this run has translated, unless writing a file could end the process before its time (SIGXFSZ). */
export function saveTranslations(store: StoredTranslations, cache: CodeCache): void {
  const { view, address } = new HostBuffer(16);
  const limited = sys4(SYS.prlimit64, 0, RLIMIT_FSIZE, 0, address) !== 0 || view.getBigUint64(0, true) < MAX_FILE_BYTES;
  if (!limited) store.save(cache);
}

/** What `npm run build` says of the bundle: another build translates differently. Running from source has no such name. */
function buildId(): string | null {
  try {
    return Buffer.from(readPackageFile('build/user-mode.id')).toString('latin1').trim();
  } catch {
    return null;
  }
}

// Defined by src/tools/build.ts in bundles.
declare const WEMU_BUNDLED: true | undefined;

/** The directory from `-translations`, else below the user's cache directory; null: nowhere. */
function directory(options: UserOptions, environment: Readonly<Record<string, string>>): string | null {
  if (options.translations === 'off') return null;
  if (options.translations !== null) return resolve(options.translations);
  const { XDG_CACHE_HOME: cache, HOME: home } = environment;
  if (cache && isAbsolute(cache)) return join(cache, 'wemu/translations');
  return home && isAbsolute(home) ? join(home, '.cache/wemu/translations') : null;
}

/**
 * Where the translations of `file` are kept, whether there are any or not, and what they must have been made for. Null when
 * none are kept: switched off, run from source, or with switches that change how code is run.
 */
export function findTranslations(
  guest: string,
  file: string,
  options: UserOptions,
  switches: CpuOptions,
  environment: Readonly<Record<string, string>>,
): { path: string; identity: string } | null {
  if (typeof WEMU_BUNDLED === 'undefined') return null;
  const usual = options.disable.length === 0 && switches.log === null && switches.engine === DEFAULT_OPTIONS.engine;
  if (!usual || switches.maxInsns !== DEFAULT_OPTIONS.maxInsns || !switches.regions) return null;
  const folder = directory(options, environment);
  const build = folder === null ? null : buildId();
  if (folder === null || build === null) return null;
  let program = resolve(file);
  try {
    program = withStandardTaken(() => realpathSync(program));
  } catch {
    // Loading it will say what is wrong.
  }
  // Whatever moves code belongs to the name: with other addresses there is nothing to find. Another build replaces the file.
  const { cpu, prefix, stackSize, guestBase, reservedVa } = options;
  const name = JSON.stringify([guest, cpu, prefix, stackSize, guestBase, reservedVa, program]);
  const path = join(folder, `${Bun.hash(name).toString(16).padStart(16, '0')}${SUFFIX}`);
  return { path, identity: `${build} ${name}` };
}
