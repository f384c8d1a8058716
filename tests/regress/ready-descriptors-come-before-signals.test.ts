/**
 * ppoll, pselect and epoll_pwait whose mask let a pending signal through failed with EINTR at once. The kernel looks at the
 * descriptors first: where one is ready, or the arguments are wrong, that is the result, and the signal stays pending under the
 * old mask.
 */

import { CPrograms, NATIVE_I386 } from '../programs/c-programs.ts';
import { testWith } from '../setup/needs.ts';

const programs = new CPrograms(import.meta.dir);

testWith(NATIVE_I386, 'ready descriptors come before signals', () =>
  programs.expectSame('ready-descriptors-come-before-signals'),
);
