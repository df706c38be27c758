import { RequestError } from '../src/core/protocol/failure.ts';
import type { Deps } from './deps.ts';
import { sightOf } from './self-test.ts';
import type { Upstream } from './upstream-config.ts';

/**
 * Lets an upstream have images whose sight the self-test has proven; where proof is not required, one that was not proven
 * blind.
 *
 * @throws RequestError `upstream-blind`
 */
export async function requireSight(
  deps: Deps,
  upstream: Upstream,
  waitUntil: (work: Promise<unknown>) => void,
): Promise<void> {
  const { sight, why } = await sightOf(deps, upstream, waitUntil);
  if (sight === 'blind' || (sight === 'unproven' && deps.config.selfTest === 'require')) {
    const verdict = sight === 'blind' ? 'does not see images' : 'is not proven to see images';
    throw new RequestError({ kind: 'upstream-blind', message: `The model server ${upstream.name} ${verdict}: ${why}` });
  }
}
