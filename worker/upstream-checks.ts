import { SELF_TEST_TIMEOUT_MS } from '../src/core/limits.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import type { Deps } from './deps.ts';
import { requireSight } from './require-sight.ts';
import { upstreamUrl } from './upstream.ts';
import type { Upstream } from './upstream-config.ts';

/** One thing that is asked of an upstream when readiness is; rejects with the reason where it is not so. */
export type UpstreamCheck = (waitUntil: (work: Promise<unknown>) => void) => Promise<void>;

/** For each upstream: it can be reached with its key, and, where it takes images, it sees them. */
export function upstreamChecks(deps: Deps): Record<string, UpstreamCheck> {
  return Object.fromEntries(
    deps.config.upstreams.map((upstream) => [
      upstream.name,
      async (waitUntil) => {
        await reach(deps, upstream);
        if (upstream.can.has('images')) {
          await requireSight(deps, upstream, waitUntil);
        }
      },
    ]),
  );
}

async function reach({ fetch }: Pick<Deps, 'fetch'>, { url, apiKey, name }: Upstream): Promise<void> {
  const response = await fetch(upstreamUrl(url, '/v1/models'), {
    headers: apiKey === null ? {} : { authorization: `Bearer ${apiKey}` },
    signal: AbortSignal.timeout(SELF_TEST_TIMEOUT_MS),
    redirect: 'manual',
  });
  await response.body?.cancel();
  if (response.status !== 200) {
    const message = `The model server ${name} answered ${response.status} to /v1/models`;
    throw new RequestError({ kind: 'upstream-rejected', status: response.status, message });
  }
}
