// Where the files of this package are, from its source and from the bundles of `npm run build` alike.
import { join } from 'node:path';

// Defined by src/tools/build.ts, in bundles only: that it is one, and its folder, which is `build` of the package.
declare const WEMU_BUNDLED: true | undefined;
declare const WEMU_BUNDLE_FOLDER: string;

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
