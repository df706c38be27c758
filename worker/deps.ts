import type { PatchEmbedder } from '../src/core/image/patch-embedder.ts';
import { type Fleet, NEW_FLEET } from '../src/core/upstream/fleet.ts';
import type { KnownSight } from '../src/core/upstream/sight.ts';
import { assetFiles, type Bundle, openBundle, r2Files } from './bundle.ts';
import { type Config, readConfig } from './env.ts';
import type { LedgerEntry } from './ledger.ts';
import { createPatchSession } from './patch-session.ts';

/** One structured line; never prompts, images, keys or query strings. */
export type Log = (entry: Record<string, string | number | null>) => void;

/** Everything the app takes from outside. */
export interface Deps {
  config: Config;
  bundle: Bundle;
  embedder: PatchEmbedder & { warm(): Promise<void> };
  /** Reaches upstream and image hosts. */
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Milliseconds on a clock that never goes back. Cloudflare stops it while code runs; it advances with I/O. */
  now: () => number;
  unixSeconds: () => number;
  /** A random name that cannot be guessed. */
  newId: () => string;
  /** 0 to 1; spreads load and retries, and names nothing. */
  random: () => number;
  /** What this isolate has seen of its upstreams; each isolate finds out for itself. */
  fleet: { current: Fleet };
  /** What this isolate has found out about the sight of its upstreams; see self-test.ts. */
  sights: Map<string, KnownSight>;
  /** Keeps the account of what each request cost upstream. */
  ledger: (entry: LedgerEntry) => void;
  log: Log;
}

/** Wires the app to workerd. Throws RequestError `misconfigured`. */
export function createDeps(env: object): Deps {
  const config = readConfig(env);
  const source = config.bundle;
  const bundle = openBundle(
    source.from === 'assets' ? assetFiles(source.assets) : r2Files(source.bucket, source.prefix),
  );
  return {
    config,
    bundle,
    embedder: createPatchSession(bundle),
    fetch: (url, init) => fetch(url, init),
    now: () => performance.now(),
    unixSeconds: () => Math.floor(Date.now() / 1000),
    newId: () => crypto.randomUUID().replaceAll('-', ''),
    random: () => Math.random(),
    fleet: { current: NEW_FLEET },
    sights: new Map(),
    ledger: (entry) => console.log(JSON.stringify({ level: 'info', ...entry })),
    log: (entry) => console.error(JSON.stringify(entry)),
  };
}
