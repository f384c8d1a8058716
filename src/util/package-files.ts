// Where the files of this package are, from its source and from the bundles of `npm run build` alike.
import { join } from 'node:path';
import { readWholeFile } from './read-file.ts';

// Defined by src/tools/build.ts, in bundles only: that it is one, and the folder it is in, which is `build` of the package.
declare const WEMU_BUNDLED: true | undefined;
declare const WEMU_BUNDLE_FOLDER: string;
// Defined by src/tools/build-standalone.ts: what a single file brings along, by name, as base64.
declare const WEMU_EMBEDDED: Readonly<Record<string, string>> | undefined;

/**
 * The package's top folder. Other files must not ask for their own folder (`import.meta.dir`): in a bundle that would be the
 * place they had on the machine that made it.
 */
export const PACKAGE_ROOT =
  typeof WEMU_BUNDLED === 'undefined' ? join(import.meta.dir, '../..') : join(WEMU_BUNDLE_FOLDER, '..');

/** The absolute path of a file of the package, named from its top folder. */
export function packageFile(path: string): string {
  return join(PACKAGE_ROOT, path);
}

/** The contents of a file of the package, named from its top folder. Throws when there is none. */
export function readPackageFile(path: string): Uint8Array<ArrayBuffer> {
  if (typeof WEMU_EMBEDDED === 'undefined') return readWholeFile(packageFile(path));
  const text = WEMU_EMBEDDED[path];
  if (text === undefined) throw new Error(`${path} is not part of this executable`);
  return Uint8Array.from(Buffer.from(text, 'base64'));
}
