import { READY_TIMEOUT_MS } from '../src/core/limits.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import type { Deps } from './deps.ts';
import { orTimeout } from './or-timeout.ts';
import { requireSight } from './require-sight.ts';
import type { Upstream } from './upstream-config.ts';

/**
 * What readiness asks of an upstream: it can be reached with its key, and, where it takes images, it sees them. Rejects
 * with the reason where it is not so. A self-test that takes longer than a probe waits goes on, for the next probe.
 */
export function upstreamCheck(
  deps: Deps,
  upstream: Upstream,
  waitUntil: (work: Promise<unknown>) => void,
): () => Promise<void> {
  return async () => {
    await reach(deps, upstream);
    if (!upstream.can.has('images')) {
      return;
    }
    const seen = requireSight(deps, upstream, waitUntil).then(() => true);
    if ((await orTimeout(seen, READY_TIMEOUT_MS)) === null) {
      seen.catch(() => undefined);
      const message = `The model server ${upstream.name} is still being tested for whether it sees images`;
      throw new RequestError({ kind: 'upstream-blind', message });
    }
  };
}

async function reach({ fetch }: Pick<Deps, 'fetch'>, { url, apiKey, name }: Upstream): Promise<void> {
  const status = await statusOf(fetch, `${url}/v1/models`, apiKey);
  if (status !== 200) {
    const message = `The model server ${name} answered ${status} to /v1/models`;
    throw new RequestError({ kind: 'upstream-rejected', status, message });
  }
}

async function statusOf(fetch: Deps['fetch'], url: string, apiKey: string | null): Promise<number> {
  const headers = apiKey === null ? {} : { authorization: `Bearer ${apiKey}` };
  try {
    const signal = AbortSignal.timeout(READY_TIMEOUT_MS);
    const response = await fetch(url, { headers, signal, redirect: 'manual' });
    await response.body?.cancel();
    return response.status;
  } catch (cause) {
    throw new RequestError({ kind: 'upstream-unreachable', message: 'The model server cannot be reached' }, { cause });
  }
}
