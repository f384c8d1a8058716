/**
 * Python's own tests of processes, signals, files, sockets and terminals end under wemu as on the host CPU, case by case, in
 * chroots that do not differ. A normal run leaves out what costs most; WEMU_ALL_CASES=1 runs the suites whole.
 *
 * Threads cannot be started under wemu. The other side is put in the same position: a seccomp filter has clone fail there as
 * it does here, and cases that need threads must fail in the same way. Socket tests, whose clients are threads, also run with
 * processes in their place.
 */

import { afterAll, beforeAll, describe, expect } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeUnavailable } from '../../oracle/runner.ts';
import { type GuestTree, guestTreePath } from '../../setup/guests.ts';
import { TEST_LIMIT } from '../../setup/limits.ts';
import { type Need, testWith, unmetReason } from '../../setup/needs.ts';
import { makeWorkDirectory, removeWorkDirectory, runWemu } from '../debian-run.ts';
import { prepareSuites, runSuite, type SuiteOptions, type SuiteRun, type Suites } from './python-run.ts';

const ALL = Boolean(process.env['WEMU_ALL_CASES']);

interface Suite {
  readonly module: string;
  readonly forks?: boolean;
  /** Left out in every run, with the reason. */
  readonly never?: Readonly<Record<string, string>>;
  /** Patterns that a normal run is limited to, and what it leaves out of these: what starts a python for each case. */
  readonly usually?: readonly string[];
  readonly rarely?: readonly string[];
}

const SUITES: Readonly<Record<string, Suite>> = {
  select: { module: 'test_select' },
  pty: { module: 'test_pty' },
  posix: {
    module: 'test_posix',
    rarely: [
      ...['TestPosixSpawnP.*', 'TestPosixSpawn.test_[!cdo]*'],
      ...['PosixTester.test_register_at_fork', 'PosixTester.test_fexecve'],
    ],
  },
  os: {
    module: 'test_os',
    never: { 'TestSendfile.*': 'waits for ever for a thread that could not be started, natively too' },
    rarely: [
      'EnvironTests.*',
      'SpawnTests.test_spawn*',
      'ForkTests.*',
      'URandomTests.*',
      '*_many_open_files',
      '*_neg1',
    ],
  },
  signal: {
    module: 'test_signal',
    rarely: [
      'Wakeup*.*',
      'Siginterrupt*.*',
      'Stress*.*',
      '*.test_pthread_*',
      'PosixTests.test_interprocess_signal',
      '*.test_sig[twr]*',
    ],
  },
  socket: {
    module: 'test_socket',
    usually: ['General*.*', '*Cmsg*.*', 'Interrupted*.*', '*LinuxAbstract*.*', 'Test*.*'],
  },
  'socket with processes': {
    module: 'test_socket',
    forks: true,
    never: { '*FileObjectClassTestCase.*': 'some wait for what only a thread can tell' },
    usually: ['RecvmsgSCMRights*.testC*', 'NonBlocking*.*', 'BasicUDPTest.*', 'TCPTimeout*.*', 'SendmsgUnix*.*Tim*'],
  },
  subprocess: {
    module: 'test_subprocess',
    usually: [
      ...[
        'POSIXProcessTestCase.test_*close_fds*',
        'POSIXProcessTestCase.test_exception_*',
        '*.test_pass_fds_redirected',
      ],
      ...['POSIXProcessTestCase.test_restore_signals', 'POSIXProcessTestCase.test_start_new_session'],
      ...['ProcessTestCase.test_communicate_pipe_buf', 'ProcessTestCase.test_io_*', 'RunFuncTestCase.test_timeout'],
      ...['POSIXProcessTestCase.test_send_signal*', 'POSIXProcessTestCase.test_cloexec'],
    ],
  },
};

