/** What the test set-up needs from Debian's package tools: installing host packages, unpacking foreign ones aside. */

import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** Thrown with the reason (one line, lower case) why something cannot be fetched or installed here. */
export class SetupError extends Error {}

/** Runs a command to its end; returns its output. Throws SetupError with the last line it printed. */
function run(argv: string[], cwd?: string): string {
  const result = Bun.spawnSync(argv, {
    cwd,
    stdin: 'ignore',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
  });
  const output = result.stdout.toString();
  if (result.exitCode === 0) return output;
  const lines = `${output}\n${result.stderr}`.trim().split('\n');
  const said = lines.filter((line) => /^(E:|Err:|error)/i.test(line)).pop() ?? lines.pop() ?? '';
  throw new SetupError(`${argv[0]} failed (${result.exitCode ?? result.signalCode}): ${said.trim()}`);
}

/** The code name of this Debian release, 'bookworm'. Throws SetupError elsewhere: other package names differ. */
export function debianRelease(): string {
  const text = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(text)?.[1];
  const codename = field('VERSION_CODENAME');
  if (field('ID') !== 'debian' || !codename) throw new SetupError('this is not a Debian system');
  for (const tool of ['apt-get', 'dpkg']) if (!Bun.which(tool)) throw new SetupError(`${tool} is missing`);
  return codename;
}

/** Seconds to wait for another run of apt or dpkg, and how often a download is tried. */
const PATIENT = ['-o', 'DPkg::Lock::Timeout=600', '-o', 'Acquire::Retries=5'];

/** Installs packages of the host's own architecture. Throws SetupError when not root, not Debian, or without network. */
export function installHostPackages(packages: readonly string[]): void {
  debianRelease();
  if (process.getuid?.() !== 0) throw new SetupError('only root can install packages');
  // Only the host's own indexes: those of added architectures may be out of step and would fail the update.
  const native = ['-o', `APT::Architectures=${run(['dpkg', '--print-architecture']).trim()}`, ...PATIENT];
  try {
    run(['apt-get', 'update', '-qq', ...native]);
  } catch {
    // Lists from an earlier update may do; if not, the installation says what is missing.
  }
  run(['apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...PATIENT, ...packages]);
}

/**
 * The source line for the release's main archive on the mirror this machine uses. Updates and security are left out:
 * their indexes for foreign architectures are not reliable on every mirror.
 */
function sourceLine(release: string): string {
  const targets = run([
    'apt-get',
    'indextargets',
    '--format',
    '$(SITE) $(RELEASE) $(COMPONENT)',
    'Created-By: Packages',
  ]);
  const site = targets
    .split('\n')
    .map((line) => line.split(' '))
    .find(([, suite, component]) => (suite === release || suite === 'stable') && component === 'main')?.[0];
  if (!site) throw new SetupError(`apt has no source for ${release} main`);
  const keys = '/usr/share/keyrings/debian-archive-keyring.gpg';
  return `deb ${existsSync(keys) ? `[signed-by=${keys}] ` : ''}${site} ${release} main\n`;
}

/** Options that give apt a state of its own below `dir`, for one architecture, with nothing installed. */
function privateAptOptions(dir: string, arch: string): string[] {
  const options = {
    'APT::Architecture': arch,
    'APT::Architectures': arch,
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '5',
    'Debug::NoLocking': '1',
    'Dir::State': join(dir, 'state'),
    'Dir::State::lists': join(dir, 'state/lists'),
    'Dir::State::status': join(dir, 'status'),
    'Dir::Cache': join(dir, 'cache'),
    'Dir::Etc::sourcelist': join(dir, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Dir::Etc::preferences': '-',
    'Dir::Etc::preferencesparts': '-',
  };
  return Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

/** Points absolute symbolic links of an unpacked tree at the same place inside the tree. */
export function makeLinksRelative(root: string, dir = root): void {
  for (const name of readdirSync(dir)) {
    const path = join(dir, name);
    const kind = lstatSync(path);
    if (kind.isDirectory()) makeLinksRelative(root, path);
    if (!kind.isSymbolicLink()) continue;
    const aim = readlinkSync(path);
    if (!aim.startsWith('/') || aim.startsWith('/proc/') || aim.startsWith('/dev/')) continue;
    unlinkSync(path);
    symlinkSync(relative(dirname(path), join(root, aim)) || '.', path);
  }
}

/** Those of `packages` that are not unpacked below `root`. Every Debian package owns a folder of its name in usr/share/doc. */
export function missingPackages(root: string, packages: readonly string[]): string[] {
  return packages.filter((name) => !lstatSync(join(root, 'usr/share/doc', name), { throwIfNoEntry: false }));
}

/**
 * Fetches packages of any architecture with everything they depend on and unpacks them below `root`. Nothing is
 * installed and no script of a package runs. `aptDir` keeps apt's state and the packages. Throws SetupError.
 */
export function unpackForeignPackages(arch: string, packages: readonly string[], root: string, aptDir: string): void {
  const release = debianRelease();
  for (const dir of ['state/lists/partial', 'cache/archives/partial'])
    mkdirSync(join(aptDir, dir), { recursive: true });
  writeFileSync(join(aptDir, 'status'), '');
  writeFileSync(join(aptDir, 'sources.list'), sourceLine(release));
  const options = privateAptOptions(aptDir, arch);
  // Without the option a failed download is only a warning, and the installation below would blame the packages.
  run(['apt-get', ...options, '-o', 'APT::Update::Error-Mode=any', 'update', '-qq']);
  run(['apt-get', ...options, 'install', '-y', '-qq', '--download-only', '--no-install-recommends', ...packages]);
  mkdirSync(root, { recursive: true });
  const archives = join(aptDir, 'cache/archives');
  for (const file of readdirSync(archives).sort()) {
    if (file.endsWith('.deb')) run(['dpkg', '-x', join(archives, file), root]);
  }
  makeLinksRelative(root);
}
