/** Runs python's own test suites, i386's natively and a guest's under wemu, in chroots that do not differ, case by case. */

import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildStandalone } from '../../../src/tools/build-standalone.ts';
import { type GuestPrograms, I386, TREE } from '../debian-run.ts';

/**
 * What happens in namespaces of its own (mounts, processes, network, IPC, host name): a tmpfs with a copy-on-write overlay of
 * the tree gets the files and devices that a system has, then the suite runs in a chroot there.
 */
const ENTER = `
set -e
base=$1; shift
mount -t tmpfs none "$base"; mkdir "$base/up" "$base/work" "$base/root"
mount -t overlay overlay -o "lowerdir=$COMPILED:$TREE,upperdir=$base/up,workdir=$base/work" "$base/root"
cd "$base/root"
mkdir -p proc sys dev/pts dev/shm dev/mqueue tmp root user
mount -t proc proc proc; mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 none dev; mkdir dev/pts dev/shm dev/mqueue
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts dev/pts; mount -t tmpfs -o mode=1777 none dev/shm
mount -t mqueue mqueue dev/mqueue
for node in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "dev/\${node%:*}" c 1 "\${node#*:}"; done
mknod -m 666 dev/tty c 5 0
ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin; ln -s /proc/self/fd/1 dev/stdout; ln -s /proc/self/fd/2 dev/stderr
printf 'root:x:0:0:root:/root:/bin/bash\\nuser:x:1000:1000:user:/user:/bin/bash\\nnobody:x:65534:65534:nobody:/:/bin/false\\n' >etc/passwd
printf 'root:x:0:\\nadm:x:4:user\\ntty:x:5:\\nuser:x:1000:\\nnogroup:x:65534:\\n' >etc/group
printf '127.0.0.1 localhost guest\\n::1 localhost ip6-localhost\\n' >etc/hosts
printf 'guest\\n' >etc/hostname; : >etc/resolv.conf
printf 'passwd: files\\ngroup: files\\nhosts: files\\nservices: files\\nprotocols: files\\n' >etc/nsswitch.conf
hostname guest; ip link set lo up
mount -t tmpfs -o mode=1777 none tmp; mkdir tmp/suite; mount --bind "$base.shared" tmp/suite
if [ -n "$EMULATOR" ]; then
  : >wemu-guest; mount --bind "$EMULATOR" wemu-guest; mkdir translations; mount --bind "$TRANSLATIONS" translations
  emulator='/wemu-guest -translations /translations'
fi
ulimit -n 1024; ulimit -c 0
env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TZ=UTC0 HOME=/root TERM=dumb $SETTINGS \\
  chroot . \${emulator:-} /usr/bin/python3.11 "$@" || status=$?
if [ -n "$SAVE" ]; then (cd "$base/up" && cp -a --parents usr/lib/python3* "$COMPILED"); fi
exit "\${status:-0}"
`;

/** What several runs share: a directory made by `prepareSuites`, to be removed by whoever asked for it. */
export interface Suites {
  /** The standalone emulator, and the tree of the guest's packages. */
  readonly emulator: string;
  readonly tree: string;
  /** Byte code of python's modules, in the way of a tree, so that it is not compiled each time. */
  readonly compiled: string;
  /** Stored translations. */
  readonly translations: string;
}

/** The test modules. */
export const MODULES = [
  'test_select',
  'test_pty',
  'test_posix',
  'test_os',
  'test_signal',
  'test_subprocess',
  'test_socket',
];

/** One run of a suite. */
export interface SuiteOptions {
  readonly suites: Suites;
  /** Under wemu; else on the host CPU. */
  readonly emulated: boolean;
  /** On the host CPU: starting a thread fails there as it does under wemu. */
  readonly withoutThreads?: boolean;
  /** test_socket: clients are processes instead of threads. */
  readonly forks?: boolean;
  /** Patterns (fnmatch) of cases to run, all when empty, and to leave out. */
  readonly only?: readonly string[];
  readonly without?: readonly string[];
  readonly timeoutSeconds?: number;
}

/** What a case gave: ok, skipped, FAIL, ERROR and so on, and the reason. */
export interface Outcome {
  readonly outcome: string;
  readonly text: string;
  readonly cpuSeconds: number;
}

