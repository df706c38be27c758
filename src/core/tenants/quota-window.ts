import type { Quota } from './settings.ts';

/** One stretch of time over which a quota counts; they follow each other from the epoch on. */
export interface QuotaWindow extends Quota {
  startsAt: number;
  endsAt: number;
}

export interface WindowUse extends QuotaWindow {
  used: number;
}

const SECONDS: Record<Quota['per'], number> = { minute: 60, hour: 3600, day: 86_400, '30days': 30 * 86_400 };

export function quotaWindow(quota: Quota, unixSeconds: number): QuotaWindow {
  const length = SECONDS[quota.per];
  const startsAt = Math.floor(unixSeconds / length) * length;
  return { ...quota, startsAt, endsAt: startsAt + length };
}

/**
 * OpenAI's `x-ratelimit-*` headers: of requests and of tokens, the quota that has the least left.
 */
export function quotaHeaders(uses: readonly WindowUse[], unixSeconds: number): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const of of ['requests', 'tokens'] as const) {
    const [tightest] = uses.filter((use) => use.of === of).sort((a, b) => left(a) - left(b));
    if (tightest !== undefined) {
      headers[`x-ratelimit-limit-${of}`] = String(tightest.limit);
      headers[`x-ratelimit-remaining-${of}`] = String(left(tightest));
      headers[`x-ratelimit-reset-${of}`] = `${tightest.endsAt - unixSeconds}s`;
    }
  }
  return headers;
}

function left({ limit, used }: WindowUse): number {
  return Math.max(0, limit - used);
}
