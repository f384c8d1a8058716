/** Flags of a guest page in the page table, and Linux's numbers for protections and mappings. */

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
export const PAGE_MASK = 4095;

/** Readable. Set for every page that can be written or executed too, as on x86 and most others. */
export const PAGE_READ = 1;
export const PAGE_WRITE = 2;
export const PAGE_EXEC = 4;
/** The guest has mapped the page, maybe with no access at all. */
export const PAGE_MAPPED = 8;
/** Translations were made from the page: the host page is not writable whatever PAGE_WRITE says. */
export const PAGE_CODE = 16;
/** MAP_SHARED. */
export const PAGE_SHARED = 32;
/** MAP_ANONYMOUS: no file behind it, so an access allowed by the flags cannot fail with SIGBUS. */
export const PAGE_ANON = 64;
/** Part of a mapping that grows downwards when the page below it is touched (MAP_GROWSDOWN, the stack). */
export const PAGE_GROWSDOWN = 128;

/** The three access bits; the same numbers as PROT_READ, PROT_WRITE and PROT_EXEC. */
export const PAGE_ACCESS = PAGE_READ | PAGE_WRITE | PAGE_EXEC;

export const PROT_NONE = 0;
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;
export const PROT_SEM = 8;
export const PROT_GROWSDOWN = 0x01000000;
export const PROT_GROWSUP = 0x02000000;

/** Flags of mmap(2), x86 and generic numbering (kernel header asm-generic/mman.h). */
export const MAP_SHARED = 0x01;
export const MAP_PRIVATE = 0x02;
export const MAP_SHARED_VALIDATE = 0x03;
export const MAP_TYPE = 0x0f;
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;
export const MAP_32BIT = 0x40;
export const MAP_GROWSDOWN = 0x0100;
export const MAP_NORESERVE = 0x4000;
export const MAP_HUGETLB = 0x40000;
export const MAP_FIXED_NOREPLACE = 0x100000;

/** Flags of mremap(2). */
export const MREMAP_MAYMOVE = 1;
export const MREMAP_FIXED = 2;
export const MREMAP_DONTUNMAP = 4;
