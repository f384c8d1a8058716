// The registry of drivers: one row per format, protocol and filter. A driver's code is loaded when it is first used.
import type { CreateContext, Driver } from './driver-row.ts';
import { BlockError, ERRNO } from './errors.ts';
import { openFile, openHostDevice, parseFileFilename } from './file-posix.ts';

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
    childRoles: ['file'],
    probe,
    recognisedOnly: true,
    open: () => Promise.reject(new BlockError(`Image format '${name}' is not supported`, ERRNO.EOPNOTSUPP)),
  };
}

/** Options without which a web server may show something else or nothing: the address alone is not the name then. */
export const HTTP_CREDENTIALS: readonly string[] = [
  'cookie',
  'cookie-secret',
  'username',
  'password-secret',
  'proxy-username',
  'proxy-password-secret',
];

/** Makes storage that has no structure of its own. */
async function createPlain(context: CreateContext): Promise<void> {
  await (await import('./raw.ts')).createRaw(context);
}

/** What most images need. */
const USUAL: readonly Driver[] = [
  {
    name: 'raw',
    kind: 'format',
    childRoles: ['file'],
    strongOptions: ['offset', 'size'],
    probe: () => 1,
    open: async (context, file) =>
      (await import('./raw.ts')).openRaw(
        context,
        file,
        context.guessed ? (head) => probeFormat(head, '').name === 'raw' : undefined,
      ),
    create: createPlain,
    measure: async (_options, _source, size) => (await import('./raw.ts')).measureRaw(size),
  },
  {
    name: 'qcow2',
    kind: 'format',
    childRoles: ['file', 'backing', 'data-file'],
    strongOptions: ['encrypt.key-secret'],
    probe: (head) => (magicIs('QFI\xfb')(head) && head[4] === 0 && head[7]! >= 2 ? 100 : 0),
    open: async (context, file) => (await import('./qcow2/open.ts')).openQcow2(context, file!),
    create: async (context) => (await import('./qcow2/create.ts')).createQcow2(context),
    measure: async (...request) => (await import('./qcow2/measure.ts')).measureQcow2(...request),
    supportsBacking: true,
    supportsCompression: true,
  },
  {
    name: 'file',
    kind: 'protocol',
    parseFilename: parseFileFilename,
    open: openFile,
    create: createPlain,
  },
  {
    name: 'host_device',
    kind: 'protocol',
    parseFilename: parseFileFilename,
    open: openHostDevice,
    create: createPlain,
  },
];

/**
 * The others, made when one of them is asked for: to make them all takes a twentieth of a short command. vpc images may carry
 * their header only at the end; the start has it for dynamic ones.
 */
const others = (): readonly Driver[] => [
  ...(['null-co', 'null-aio'] as const).map(
    (name): Driver => ({
      name,
      kind: 'protocol',
      parseFilename: (filename) => checkNullFilename(name, filename),
      strongOptions: ['size', 'read-zeroes'],
      open: async (context) => (await import('./null.ts')).openNull(name, context),
    }),
  ),
  ...(['http', 'https'] as const).map(
    (name): Driver => ({
      name,
      kind: 'protocol',
      parseFilename: (filename, options) => void options.set('url', filename),
      strongOptions: ['url', 'sslverify', ...HTTP_CREDENTIALS],
      open: async (context) => (await import('./http.ts')).openHttp(name, context),
    }),
  ),
  {
    name: 'blkdebug',
    kind: 'filter',
    childRoles: ['image'],
    parseFilename: (filename, options) => {
      const m = /^blkdebug:([^:]*):(.*)$/s.exec(filename);
      // What names no blkdebug is the image.
      if (!filename.startsWith('blkdebug:')) return void options.set('x-image', filename);
      if (!m) throw new BlockError('blkdebug requires both config file and image path');
      if (m[1]) options.set('config', m[1]);
      options.set('x-image', m[2]!);
    },
    open: async (context, file) => (await import('./blkdebug.ts')).openBlkdebug(context, file!),
  },
  {
    name: 'throttle',
    kind: 'filter',
    childRoles: ['file'],
    strongOptions: ['throttle-group'],
    open: async (context, file) => (await import('./throttle.ts')).openThrottle(context, file!),
  },
  {
    name: 'copy-on-read',
    kind: 'filter',
    childRoles: ['file'],
    strongOptions: ['bottom'],
    open: async (context, file) => (await import('./filters.ts')).openCopyOnRead(context, file!),
  },
  {
    name: 'preallocate',
    kind: 'filter',
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

/** `null-co://` takes no further text. */
function checkNullFilename(name: string, filename: string): void {
  if (filename !== `${name}://`) throw new BlockError(`The only allowed filename for this driver is '${name}://'`);
}

let all: readonly Driver[] | undefined;

/** All drivers in registry order. */
export function allDrivers(): readonly Driver[] {
  return (all ??= [...USUAL, ...others()]);
}

/** The driver of that name; undefined if there is none. */
export function findDriver(name: string): Driver | undefined {
  for (const row of USUAL) if (row.name === name) return row;
  return allDrivers().find((row) => row.name === name);
}

/** The format whose signature the first bytes carry; raw if none. */
export function probeFormat(head: Uint8Array, filename: string): Driver {
  let best: Driver = USUAL[0]!;
  let score = 0;
  const better = (rows: readonly Driver[]): boolean => {
    for (const driver of rows) {
      const s = driver.probe?.(head, filename) ?? 0;
      if (s <= score) continue;
      best = driver;
      score = s;
      if (s === 100) return true;
    }
    return false;
  };
  if (!better(USUAL)) better(allDrivers());
  return best;
}
