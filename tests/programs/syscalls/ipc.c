// System V and POSIX queues, semaphores, shared memory, in both ways to call them.
#include "show.h"
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

/** The numbers of ipc(2). */
enum { SEMOP = 1, SEMCTL = 3, MSGSND = 11, MSGRCV, MSGCTL = 14, SHMAT = 21, SHMDT };

static volatile int value, code;
static void handler(int n, siginfo_t *info, void *context) {
  value = info->si_value.sival_int;
  code = info->si_code;
}

int main(void) {
  struct { long type; char text[20]; } m = {7, "seventh"}, r;
  int q = msgget(IPC_PRIVATE, 0600);
  C(SYS_ipc, MSGSND, q, 8, IPC_NOWAIT, &m);
  m.type = 3;
  C(SYS_msgsnd, q, &m, 4, 0);
  m.type = 0;
  C(SYS_msgsnd, q, &m, 4, 0);
  C(SYS_msgsnd, q, BAD, 4, 0);
  C(SYS_msgsnd, q, &m, -1, 0);
  m.type = 5;
  C(SYS_msgsnd, q, &m, 100000, IPC_NOWAIT);
  struct msqid_ds d;
  memset(&d, 0x33, sizeof d);
  C(SYS_msgctl, q, IPC_STAT, &d);
  printf("  %lu %lu %d %d %o %d\n", d.msg_qnum, d.msg_qbytes, d.msg_lspid == getpid(), d.msg_lrpid, d.msg_perm.mode, d.msg_perm.uid);
  printf("  %d %d %d\n", d.msg_stime > 1000000, (int)d.msg_rtime, d.msg_ctime > 1000000);
  d.msg_qbytes = 100;
  C(SYS_msgctl, q, IPC_SET, &d);
  memset(&d, 0, sizeof d);
  C(SYS_ipc, MSGCTL, q, IPC_STAT | 0x100, 0, &d);
  printf("  %lu\n", d.msg_qbytes);
  C(SYS_msgrcv, q, &r, 20, 3, 0);
  printf("  %ld %.4s\n", r.type, r.text);
  struct { void *message; long type; } kludge = {&r, 0};
  C(SYS_ipc, MSGRCV, q, 2, 0, &kludge);
  C(SYS_ipc, MSGRCV, q, 2, MSG_NOERROR, &kludge);
  printf("  %ld %.2s\n", r.type, r.text);
  C(SYS_msgrcv, q, &r, 20, -9, IPC_NOWAIT);
  C(SYS_msgrcv, q, &r, -1, 0, IPC_NOWAIT);
  C(SYS_msgctl, q, 77, 0);
  struct msginfo info;
  show_ok("MSG_INFO", SYS(SYS_msgctl, 0, MSG_INFO, &info));
  show_ok("IPC_INFO", SYS(SYS_msgctl, 0, IPC_INFO, &info));
  printf("  %d %d %d\n", info.msgmax, info.msgmnb, info.msgmni);
  C(SYS_msgctl, q, IPC_RMID, 0);
  C(SYS_msgctl, q, IPC_RMID, 0);

  int s = semget(IPC_PRIVATE, 3, 0600);
  unsigned short values[3] = {1, 2, 3};
  C(SYS_semctl, s, 0, SETALL, values);
  C(SYS_semctl, s, 1, SETVAL, 9);
  C(SYS_semctl, s, 1, SETVAL, 99999);
#ifndef WITHOUT_OLD_CALLS
  C(SYS_semctl, s, 1, GETVAL | 0x100, 0);
#endif
  C(SYS_shmctl, s, IPC_STAT | 0x100, 0);
  C(SYS_semctl, s, 1, GETVAL, 0);
  union { int value; void *pointer; } u = {5};
  C(SYS_ipc, SEMCTL, s, 2, SETVAL | 0x100, &u);
  memset(values, 0, 6);
  u.pointer = values;
  C(SYS_ipc, SEMCTL, s, 0, GETALL | 0x100, &u);
  printf("  %d %d %d\n", values[0], values[1], values[2]);
  struct sembuf ops[2] = {{0, -1, 0}, {1, 3, SEM_UNDO}};
  C(SYS_ipc, SEMOP, s, 2, 0, ops);
  C(SYS_semctl, s, 1, GETVAL, 0);
  int t[2] = {0, 1000000};
  long long t64[2] = {0, 1000000};
  C(SYS_ipc, 4, s, 1, 0, ops, t);
  C(SYS_semtimedop_time64, s, ops, 1, t64);
  t64[1] = 2000000000;
  C(SYS_semtimedop_time64, s, ops, 1, t64);
  ops[0].sem_flg = IPC_NOWAIT;
  C(SYS_semtimedop_time64, s, ops, 1, 0);
  ops[0].sem_num = 9;
  C(SYS_semtimedop_time64, s, ops, 1, 0);
  C(SYS_semtimedop_time64, s, ops, 0, 0);
  C(SYS_semtimedop_time64, s, ops, 10000, 0);
  C(SYS_semtimedop_time64, s, BAD, 1, 0);
  printf("%d\n", SYS(SYS_semctl, s, 0, GETPID, 0) == getpid());
  C(SYS_semctl, s, 0, GETNCNT, 0);
  struct semid_ds sd;
  memset(&sd, 0x33, sizeof sd);
  C(SYS_semctl, s, 0, IPC_STAT, &sd);
  printf("  %lu %o %d %d\n", sd.sem_nsems, sd.sem_perm.mode, sd.sem_otime > 1000000, sd.sem_ctime > 1000000);
  sd.sem_perm.mode = 0640;
  C(SYS_semctl, s, 0, IPC_SET, &sd);
  C(SYS_semctl, s, 0, IPC_STAT, &sd);
  printf("  %o\n", sd.sem_perm.mode);
  struct seminfo si;
  show_ok("SEM_INFO", SYS(SYS_semctl, 0, 0, SEM_INFO, &si));
  printf("  %d %d %d\n", si.semmni, si.semmsl, si.semvmx);
  C(SYS_semctl, s, 0, IPC_RMID, 0);

  int h = shmget(IPC_PRIVATE, 10000, 0600);
  char *at = 0;
  show_ok("shmat", at = (char *)SYS(SYS_shmat, h, 0, 0));
  unsigned long where = 0;
  C(SYS_ipc, SHMAT, h, SHM_RDONLY, &where, 0);
#ifdef WITHOUT_OLD_CALLS
  where = SYS(SYS_shmat, h, 0, SHM_RDONLY);
#endif
  char *second = (char *)where;
  strcpy(at, "shared");
  printf("  %s\n", second);
  CHILD(strcpy(at + 100, "child"));
  printf("  %s\n", second + 100);
  struct shmid_ds sh;
  memset(&sh, 0x33, sizeof sh);
  C(SYS_shmctl, h, IPC_STAT, &sh);
  printf("  %zu %lu %d %d %o\n", sh.shm_segsz, sh.shm_nattch, sh.shm_cpid == getpid(), sh.shm_lpid > 0, sh.shm_perm.mode);
  printf("  %d %d %d\n", sh.shm_atime > 1000000, sh.shm_dtime > 1000000, sh.shm_ctime > 1000000);
  C(SYS_shmat, h, at + 1, 0);
  C(SYS_shmat, h, at, 0);
  show_ok("remap", SYS(SYS_shmat, h, at, SHM_REMAP));
  C(SYS_shmdt, second);
  C(SYS_shmdt, second);
  C(SYS_ipc, SHMDT, 0, 0, 0, at);
  C(SYS_shmctl, h, SHM_LOCK, 0);
  C(SYS_shmctl, h, SHM_UNLOCK, 0);
  struct shminfo hi;
  show_ok("IPC_INFO", SYS(SYS_shmctl, 0, IPC_INFO, &hi));
  printf("  %lu %lu %lu\n", hi.shmmax, hi.shmmin, hi.shmmni);
  struct shm_info hs;
  show_ok("SHM_INFO", SYS(SYS_shmctl, 0, SHM_INFO, &hs));
  C(SYS_shmctl, h, IPC_RMID, 0);
  K(SYS_shmat, h, 0, 0);
  C(SYS_shmget, IPC_PRIVATE, 0, 0600);
  C(SYS_ipc, 99, 0, 0, 0, 0);

  struct { long flags, max, size, current, rest[4]; } attr = {0, 4, 100, 0}, back;
  mode_t old = umask(0);
  char name[20], none[20], bad[20];
  sprintf(name, "wemu-%d", getpid());
  sprintf(none, "wemu-none-%d", getpid());
  sprintf(bad, "wemu-bad-%d", getpid());
  int mq = SYS(SYS_mq_open, name, O_RDWR | O_CREAT | O_NONBLOCK, 0600, &attr);
  umask(old);
  show_ok("mq_open", mq);
  C(SYS_mq_open, none, O_RDWR, 0, 0);
  C(SYS_mq_open, "wemu/none", O_RDWR | O_CREAT, 0600, 0);
  attr.max = -1;
  C(SYS_mq_open, bad, O_RDWR | O_CREAT, 0600, &attr);
  C(SYS_mq_getsetattr, mq, 0, &back);
  printf("  %lx %ld %ld %ld\n", back.flags, back.max, back.size, back.current);
  struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &a, 0);
  struct { int value, signal, notify, rest[13]; } event = {0x77777, SIGUSR1, 0};
  C(SYS_mq_notify, mq, &event);
  C(SYS_mq_notify, mq, &event);
  CHILD(C(SYS_mq_timedsend, mq, "hello", 5, 3, 0));
  while (!value) usleep(1000);
  printf("  %x %d\n", value, code);
  event.notify = 99;
  C(SYS_mq_notify, mq, &event);
  C(SYS_mq_notify, mq, 0);
  C(SYS_mq_timedsend_time64, mq, "urgent", 6, 9, 0);
  C(SYS_mq_timedsend_time64, mq, "urgent", 6, 99999, 0);
  C(SYS_mq_timedsend_time64, mq, "urgent", 101, 9, 0);
  char b[100];
  unsigned priority = 0;
  C(SYS_mq_timedreceive, mq, b, 100, &priority, 0);
  printf("  %.6s %u\n", b, priority);
  C(SYS_mq_timedreceive, mq, b, 99, &priority, 0);
  C(SYS_mq_timedreceive_time64, mq, b, 100, 0, 0);
  attr.flags = 0;
  C(SYS_mq_getsetattr, mq, &attr, &back);
  printf("  %lx\n", back.flags);
  t[0] = 1;
  C(SYS_mq_timedreceive, mq, b, 100, 0, t);
  t64[0] = 1;
  t64[1] = 0;
  C(SYS_mq_timedreceive_time64, mq, b, 100, 0, t64);
  t64[1] = -1;
  C(SYS_mq_timedreceive_time64, mq, b, 100, 0, t64);
  C(SYS_mq_unlink, name);
  C(SYS_mq_unlink, name);
  return 0;
}
