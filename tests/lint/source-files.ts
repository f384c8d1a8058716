/** What the lint tests share: the repository's files and the imports between them. */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dir, '../..');

/** Files of the repository, tracked or about to be, as paths relative to its top; ignored ones are left out. */
export function repositoryFiles(): string[] {
  if (!existsSync(join(ROOT, '.git'))) {
    const all = new Bun.Glob('**/*').scanSync({ cwd: ROOT, dot: true });
    return [...all].filter((file) => !/(^|\/)node_modules\/|^build\//.test(file)).sort();
  }
  const git = Bun.spawnSync(['git', 'ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: ROOT });
  if (git.exitCode !== 0) throw new Error(`git ls-files: ${git.stderr}`);
  const files = git.stdout.toString().split('\0').filter(Boolean).sort();
  // Deleted but not yet committed files are still listed.
  return files.filter((file) => Bun.file(join(ROOT, file)).size > 0);
}

/** The folders that hold source code. */
export const SOURCE_FOLDERS = ['src', 'tcg', 'targets', 'linux-user', 'tests'] as const;

/** TypeScript files in the source folders. */
export function sourceFiles(): string[] {
  return repositoryFiles().filter((f) => f.endsWith('.ts') && SOURCE_FOLDERS.some((dir) => f.startsWith(`${dir}/`)));
}

export function readSource(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

export interface Import {
  readonly from: string;
  /** The imported file, relative to the top. */
  readonly to: string;
  /** True when only types cross: `import type`, `export type`. */
  readonly typeOnly: boolean;
}

/** Without comments, so that an import shown in one is not taken for real. Strings stay. */
function stripComments(text: string): string {
  return text.replace(/'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, (part) =>
    part.startsWith('/') ? ' ' : part,
  );
}

const IMPORT_FORMS = [
  /^\s*(?:import|export)\s+(type\s)?[^'";]*?\bfrom\s*['"](\.[^'"]+)['"]/gm,
  /^\s*import\s+()['"](\.[^'"]+)['"]/gm,
  /\bimport\(\s*()['"](\.[^'"]+)['"]/g,
  /\bnew\s+URL\(\s*()['"](\.[^'"]+\.ts)['"]\s*,\s*import\.meta\.url/g,
] as const;

/** The imports of other repository files in one file: static, type-only, dynamic, and Worker addresses. */
export function importsOf(file: string, text = readSource(file)): Import[] {
  const code = stripComments(text);
  const found: Import[] = [];
  for (const form of IMPORT_FORMS) {
    for (const [, typeWord, specifier] of code.matchAll(form)) {
      const to = relative(ROOT, resolve(ROOT, dirname(file), specifier!));
      found.push({ from: file, to, typeOnly: Boolean(typeWord) });
    }
  }
  return found;
}
