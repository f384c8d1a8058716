// Structures the ARM ABI declares in its own way (kernel headers asm/stat.h, asm/ipcbuf.h and relatives). A pure table.
import type { StructTable } from './interface.ts';

/** Both byte orders; 64-bit members are aligned to 8 bytes. */
export const ARM_STRUCTS: StructTable = {
  stat:
    'ulong st_dev=dev, ulong st_ino!, u16 st_mode=mode, u16 st_nlink!, u16 st_uid, u16 st_gid, ulong st_rdev=dev, ' +
    'ulong st_size!, ulong st_blksize, ulong st_blocks, ulong st_atime, ulong st_atime_nsec, ulong st_mtime, ' +
    'ulong st_mtime_nsec, ulong st_ctime, ulong st_ctime_nsec, ulong unused4, ulong unused5',
  /** The inode number stands in it twice. */
  stat64:
    'u64 st_dev=dev, u8 pad0[4], ulong st_ino_low, uint st_mode=mode, uint st_nlink, ulong st_uid, ulong st_gid, ' +
    'u64 st_rdev=dev, u8 pad3[4], s64 st_size, ulong st_blksize, u64 st_blocks, ulong st_atime, ulong st_atime_nsec, ' +
    'ulong st_mtime, ulong st_mtime_nsec, ulong st_ctime, ulong st_ctime_nsec, u64 st_ino',
  msqid_ds:
    'ipc_perm msg_perm, ulong msg_stime, ulong msg_stime_high, ulong msg_rtime, ulong msg_rtime_high, ulong msg_ctime, ' +
    'ulong msg_ctime_high, ulong msg_cbytes, ulong msg_qnum, ulong msg_qbytes, int msg_lspid, int msg_lrpid, ' +
    'ulong unused4, ulong unused5',
  semid_ds:
    'ipc_perm sem_perm, ulong sem_otime, ulong sem_otime_high, ulong sem_ctime, ulong sem_ctime_high, ulong sem_nsems, ' +
    'ulong unused3, ulong unused4',
  shmid_ds:
    'ipc_perm shm_perm, ulong shm_segsz, ulong shm_atime, ulong shm_atime_high, ulong shm_dtime, ulong shm_dtime_high, ' +
    'ulong shm_ctime, ulong shm_ctime_high, int shm_cpid, int shm_lpid, ulong shm_nattch, ulong unused4, ulong unused5',
};
