/** How a test says what it needs beyond the repository; without it the test is skipped and the reason is in its name. */

import { test } from 'bun:test';
import type { GuestTree } from './guests.ts';
import { GUEST_TREES, haveGuestTree } from './guests.ts';
import type { Oracle } from './oracles.ts';
import { ORACLES, oraclePath } from './oracles.ts';

/** A need: an oracle, a guest tree as 'guest-<architecture>', or a condition of the test's own with its reason. */
export type Need = Oracle | `guest-${GuestTree}` | { readonly met: boolean; readonly reason: string };

/** Environment variable through which the test runner tells tests why the set-up failed: JSON, need to reason. */
export const SETUP_NOTES = 'WEMU_TEST_SETUP_NOTES';

/** Why `need` is not met on this machine; undefined when it is. */
export function unmetReason(need: Need): string | undefined {
  if (typeof need === 'object') return need.met ? undefined : need.reason;
  const notes = JSON.parse(process.env[SETUP_NOTES] || '{}') as Record<string, string>;
  if (need.startsWith('guest-')) {
    const arch = need.slice('guest-'.length) as GuestTree;
    if (!(arch in GUEST_TREES)) throw new Error(`no guest tree ${arch}`);
    return haveGuestTree(arch) ? undefined : `no ${arch} guest programs: ${notes['guests'] ?? 'not fetched'}`;
  }
  const oracle = need as Oracle;
  if (oraclePath(oracle)) return undefined;
  return `${ORACLES[oracle].program} is missing: ${notes['oracles'] ?? 'not installed'}`;
}

/**
 * `test` for what needs more than the repository: `testWith(['qemu-user', 'guest-i386'], 'name', () => …)`. When a need
 * is not met the test is reported as skipped, its name ending in the reason, which the runner prints.
 */
export function testWith(
  needs: readonly Need[],
  name: string,
  body: () => void | Promise<void>,
  timeoutMs?: number,
): void {
  const reason = needs.map(unmetReason).find((text) => text !== undefined);
  if (reason === undefined) test(name, body, timeoutMs);
  else test.skip(`${name} [skipped: ${reason}]`, body);
}
