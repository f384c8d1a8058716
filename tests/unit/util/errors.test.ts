/** Tests of src/util/errors.ts: users see one line, our bugs show the stack and how to report. */

import { expect, test } from 'bun:test';
import { describeFatal, UserError } from '../../../src/util/errors.ts';

test('a mistake of the user is one line without a stack', () => {
  expect(describeFatal(new UserError('prog: no such file', 127), 'wemu-i386')).toEqual({
    text: 'wemu-i386: prog: no such file\n',
    exitCode: 127,
  });
});

test('a bug of ours shows the stack', () => {
  const { text, exitCode } = describeFatal(new TypeError('x is not y'));
  expect(exitCode).toBe(70);
  expect(text).toContain('internal error');
  expect(text).toContain('x is not y');
  expect(text).toContain('errors.test.ts');
  expect(text).toContain('report');
  expect(describeFatal('text').text).toContain('text');
});
