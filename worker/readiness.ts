import { READY_CACHE_MS, READY_TIMEOUT_MS } from '../src/core/limits.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import type { Deps } from './deps.ts';
import { describeError } from './describe-error.ts';

/** Whether requests can be answered now. Names only: what is wrong with a check is the log's to say. */
export interface ReadinessReport {
  status: 'ready' | 'unready';
  checks: Record<string, 'ok' | 'failed'>;
}

/** One thing that requests need; rejects where it is missing. */
export type ReadinessCheck = () => Promise<unknown>;

/** What every request of this deployment needs. */
export function readinessChecks({ config, bundle, fetch }: Deps): Record<string, ReadinessCheck> {
  const { url, apiKey, wire } = config.upstream;
  const upstream = async (): Promise<void> => {
    const status = await statusOf(fetch, `${url.href.replace(/\/$/, '')}/v1/models`, apiKey);
    if (status !== 200) {
      const message = `The model server answered ${status} to /v1/models`;
      throw new RequestError({ kind: 'upstream-rejected', status, message });
    }
  };
  return wire === 'original' ? { upstream } : { bundle: () => bundle.manifest(), upstream };
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

/** Runs the checks, at most once in READY_CACHE_MS. */
export function createReadiness(
  checks: Record<string, ReadinessCheck>,
  { now, log }: Pick<Deps, 'now' | 'log'>,
): () => Promise<ReadinessReport> {
  let last: { report: ReadinessReport; atMs: number } | undefined;
  return async () => {
    if (last === undefined || now() - last.atMs >= READY_CACHE_MS) {
      last = { report: await runChecks(checks, log), atMs: now() };
    }
    return last.report;
  };
}

async function runChecks(checks: Record<string, ReadinessCheck>, log: Deps['log']): Promise<ReadinessReport> {
  const results = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      try {
        await check();
        return [name, 'ok'] as const;
      } catch (error) {
        const { failure, message } = describeError(error);
        log({ level: 'error', readiness: name, failure, message });
        return [name, 'failed'] as const;
      }
    }),
  );
  const status = results.every(([, result]) => result === 'ok') ? 'ready' : 'unready';
  return { status, checks: Object.fromEntries(results) };
}
