// A program that starts threads is told that there can be no more, once by name with -d unimp, and nothing is damaged.

import { afterAll, beforeAll, expect } from 'bun:test';
import { TEST_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';
import { makeWorkDirectory, removeWorkDirectory, runWemu, TREE } from '../debian-run.ts';

let directory = '';
beforeAll(() => {
  directory = makeWorkDirectory(TREE);
});
afterAll(() => removeWorkDirectory(directory));

const SCRIPT = `
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git -c init.defaultBranch=main init -q repository && cd repository || exit
for i in 1 2; do echo "line $i" >>file; git add file; git commit -q -m "commit $i"; done
git -c pack.threads=2 gc -q; echo "gc: $?"
git fsck --strict; echo "fsck: $?"
git -c pack.threads=1 gc -q; echo "gc without threads: $?"
`;

testWith(
  ['guest-i386'],
  'git gc with threads',
  async () => {
    const run = await runWemu({ program: '/bin/sh', args: ['-c', SCRIPT] }, directory, ['-d', 'unimp']);
    // What git says where pthread_create fails: it dies then, on any system.
    expect(run).toEqual({
      stdout: 'gc: 128\nfsck: 0\ngc without threads: 0\n',
      stderr:
        'unimplemented: threads (clone with CLONE_THREAD)\n' +
        'fatal: unable to create thread: Resource temporarily unavailable\nfatal: failed to run repack\n',
      end: '0',
    });
  },
  TEST_LIMIT,
);
