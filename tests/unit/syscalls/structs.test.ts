/** Structure layouts are those the compilers of i386 and of the host compute from the C headers. */

import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { I386_ABI } from '../../../linux-user/abi/i386.ts';
import {
  convert,
  fieldOf,
  HOST_MODEL,
  type Layout,
  read64,
  readField,
  StructSet,
  write64,
  writeField,
} from '../../../linux-user/structs.ts';
import { COMMON_STRUCTS, HOST_STRUCTS } from '../../../linux-user/structs-table.ts';
import { testWith } from '../../setup/needs.ts';
import { oraclePath } from '../../setup/oracles.ts';

const guest = new StructSet(I386_ABI.model, [COMMON_STRUCTS, I386_ABI.structs]);
const host = new StructSet(HOST_MODEL, [COMMON_STRUCTS, HOST_STRUCTS]);

const scratch = mkdtempSync(join(tmpdir(), 'wemu-structs-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Structures by the headers that declare them (some cannot be included together): ours, and C's where it is another. */
const GROUPS: readonly { headers: string; structs: Record<string, string>; guestOnly?: boolean }[] = [
  {
    headers:
      'time.h sys/time.h sys/times.h utime.h sys/uio.h poll.h sys/epoll.h sys/resource.h sys/sysinfo.h sys/utsname.h sys/socket.h sys/timex.h mqueue.h sys/signalfd.h sys/ioctl.h net/if.h sys/sem.h sched.h',
    structs: {
      timespec: 'struct timespec',
      timeval: 'struct timeval',
      itimerval: 'struct itimerval',
      itimerspec: 'struct itimerspec',
      utimbuf: 'struct utimbuf',
      tms: 'struct tms',
      iovec: 'struct iovec',
      pollfd: 'struct pollfd',
      epoll_event: 'struct epoll_event',
      rlimit: 'struct rlimit',
      rlimit64: 'struct rlimit64',
      rusage: 'struct rusage',
      sysinfo: 'struct sysinfo',
      utsname: 'struct utsname',
      msghdr: 'struct msghdr',
      mmsghdr: 'struct mmsghdr',
      linger: 'struct linger',
      ucred: 'struct ucred',
      timex: 'struct timex',
      mq_attr: 'struct mq_attr',
      signalfd_siginfo: 'struct signalfd_siginfo',
      winsize: 'struct winsize',
      ifreq: 'struct ifreq',
      sembuf: 'struct sembuf',
      sched_param: 'struct sched_param',
      sockaddr: 'struct sockaddr',
    },
  },
  {
    headers: 'fcntl.h',
    structs: { flock: 'struct flock', f_owner_ex: 'struct f_owner_ex' },
  },
  {
    headers: 'asm/stat.h',
    structs: { stat: 'struct stat' },
  },
  {
    headers: 'asm/stat.h asm/statfs.h asm/ldt.h linux/time.h',
    structs: {
      stat64: 'struct stat64',
      old_stat: 'struct __old_kernel_stat',
      statfs: 'struct statfs',
      statfs64: 'struct statfs64',
      user_desc: 'struct user_desc',
    },
    guestOnly: true,
  },
  {
    headers:
      'asm/termbits.h linux/openat2.h linux/futex.h linux/capability.h linux/time_types.h linux/mount.h linux/stat.h linux/sched.h linux/sched/types.h linux/timex.h linux/utsname.h',
    structs: {
      termios: 'struct termios',
      termios2: 'struct termios2',
      open_how: 'struct open_how',
      robust_list_head: 'struct robust_list_head',
      futex_waitv: 'struct futex_waitv',
      cap_header: 'struct __user_cap_header_struct',
      cap_data: 'struct __user_cap_data_struct',
      timespec64: 'struct __kernel_timespec',
      itimerspec64: 'struct __kernel_itimerspec',
      mount_attr: 'struct mount_attr',
      statx: 'struct statx',
      statx_timestamp: 'struct statx_timestamp',
      clone_args: 'struct clone_args',
      sched_attr: 'struct sched_attr',
      timex64: 'struct __kernel_timex',
      oldutsname: 'struct old_utsname',
      oldold_utsname: 'struct oldold_utsname',
    },
  },
  {
    headers: 'asm/msgbuf.h asm/sembuf.h asm/shmbuf.h',
    structs: {
      msqid_ds: 'struct msqid64_ds',
      semid_ds: 'struct semid64_ds',
      shmid_ds: 'struct shmid64_ds',
      shminfo: 'struct shminfo64',
    },
    guestOnly: true,
  },
];

/** Members that carry another name, or none, in C's headers. */
const RENAMED: Record<string, string | null> = {
  'old_stat.st_blksize': null,
  'stat64.st_ino_low': '__st_ino',
  'user_desc.flags': null,
  'timex64.time_sec': 'time.tv_sec',
  'timex64.time_usec': 'time.tv_usec',
  'ifreq.ifr_name': 'ifr_ifrn.ifrn_name',
  'robust_list_head.next': 'list',
};

/** The members worth asking C about: no padding, no parts C has no name for. */
function members(layout: Layout): string[] {
  return layout.fields
    .map((field) => field.name)
    .filter((name) => !/^(pad|spare|reserved|unused|rest|data|f$|waste)/.test(name.replace(/^.*\./, '')))
    .filter((name) => !/^(sa_data|msg_perm|sem_perm|shm_perm)/.test(name) && !name.endsWith('reserved'))
    .filter((name) => RENAMED[`${layout.name}.${name}`] !== null);
}

function check(compiler: string, set: StructSet, group: (typeof GROUPS)[number], name: string): void {
  const lines = Object.entries(group.structs).flatMap(([ours, c]) => [
    `printf("${ours} %zu\\n", sizeof(${c}));`,
    ...members(set.layout(ours)).map((member) => {
      const inC = RENAMED[`${ours}.${member}`] ?? member;
      return `printf("${ours}.${member} %zu\\n", offsetof(${c}, ${inC}));`;
    }),
  ]);
  const includes = group.headers.split(' ').map((header) => `#include <${header}>`);
  const source = join(scratch, `${name}.c`);
  const program = join(scratch, name);
  const text = [
    '#define _GNU_SOURCE',
    '#include <stdio.h>',
    '#include <stddef.h>',
    ...includes,
    'int main() {',
    ...lines,
    '}',
  ];
  writeFileSync(source, text.join('\n'));
  const built = Bun.spawnSync([compiler, '-static', '-o', program, source]);
  if (!built.success) throw new Error(String(built.stderr));
  const expected = String(Bun.spawnSync([program]).stdout)
    .trim()
    .split('\n');
  const actual = Object.keys(group.structs).flatMap((ours) => {
    const layout = set.layout(ours);
    const places = members(layout).map((member) => {
      return `${ours}.${member} ${layout.fields.find((field) => field.name === member)!.offset}`;
    });
    return [`${ours} ${layout.size}`, ...places];
  });
  expect(actual).toEqual(expected);
}

const hostCompiler = Bun.which('gcc');
GROUPS.forEach((group, i) => {
  const what = Object.keys(group.structs)[0]!;
  testWith(['gcc-i386'], `i386 layouts: ${what} and others`, () =>
    check(oraclePath('gcc-i386')!, guest, group, `i${i}`),
  );
  if (group.guestOnly) return;
  testWith([{ met: hostCompiler !== null, reason: 'no gcc' }], `host layouts: ${what} and others`, () =>
    check(hostCompiler!, host, group, `h${i}`),
  );
});

describe('conversion', () => {
  const buffer = new DataView(new ArrayBuffer(512));

  test('matches members by name, widens with the sign, clears padding', () => {
    const from = guest.layout('timespec');
    const to = host.layout('timespec');
    buffer.setInt32(0, -5, true);
    buffer.setInt32(4, 7, true);
    buffer.setUint8(300, 0xff);
    expect(convert(from, buffer, 0, to, buffer, 100)).toBe(true);
    expect([read64(buffer, 100, true, true), read64(buffer, 108, true, true)]).toEqual([-5, 7]);
  });

  test('refuses a checked member that does not fit', () => {
    const from = host.layout('flock');
    const to = guest.layout('flock');
    const { offset } = fieldOf(from, 'l_start');
    for (const [value, fits] of [
      [0x7fffffff, true],
      [0x80000000, false],
      [-0x80000000, true],
      [-0x80000001, false],
    ] as const) {
      write64(buffer, offset, value, true);
      write64(buffer, offset + 8, 0, true);
      buffer.setUint8(100, 0xee);
      expect([value, convert(from, buffer, 0, to, buffer, 100)]).toEqual([value, fits]);
      // Nothing is stored when one member does not fit.
      expect(buffer.getUint8(100) === 0xee).toBe(!fits);
    }
  });

  test('swaps bytes for a big-endian model, in both directions', () => {
    const big = new StructSet({ bigEndian: true, longSize: 4, align64: 8 }, [COMMON_STRUCTS]);
    const from = host.layout('flock64');
    const to = big.layout('flock64');
    expect(to.size).toBe(32);
    write64(buffer, 8, 0x123456789a, true);
    expect(convert(from, buffer, 0, to, buffer, 100)).toBe(true);
    expect(buffer.getBigInt64(108, false)).toBe(0x123456789an);
    expect(convert(to, buffer, 100, from, buffer, 200)).toBe(true);
    expect(read64(buffer, 208, true, true)).toBe(0x123456789a);
  });

  test('reads back what it writes, for every member of every structure', () => {
    for (const set of [guest, host]) {
      for (const name of Object.keys(COMMON_STRUCTS)) {
        const layout = set.layout(name);
        for (const field of layout.fields) {
          // (Of nanoseconds beside a 64-bit time only the lower half is read where longs have four bytes.)
          const value = field.lowOnly ? 999_999_999 : field.signed ? -2 : 3;
          writeField(layout, buffer, 0, field, value, field.count - 1);
          expect([name, field.name, readField(layout, buffer, 0, field, field.count - 1)]).toEqual([
            name,
            field.name,
            value,
          ]);
        }
      }
    }
  });
});

test('numbers of 64 bits keep their low and high halves', () => {
  const view = new DataView(new ArrayBuffer(8));
  for (const little of [true, false]) {
    for (const value of [0, 1, -1, 2 ** 32, -(2 ** 32), 2 ** 52 + 1, -(2 ** 40) - 3]) {
      write64(view, 0, value, little);
      expect(view.getBigInt64(0, little)).toBe(BigInt(value));
      expect(read64(view, 0, true, little)).toBe(value);
    }
  }
});
