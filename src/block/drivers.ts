// The registry of drivers: one row per format, protocol and filter. A driver's code is loaded when it is first used.
import type { Driver } from './driver.ts';
import { BlockError, ERRNO } from './errors.ts';
import { FILE_OPTIONS, openFile, openHostDevice, parseFileFilename } from './file-posix.ts';
import { NULL_OPTIONS, openNull, parseNullFilename } from './null.ts';
import { openRaw, RAW_OPTIONS } from './raw.ts';

/** A probe for images that begin with these characters. */
const magicIs =
  (magic: string) =>
  (head: Uint8Array): number => {
    for (let i = 0; i < magic.length; i++) if (head[i] !== magic.charCodeAt(i)) return 0;
    return 100;
  };

/** A format that is recognised, so that its images are not taken for raw ones, but cannot be opened. */
function recognised(name: string, probe: Driver['probe']): Driver {
  return {
    name,
    kind: 'format',
    options: {},
    childRoles: ['file'],
    probe,
    recognisedOnly: true,
    open: () => Promise.reject(new BlockError(`Image format '${name}' is not supported`, ERRNO.EOPNOTSUPP)),
  };
}

const SIZE_OPTION = { size: { type: 'size', help: 'Virtual disk size' } } as const;

const FILE_CREATE = {
  extent_size_hint: { type: 'size', help: 'Extent size hint for the image file, 0 to disable' },
  nocow: { type: 'bool', help: 'Turn off copy-on-write (valid only on btrfs)' },
  preallocation: { type: 'string', help: 'Preallocation mode (allowed values: off, falloc, full)' },
  ...SIZE_OPTION,
} as const;

const QCOW2_CREATE = {
  backing_file: { type: 'string', help: 'File name of a base image' },
  backing_fmt: { type: 'string', help: 'Image format of the base image' },
  cluster_size: { type: 'size', help: 'qcow2 cluster size' },
  compat: { type: 'string', help: 'Compatibility level (v2 [0.10] or v3 [1.1])' },
  compression_type: { type: 'string', help: 'Compression method used for image cluster compression' },
  data_file: { type: 'string', help: 'File name of an external data file' },
  data_file_raw: { type: 'bool', help: 'The external data file must stay valid as a raw image' },
  'encrypt.cipher-alg': { type: 'string', help: 'Name of encryption cipher algorithm' },
  'encrypt.cipher-mode': { type: 'string', help: 'Name of encryption cipher mode' },
  'encrypt.format': { type: 'string', help: "Encrypt the image, format choices: 'aes', 'luks'" },
  'encrypt.hash-alg': { type: 'string', help: 'Name of encryption hash algorithm' },
  'encrypt.iter-time': { type: 'number', help: 'Time to spend in PBKDF in milliseconds' },
  'encrypt.ivgen-alg': { type: 'string', help: 'Name of IV generator algorithm' },
  'encrypt.ivgen-hash-alg': { type: 'string', help: 'Name of IV generator hash algorithm' },
  'encrypt.key-secret': { type: 'string', help: 'ID of secret providing qcow AES key or LUKS passphrase' },
  encryption: {
    type: 'bool',
    help: "Encrypt the image with format 'aes'. (Deprecated in favor of encrypt.format=aes)",
  },
  extended_l2: { type: 'bool', help: 'Extended L2 tables' },
  lazy_refcounts: { type: 'bool', help: 'Postpone refcount updates' },
  preallocation: { type: 'string', help: 'Preallocation mode (allowed values: off, metadata, falloc, full)' },
  refcount_bits: { type: 'number', help: 'Width of a reference count entry in bits' },
  ...SIZE_OPTION,
} as const;

const QCOW2_OPTIONS = {
  'lazy-refcounts': { type: 'bool' },
  'pass-discard-request': { type: 'bool' },
  'pass-discard-snapshot': { type: 'bool' },
  'pass-discard-other': { type: 'bool' },
  'overlap-check': { type: 'string' },
  'overlap-check.template': { type: 'string' },
  'cache-size': { type: 'size' },
  'l2-cache-size': { type: 'size' },
  'l2-cache-entry-size': { type: 'size' },
  'refcount-cache-size': { type: 'size' },
  'cache-clean-interval': { type: 'number' },
  'encrypt.format': { type: 'string' },
  'encrypt.key-secret': { type: 'string' },
} as const;