const NEEDS = [
  'guest-i386',
  { met: process.getuid?.() === 0, reason: 'only root can make namespaces and mounts' },
  { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' },
] as const;

const TIMEOUT = ALL ? 2 * TEST_LIMIT : TEST_LIMIT;

const scratch = mkdtempSync(join(tmpdir(), 'wemu-suites-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Guests, and which suites a normal run has of them: of ARM one, as the calls themselves are compared by programs in C. */
const GUESTS = [
  { arch: 'i386', guest: 'i386', usually: Object.keys(SUITES) },
  { arch: 'armhf', guest: 'arm', usually: ['os'] },
] as const satisfies readonly { arch: GuestTree; guest: string; usually: readonly string[] }[];

function outcomes({ cases, output }: SuiteRun): Record<string, string> {
  const seen = Object.fromEntries([...cases].map(([name, { outcome }]) => [name, outcome]));
  // What was printed says what went wrong when a suite does not come to its end.
  return seen['end'] === 'ended' ? seen : { ...seen, output: output.slice(-2000) };
}

/** Some cases sleep for a fixed time in which something has to happen, and load disturbs them: so often they are run again. */
const ATTEMPTS = 6;

function differing(a: SuiteRun, b: SuiteRun): string[] {
  return [...a.cases].filter(([name, { outcome }]) => b.cases.get(name)?.outcome !== outcome).map(([name]) => name);
}

async function runAgain(run: SuiteRun, module: string, options: SuiteOptions): Promise<void> {
  for (const [name, outcome] of (await runSuite(module, options)).cases) run.cases.set(name, outcome);
}

for (const { arch, guest, usually: usualSuites } of GUESTS) {
  const needs: readonly Need[] = [...NEEDS, `guest-${arch}`];
  describe(`python's own tests, ${arch}`, () => {
    let suites: Suites;
    beforeAll(async () => {
      if (needs.some((need) => unmetReason(need) !== undefined)) return;
      const directory = join(scratch, arch);
      mkdirSync(directory);
      suites = await prepareSuites(directory, { guest, tree: guestTreePath(arch) });
    }, TEST_LIMIT);

    for (const [name, { module, forks = false, never = {}, usually = [], rarely = [] }] of Object.entries(SUITES)) {
      if (!ALL && !(usualSuites as readonly string[]).includes(name)) continue;
      testWith(
        needs,
        name,
        async () => {
          const options = {
            suites,
            forks,
            only: ALL ? [] : usually,
            without: [...Object.keys(never), ...(ALL ? [] : rarely)],
            timeoutSeconds: TIMEOUT / 1000 - 10,
          };
          const native = await runSuite(module, { ...options, emulated: false, withoutThreads: true });
          expect(outcomes(native)['end']).toBe('ended');
          expect([...native.cases.values()].filter(({ outcome }) => outcome === 'ok').length).toBeGreaterThan(4);
          const wemu = await runSuite(module, { ...options, emulated: true });
          for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
            const only = differing(native, wemu);
            if (only.length === 0 || outcomes(wemu)['end'] !== 'ended') break;
            await runAgain(native, module, { ...options, only, emulated: false, withoutThreads: true });
            await runAgain(wemu, module, { ...options, only, emulated: true });
          }
          expect(outcomes(wemu)).toEqual(outcomes(native));
        },
        TIMEOUT,
      );
    }
  });
}

describe("threads in python's own tests", () => {
  testWith(['guest-i386'], 'a thread cannot be started, which is said once', async () => {
    const script = `
import threading
for n in range(3):
    try:
        threading.Thread(target=print).start()
    except RuntimeError as error:
        print(error)
`;
    const directory = makeWorkDirectory();
    try {
      const one = { program: '/usr/bin/python3.11', args: ['-I', '-c', script] };
      const run = await runWemu(one, directory, ['-d', 'unimp']);
      expect(run.stdout).toBe("can't start new thread\n".repeat(3));
      expect(run.stderr.match(/threads \(clone with CLONE_THREAD\)/g)).toHaveLength(1);
      expect(run.end).toBe('0');
    } finally {
      removeWorkDirectory(directory);
    }
  });
});