export interface SuiteRun {
  readonly cases: Map<string, Outcome>;
  /** What the run printed, which is no result, for whoever looks for a fault. */
  readonly output: string;
  readonly cpuSeconds: number;
}

/** Builds a guest's emulator in `directory`, and has python compile the modules that the suites use, which is the same for all. */
export async function prepareSuites(directory: string, { guest, tree }: GuestPrograms = I386): Promise<Suites> {
  const suites = {
    emulator: join(directory, `wemu-${guest}`),
    tree,
    compiled: join(directory, 'compiled'),
    translations: join(directory, 'translations'),
  };
  mkdirSync(suites.compiled);
  mkdirSync(suites.translations);
  await buildStandalone(guest, suites.emulator);
  const imports = MODULES.map((name) => `test.${name}`).join(', ');
  const script = `import ${imports}\nimport pickle, difflib, encodings.idna, encodings.latin_1, encodings.ascii`;
  await runPython(suites, ['-c', script], { save: true });
  return suites;
}

/** Runs a test module such as `test_os`. */
export async function runSuite(module: string, options: SuiteOptions): Promise<SuiteRun> {
  const patterns = [
    ...(options.only ?? []).flatMap((pattern) => ['-m', pattern]),
    ...(options.without ?? []).flatMap((pattern) => ['-i', pattern]),
  ];
  const { results, ...run } = await runPython(
    options.suites,
    ['/tmp/suite/suite.py', module, '/tmp/suite/results', ...patterns],
    options,
  );
  return { cases: parseResults(results), ...run };
}

/** Runs python in a chroot that is made for it. */
async function runPython(
  { emulator, tree, compiled, translations }: Suites,
  args: readonly string[],
  options: { emulated?: boolean; save?: boolean; withoutThreads?: boolean; forks?: boolean; timeoutSeconds?: number },
) {
  const base = mkdtempSync(join(tmpdir(), 'wemu-python-'));
  const shared = `${base}.shared`;
  try {
    mkdirSync(shared);
    copyFileSync(join(import.meta.dir, 'suite.py'), join(shared, 'suite.py'));
    const enter = ['unshare', '--mount', '--pid', '--net', '--ipc', '--uts', '--fork', '--kill-child'];
    const child = Bun.spawn([...enter, 'bash', '-c', ENTER, 'enter', base, ...args], {
      stdin: 'ignore',
      stdout: Bun.file(join(shared, 'output')),
      stderr: Bun.file(join(shared, 'errors')),
      env: {
        PATH: process.env['PATH']!,
        TREE: options.emulated ? tree : TREE,
        COMPILED: compiled,
        SAVE: options.save ? 'yes' : '',
        EMULATOR: options.emulated ? emulator : '',
        TRANSLATIONS: translations,
        SETTINGS: [options.withoutThreads ? 'SUITE_WITHOUT_THREADS=1' : '', options.forks ? 'SUITE_FORKS=1' : ''].join(
          ' ',
        ),
      },
      timeout: (options.timeoutSeconds ?? 300) * 1000,
      killSignal: 'SIGKILL',
    });
    await child.exited;
    const text = (name: string): string => {
      const path = join(shared, name);
      return existsSync(path) ? readFileSync(path, 'utf8') : '';
    };
    const cpuSeconds = Number(child.resourceUsage()!.cpuTime.total) / 1e6;
    return { results: text('results'), output: text('output') + text('errors'), cpuSeconds };
  } finally {
    rmSync(base, { recursive: true, force: true });
    rmSync(shared, { recursive: true, force: true });
  }
}

/** The outcomes by name of case. A case that never ended is there with `begun`; so is the whole, as `end`. */
export function parseResults(text: string): Map<string, Outcome> {
  const cases = new Map<string, Outcome>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [name, outcome, text = '', seconds = '0'] = line.split('\t') as [string, string, string?, string?];
    cases.set(name, { outcome, text, cpuSeconds: Number(seconds) });
  }
  if (!cases.has('end')) cases.set('end', { outcome: 'missing', text: 'the run was given up or died', cpuSeconds: 0 });
  return cases;
}
