// What drivers can be told when they create or amend an image.
import type { OptionTable } from './options.ts';

const SIZE_OPTION = { size: { type: 'size', help: 'Virtual disk size' } } as const;

/** (Rows stand in the order in which options are shown when an image is created.) */
const FILE_CREATE = {
  ...SIZE_OPTION,
  nocow: { type: 'bool', help: 'Turn off copy-on-write (valid only on btrfs)' },
  preallocation: { type: 'string', help: 'Preallocation mode (allowed values: off, falloc, full)' },
  extent_size_hint: { type: 'size', help: 'Extent size hint for the image file, 0 to disable' },
} as const;

const QCOW2_CREATE = {
  encryption: {
    type: 'bool',
    help: "Encrypt the image with format 'aes'. (Deprecated in favor of encrypt.format=aes)",
  },
  'encrypt.format': { type: 'string', help: "Encrypt the image, format choices: 'aes', 'luks'" },
  'encrypt.key-secret': { type: 'string', help: 'ID of secret providing qcow AES key or LUKS passphrase' },
  'encrypt.cipher-alg': { type: 'string', help: 'Name of encryption cipher algorithm' },
  'encrypt.cipher-mode': { type: 'string', help: 'Name of encryption cipher mode' },
  'encrypt.ivgen-alg': { type: 'string', help: 'Name of IV generator algorithm' },
  'encrypt.ivgen-hash-alg': { type: 'string', help: 'Name of IV generator hash algorithm' },
  'encrypt.hash-alg': { type: 'string', help: 'Name of encryption hash algorithm' },
  'encrypt.iter-time': { type: 'number', help: 'Time to spend in PBKDF in milliseconds' },
  cluster_size: { type: 'size', help: 'qcow2 cluster size', shown: '65536' },
  extended_l2: { type: 'bool', help: 'Extended L2 tables', shown: 'off' },
  preallocation: { type: 'string', help: 'Preallocation mode (allowed values: off, metadata, falloc, full)' },
  compression_type: { type: 'string', help: 'Compression method used for image cluster compression', shown: 'zlib' },
  ...SIZE_OPTION,
  compat: { type: 'string', help: 'Compatibility level (v2 [0.10] or v3 [1.1])' },
  backing_file: { type: 'string', help: 'File name of a base image' },
  backing_fmt: { type: 'string', help: 'Image format of the base image' },
  data_file: { type: 'string', help: 'File name of an external data file' },
  data_file_raw: { type: 'bool', help: 'The external data file must stay valid as a raw image' },
  lazy_refcounts: { type: 'bool', help: 'Postpone refcount updates', shown: 'off' },
  refcount_bits: { type: 'number', help: 'Width of a reference count entry in bits', shown: '16' },
} as const;

/** What qcow2's amend takes, beside some options of creation. */
const QCOW2_KEYS = {
  'encrypt.iter-time': QCOW2_CREATE['encrypt.iter-time'],
  'encrypt.keyslot': { type: 'number', help: 'Select a single keyslot to modify explicitly' },
  'encrypt.new-secret': {
    type: 'string',
    help: 'New secret to set in the matching keyslots. Empty string to erase',
  },
  'encrypt.old-secret': { type: 'string', help: 'Select all keyslots that match this password' },
  'encrypt.state': { type: 'string', help: 'Select new state of affected keyslots (active/inactive)' },
} as const;

const CREATE: Readonly<Record<string, OptionTable>> = {
  raw: SIZE_OPTION,
  qcow2: QCOW2_CREATE,
  file: FILE_CREATE,
  host_device: {
    ...SIZE_OPTION,
    preallocation: { type: 'string', help: 'Preallocation mode (allowed values: off)' },
  },
};

const { backing_file, backing_fmt, compat, data_file, data_file_raw, lazy_refcounts, refcount_bits, size } =
  QCOW2_CREATE;

const AMEND: Readonly<Record<string, OptionTable>> = {
  qcow2: {
    backing_file,
    backing_fmt,
    compat,
    data_file,
    data_file_raw,
    ...QCOW2_KEYS,
    lazy_refcounts,
    refcount_bits,
    size,
  },
};

/** Options of a driver that can create images; undefined for others. */
export function createOptionsOf(driver: string): OptionTable | undefined {
  return CREATE[driver];
}

/** Options of a driver that can amend images; undefined for others. */
export function amendOptionsOf(driver: string): OptionTable | undefined {
  return AMEND[driver];
}
