// Secrets that are encrypted with another one: the key was decoded from base64 once more than it should be, so that a key given as
// base64 was refused for its length, and one that was base64 of base64 was taken; data in raw form was decoded, too.
import { expect, test } from 'bun:test';
import { createCipheriv } from 'node:crypto';
import { createSecret, lookupSecret } from '../../src/block/secret.ts';

const key = Buffer.from('0123456789abcdef0123456789abcdef');
const iv = Buffer.alloc(16, 9);

function encrypted(text: string): string {
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  return Buffer.concat([cipher.update(text), cipher.final()]).toString('base64');
}

test('a secret is decrypted with a key given as it is or as base64', () => {
  createSecret('raw-key', { data: key.toString() });
  createSecret('base64-key', { data: key.toString('base64'), format: 'base64' });
  for (const keyid of ['raw-key', 'base64-key']) {
    for (const text of ['', 'letmein', 'exactly 16 bytes', 'more than one block of 16']) {
      createSecret('s', { keyid, iv: iv.toString('base64'), format: 'base64', data: encrypted(text) });
      expect(Buffer.from(lookupSecret('s')).toString()).toBe(text);
    }
  }
});

test('a key of base64 that stands for base64 is none', () => {
  createSecret('twice', { data: key.toString('base64') });
  expect(() => createSecret('s', { keyid: 'twice', iv: iv.toString('base64'), data: 'x' })).toThrow(
    'Key should be 32 bytes in length',
  );
});
