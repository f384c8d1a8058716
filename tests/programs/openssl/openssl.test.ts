// What Debian's i386 openssl calculates natively and under wemu: digests, ciphers, signatures of every kind it lists.
import { afterAll, beforeAll, expect } from 'bun:test';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { haveGuestTree } from '../../setup/guests.ts';
import { TEST_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';
import {
  addDevices,
  describeDirectory,
  fillDirectory,
  makeWorkDirectory,
  NATIVE_NEED,
  noise,
  removeWorkDirectory,
  runNative,
  runWemu,
  TREE,
  textLines,
} from '../debian-run.ts';

const NEEDS = ['guest-i386', NATIVE_NEED] as const;

/** Every cipher and key takes some ten minutes; a normal run takes some of them. */
const ALL = Boolean(process.env['WEMU_ALL_CASES']);

/** Milliseconds for one script on a busy machine. */
const TIMEOUT = ALL ? 4 * TEST_LIMIT : TEST_LIMIT;

const KEYS = [
  ...['rsa', 'rsa-pss', 'dsa', 'ec-prime256v1', 'ec-secp384r1', 'ec-secp521r1', 'ec-secp256k1'],
  ...['ec-brainpoolP320r1', 'ec-sect283k1', 'sm2', 'ED25519', 'ED448', 'X25519', 'X448', 'dh', 'codes'],
];
const SOME_KEYS = ['ec-secp256k1', 'sm2', 'ED25519', 'X448'];

/** A directory of its own for each side, and the keys, which are random and therefore made once. */
let native = '';
let wemu = '';
/** A hundred starts of one program: the second and later ones read what the first has translated. */
let translations = '';

beforeAll(() => {
  if (!haveGuestTree('i386')) return;
  addDevices();
  [native, wemu] = [makeWorkDirectory(TREE), makeWorkDirectory(TREE)];
  for (const directory of [native, wemu]) {
    fillDirectory(directory, {
      'words.txt': textLines(300, 1),
      'numbers.txt': textLines(5, 2),
      'empty.txt': '',
      'noise.bin': noise(5000, 3),
      ...Object.fromEntries(
        ['keys.sh', 'sign.sh', 'verify.sh', 'ciphers.sh', 'digests.sh'].map((name) => [
          name,
          readFileSync(join(import.meta.dir, name), 'latin1'),
        ]),
      ),
    });
  }
  translations = mkdtempSync(join(tmpdir(), 'wemu-translations-'));
});

afterAll(() => {
  removeWorkDirectory(native);
  removeWorkDirectory(wemu);
  if (translations !== '') rmSync(translations, { recursive: true, force: true });
});

const script = (args: readonly string[]) => ({ program: '/bin/sh', args, milliseconds: TIMEOUT });

const natively = (...args: string[]) => runNative(script(args), native);
const underWemu = (...args: string[]) => runWemu(script(args), wemu, ['-translations', translations]);

function compareScript(title: string, ...args: string[]): void {
  testWith(
    NEEDS,
    title,
    async () => {
      const expected = await natively(...args);
      expect(expected.stdout.split('\n').length).toBeGreaterThan(10);
      expect(await underWemu(...args)).toEqual(expected);
    },
    TIMEOUT,
  );
}

compareScript(ALL ? 'every digest' : 'some digests', 'digests.sh', ...(ALL ? ['1', '0'] : ['4', '1']));
compareScript(ALL ? 'every cipher' : 'some ciphers', 'ciphers.sh', ...(ALL ? ['1', '0'] : ['23', '5']));

testWith(
  NEEDS,
  'signatures of one side are valid for the other',
  async () => {
    const names = ALL ? KEYS : SOME_KEYS;
    expect(await natively('keys.sh')).toEqual({ stdout: '', stderr: '', end: '0' });
    cpSync(join(native, 'keys'), join(wemu, 'keys'), { recursive: true });
    const expected = await natively('sign.sh', ...names);
    expect(await underWemu('sign.sh', ...names)).toEqual(expected);
    const valid = await natively('verify.sh');
    expect(valid.stdout).toContain('words.txt: 0');
    expect(valid.stdout).toContain('numbers.txt: 1');
    // Each side now judges what the other has signed.
    const swap = mkdtempSync(join(tmpdir(), 'wemu-signatures-'));
    cpSync(join(native, 'out'), swap, { recursive: true });
    for (const [from, to] of [
      [join(wemu, 'out'), join(native, 'out')],
      [swap, join(wemu, 'out')],
    ] as const) {
      rmSync(to, { recursive: true });
      mkdirSync(to);
      cpSync(from, to, { recursive: true });
    }
    rmSync(swap, { recursive: true });
    expect(await natively('verify.sh')).toEqual(valid);
    expect(await underWemu('verify.sh')).toEqual(valid);
    expect(describeDirectory(join(wemu, 'out'))).not.toEqual([]);
  },
  4 * TIMEOUT,
);
