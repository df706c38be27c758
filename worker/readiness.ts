import { READY_CACHE_MS } from '../src/core/limits.ts';
import type { Deps } from './deps.ts';
import { describeError } from './describe-error.ts';
import { servedModels } from './model-chain.ts';
import { sightOfModel } from './named-bundles.ts';
import { upstreamCheck } from './upstream-check.ts';

type Verdict = 'ok' | 'failed';

/** Whether requests can be answered now. Names only: what is wrong with a check is the log's to say. */
export interface ReadinessReport {
  status: 'ready' | 'unready';
  /** What every request needs. */
  checks: Record<string, Verdict>;
  /** Model servers by name; each model needs one. */
  upstreams: Record<string, Verdict>;
}

/** One thing that requests need; rejects where it is missing. */
type Check = () => Promise<unknown>;

/** Keeps work alive that later reports share. */
type WaitUntil = (work: Promise<unknown>) => void;

/** Asks all that requests need, at most once in READY_CACHE_MS. */
export function createReadiness(deps: Deps): (waitUntil: WaitUntil) => Promise<ReadinessReport> {
  const { now } = deps;
  let last: { report: ReadinessReport; atMs: number } | undefined;
  return async (waitUntil) => {
    if (last === undefined || now() - last.atMs >= READY_CACHE_MS) {
      last = { report: await report(deps, waitUntil), atMs: now() };
    }
    return last.report;
  };
}

async function report(deps: Deps, waitUntil: WaitUntil): Promise<ReadinessReport> {
  const { config, log } = deps;
  const bundles = config.upstreams
    .filter(({ wires }) => wires.some((wire) => wire !== 'original'))
    .map((upstream): [string, Check] => [
      upstream.bundle === null ? 'bundle' : `bundle ${upstream.bundle}`,
      () => sightOfModel(deps, upstream).bundle.manifest(),
    ]);
  const [checks, upstreams] = await Promise.all([
    runAll(Object.fromEntries(bundles), log),
    runAll(
      Object.fromEntries(config.upstreams.map((upstream) => [upstream.name, upstreamCheck(deps, upstream, waitUntil)])),
      log,
    ),
  ]);
  const isServed = (model: string): boolean =>
    config.upstreams.some(({ name, serves }) => serves === model && upstreams[name] === 'ok');
  const isReady = Object.values(checks).every((verdict) => verdict === 'ok') && servedModels(config).every(isServed);
  return { status: isReady ? 'ready' : 'unready', checks, upstreams };
}

async function runAll(checks: Record<string, Check>, log: Deps['log']): Promise<Record<string, Verdict>> {
  const verdicts = Object.entries(checks).map(async ([name, check]): Promise<[string, Verdict]> => {
    try {
      await check();
      return [name, 'ok'];
    } catch (error) {
      const { failure, message } = describeError(error);
      log({ level: 'error', readiness: name, failure, message });
      return [name, 'failed'];
    }
  });
  return Object.fromEntries(await Promise.all(verdicts));
}
