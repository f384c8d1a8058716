// Secret objects: texts given by --object under an id, for options that refer to them (password-secret and the like).
import { BlockError, ERRNO, strerror } from './errors.ts';
import { readWhole } from './libc.ts';

/** Properties of a secret object as they are given. */
export interface SecretProperties {
  data?: string;
  file?: string;
  format?: 'raw' | 'base64';
  /** Id of the secret whose 32 bytes (base64 in there) this one is encrypted with, AES-256 in CBC mode. */
  keyid?: string;
  iv?: string;
}

const secrets = new Map<string, Uint8Array>();

/** The bytes of a secret; throws if there is none of that id. */
export function lookupSecret(id: string): Uint8Array {
  const found = secrets.get(id);
  if (!found) throw new BlockError(`No secret with id '${id}'`);
  return found;
}

/** The text of a secret, which must be UTF-8. */
export function secretText(id: string): string {
  return Buffer.from(lookupSecret(id)).toString('utf8');
}

function decrypt(p: SecretProperties, data: Uint8Array): Uint8Array {
  const key = Buffer.from(secretText(p.keyid!), 'base64');
  if (key.length !== 32) throw new BlockError('Key should be 32 bytes in length');
  if (p.iv === undefined) throw new BlockError('IV is required to decrypt secret');
  const iv = Buffer.from(p.iv, 'base64');
  if (iv.length !== 16) throw new BlockError('IV should be 16 bytes in length');
  const { createDecipheriv } = process.getBuiltinModule('node:crypto');
  const cipher = createDecipheriv('aes-256-cbc', key, iv);
  try {
    return Buffer.concat([cipher.update(Buffer.from(Buffer.from(data).toString('latin1'), 'base64')), cipher.final()]);
  } catch {
    throw new BlockError('Unable to decrypt secret');
  }
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
  if (p.keyid !== undefined) data = decrypt(p, data);
  else if (p.format === 'base64') data = Buffer.from(Buffer.from(data).toString('latin1'), 'base64');
  secrets.set(id, data);
}