/** vpc images may carry their header only at the end; the start has it for dynamic ones. */
const ROWS: Driver[] = [
  {
    name: 'raw',
    kind: 'format',
    options: RAW_OPTIONS,
    childRoles: ['file'],
    probe: () => 1,
    open: (context, file) => openRaw(context, file, context.guessed === true),
    createOptions: { ...SIZE_OPTION },
  },
  {
    name: 'qcow2',
    kind: 'format',
    options: QCOW2_OPTIONS,
    childRoles: ['file', 'backing', 'data-file'],
    probe: (head) => (magicIs('QFI\xfb')(head) && head[4] === 0 && head[7]! >= 2 ? 100 : 0),
    open: async (context, file) => (await import('./qcow2/open.ts')).openQcow2(context, file!),
    createOptions: QCOW2_CREATE,
    amendOptions: Object.fromEntries(
      [
        'backing_file',
        'backing_fmt',
        'compat',
        'data_file',
        'data_file_raw',
        'lazy_refcounts',
        'refcount_bits',
        'size',
      ].map((k) => [k, QCOW2_CREATE[k as keyof typeof QCOW2_CREATE]]),
    ),
    supportsBacking: true,
  },
  {
    name: 'file',
    kind: 'protocol',
    options: FILE_OPTIONS,
    parseFilename: parseFileFilename,
    open: openFile,
    createOptions: FILE_CREATE,
  },
  {
    name: 'host_device',
    kind: 'protocol',
    options: FILE_OPTIONS,
    parseFilename: parseFileFilename,
    open: openHostDevice,
    createOptions: { ...SIZE_OPTION },
  },
  ...(['null-co', 'null-aio'] as const).map(
    (name): Driver => ({
      name,
      kind: 'protocol',
      options: NULL_OPTIONS,
      parseFilename: parseNullFilename,
      open: (context) => openNull(name, context),
    }),
  ),
  ...(['http', 'https'] as const).map(
    (name): Driver => ({
      name,
      kind: 'protocol',
      options: {
        url: { type: 'string' },
        readahead: { type: 'size' },
        sslverify: { type: 'bool' },
        timeout: { type: 'number' },
        cookie: { type: 'string' },
        'cookie-secret': { type: 'string' },
        username: { type: 'string' },
        'password-secret': { type: 'string' },
        'proxy-username': { type: 'string' },
        'proxy-password-secret': { type: 'string' },
        'force-range': { type: 'bool' },
      },
      parseFilename: (filename, options) => void options.set('url', filename),
      open: async (context) => (await import('./http.ts')).openHttp(name, context),
    }),
  ),
  {
    name: 'blkdebug',
    kind: 'filter',
    options: {
      config: { type: 'string' },
      'x-image': { type: 'string' },
      align: { type: 'size' },
      'max-transfer': { type: 'size' },
      'opt-write-zero': { type: 'size' },
      'max-write-zero': { type: 'size' },
      'opt-discard': { type: 'size' },
      'max-discard': { type: 'size' },
    },
    optionPrefixes: ['inject-error', 'set-state', 'take-child-perms', 'unshare-child-perms'],
    childRoles: ['image'],
    parseFilename: (filename, options) => {
      const m = /^blkdebug:([^:]*):(.*)$/s.exec(filename);
      if (!m) throw new BlockError('blkdebug requires both config file and image path');
      if (m[1]) options.set('config', m[1]);
      options.set('x-image', m[2]!);
    },
    open: async (context, file) => (await import('./blkdebug.ts')).openBlkdebug(context, file!),
  },
  {
    name: 'throttle',
    kind: 'filter',
    options: { 'throttle-group': { type: 'string' } },
    childRoles: ['file'],
    open: async (context, file) => (await import('./throttle.ts')).openThrottle(context, file!),
  },
  {
    name: 'copy-on-read',
    kind: 'filter',
    options: { bottom: { type: 'string' } },
    childRoles: ['file'],
    open: async (context, file) => (await import('./filters.ts')).openCopyOnRead(context, file!),
  },
  {
    name: 'preallocate',
    kind: 'filter',
    options: { 'prealloc-align': { type: 'size' }, 'prealloc-size': { type: 'size' } },
    childRoles: ['file'],
    open: async (context, file) => (await import('./filters.ts')).openPreallocate(context, file!),
  },
  recognised('qcow', (head) => (magicIs('QFI\xfb')(head) && head[7] === 1 ? 100 : 0)),
  recognised('qed', magicIs('QED\0')),
  recognised('vmdk', (head) => magicIs('KDMV')(head) || magicIs('COWD')(head) || (isVmdkDescriptor(head) ? 100 : 0)),
  recognised('vdi', (head) =>
    head[0x40] === 0x7f && head[0x41] === 0x10 && head[0x42] === 0xda && head[0x43] === 0xbe ? 100 : 0,
  ),
  recognised('vhdx', magicIs('vhdxfile')),
  recognised('vpc', magicIs('conectix')),
  recognised('luks', magicIs('LUKS\xba\xbe')),
  recognised('parallels', (head) => magicIs('WithoutFreeSpace')(head) || magicIs('WithouFreSpacExt')(head)),
  recognised('bochs', magicIs('Bochs Virtual HD Image')),
];

function isVmdkDescriptor(head: Uint8Array): boolean {
  // Blank, a comment or the word itself: anything else is not worth compiling a pattern for.
  if (head[0]! > 0x20 && head[0] !== 0x23 && head[0] !== 0x76) return false;
  return /^(\s*#[^\n]*\n|\s*\n)*version=[123]/.test(Buffer.from(head).toString('latin1'));
}

const BY_NAME = new Map(ROWS.map((row) => [row.name, row]));

/** The driver of that name; undefined if there is none. */
export function findDriver(name: string): Driver | undefined {
  return BY_NAME.get(name);
}

/** All drivers in registry order. */
export function allDrivers(): readonly Driver[] {
  return ROWS;
}

/** The format whose signature the first bytes carry; raw if none. */
export function probeFormat(head: Uint8Array, filename: string): Driver {
  let best: Driver = BY_NAME.get('raw')!;
  let score = 0;
  for (const driver of ROWS) {
    const s = driver.probe?.(head, filename) ?? 0;
    if (s <= score) continue;
    best = driver;
    score = s;
    if (s === 100) break;
  }
  return best;
}
