// Secret objects: texts given by --object under an id, for options that refer to them (password-secret and the like).
import { BlockError, ERRNO, strerror } from './errors.ts';
import { readWhole } from './libc.ts';

/** Properties of a secret object as they are given. */
export interface SecretProperties {
  data?: string;
  file?: string;
  format?: 'raw' | 'base64';
  /** Id of the secret whose 32 bytes this one is encrypted with, AES-256 in CBC mode. */
  keyid?: string;
  iv?: string;
}

const secrets = new Map<string, Uint8Array>();

/** Ids of objects that are no secrets. */
const others = new Set<string>();

/** Notes that an id is taken by something else. */
export function noteOtherObject(id: string): void {
  others.add(id);
}

/** The bytes of a secret; throws if there is none of that id. */
export function lookupSecret(id: string): Uint8Array {
  const found = secrets.get(id);
  if (found) return found;
  throw new BlockError(others.has(id) ? `Object with id '${id}' is not a secret` : `No secret with id '${id}'`);
}

/** The text of a secret, which must be UTF-8. */
export function secretText(id: string): string {
  return Buffer.from(lookupSecret(id)).toString('utf8');
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Base64 as GLib reads it: lines may break anywhere, and what is left of four characters is nothing. */
function decodeBase64(text: Uint8Array): Uint8Array {
  const out: number[] = [];
  let four = '';
  let value = 0;
  if (text.includes(0)) throw new BlockError('Base64 data contains embedded NUL characters');
  for (const c of Buffer.from(text).toString('latin1')) {
    if (c === '\n') continue;
    const digit = c === '=' ? 0 : DIGITS.indexOf(c);
    if (digit < 0) throw new BlockError('Base64 data contains invalid characters');
    value = (value << 6) | digit;
    four += c;
    if (four.length < 4) continue;
    out.push((value >> 16) & 255);
    if (four[2] !== '=') out.push((value >> 8) & 255);
    if (four[3] !== '=') out.push(value & 255);
    four = '';
    value = 0;
  }
  return Uint8Array.from(out);
}

const KEY_BYTES = 32;
const BLOCK = 16;

function decrypt(p: SecretProperties, data: Uint8Array): Uint8Array {
  const key = lookupSecret(p.keyid!);
  if (key.length !== KEY_BYTES) throw new BlockError(`Key should be ${KEY_BYTES} bytes in length`);
  if (p.iv === undefined) throw new BlockError('IV is required to decrypt secret');
  const iv = decodeBase64(Buffer.from(p.iv));
  if (iv.length !== BLOCK) throw new BlockError(`IV should be ${BLOCK} bytes in length not ${iv.length}`);
  const hidden = p.format === 'base64' ? decodeBase64(data) : data;
  if (hidden.length % BLOCK !== 0)
    throw new BlockError(`Length ${hidden.length} must be a multiple of block size ${BLOCK}`);
  if (hidden.length === 0) return hidden;
  const { createDecipheriv } = process.getBuiltinModule('node:crypto');
  const cipher = createDecipheriv('aes-256-cbc', key, iv).setAutoPadding(false);
  const plain = Buffer.concat([cipher.update(hidden), cipher.final()]);
  const padding = plain[plain.length - 1]!;
  if (padding > BLOCK) throw new BlockError(`Incorrect number of padding bytes (${padding}) found on decrypted data`);
  return plain.subarray(0, plain.length - padding);
}

/** Creates a secret; its bytes are read and decoded at once. */
export function createSecret(id: string, p: SecretProperties): void {
  if (p.file !== undefined && p.data !== undefined) throw new BlockError("'file' and 'data' are mutually exclusive");
  let data: Uint8Array;
  if (p.file !== undefined) {
    const content = readWhole(p.file);
    if (typeof content === 'number') {
      throw new BlockError(
        `Unable to read ${p.file}: Failed to open file \u201c${p.file}\u201d: ${strerror(content)}`,
        content,
      );
    }
    data = content;
  } else if (p.data !== undefined) data = Buffer.from(p.data);
  else throw new BlockError("Either 'file' or 'data' must be provided", ERRNO.EINVAL);
  if (p.keyid === id) throw new BlockError(`Secret with id '${id}' has no data`);
  if (p.keyid !== undefined) data = decrypt(p, data);
  else if (p.format === 'base64') data = decodeBase64(data);
  secrets.set(id, data);
}
