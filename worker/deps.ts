import type { PatchEmbedder } from '../src/core/image/patch-embedder.ts';
import { assetFiles, type Bundle, openBundle, r2Files } from './bundle.ts';
import { type Config, readConfig } from './env.ts';
import type { LogEntry } from './log-line.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { createPatchSession } from './patch-session.ts';
import { createRecorder } from './recorder.ts';
import type { Outcome } from './request-record.ts';
import { runtimeTrace, type Trace } from './trace.ts';

/** One structured line; never prompts, images, keys or query strings. */
export type Log = (entry: LogEntry) => void;

/** Network, clock, randomness and where lines and spans go: what is there before any configuration is read. */
export interface World {
  /** Reaches upstream and image hosts. */
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Milliseconds on a clock that never goes back. Cloudflare stops it while code runs; it advances with I/O. */
  now: () => number;
  unixSeconds: () => number;
  /** A random name that cannot be guessed. */
  newId: () => string;
  log: Log;
  trace: Trace;
}

/** Everything the app takes from outside. */
export interface Deps extends World {
  config: Config;
  bundle: Bundle;
  embedder: PatchEmbedder & { warm(): Promise<void> };
  metrics: Metrics;
  /** Takes what is known of a request at its end. */
  record: (outcome: Outcome) => void;
}

/** The world as workerd has it. */
export function createWorld(): World {
  return {
    fetch: (url, init) => fetch(url, init),
    now: () => performance.now(),
    unixSeconds: () => Math.floor(Date.now() / 1000),
    newId: () => crypto.randomUUID().replaceAll('-', ''),
    log: (entry) => (entry['level'] === 'error' ? console.error : console.log)(JSON.stringify(entry)),
    trace: runtimeTrace(),
  };
}

/** Wires the app to its configuration. Throws RequestError `misconfigured`. */
export function createDeps(env: object, world: World): Deps {
  const config = readConfig(env);
  const source = config.bundle;
  const bundle = openBundle(
    source.from === 'assets' ? assetFiles(source.assets) : r2Files(source.bucket, source.prefix),
  );
  const metrics = createMetrics(world.unixSeconds());
  return {
    ...world,
    config,
    bundle,
    embedder: createPatchSession(bundle),
    metrics,
    record: createRecorder({ log: world.log, metrics, analytics: config.analytics }),
  };
}
