import type { WarmEmbedder } from '../src/core/image/patch-embedder.ts';
import { assetFiles, type Bundle, openBundle, r2Files } from './bundle.ts';
import { type Config, readConfig } from './env.ts';
import { createPatchEmbedder } from './patch-embedder.ts';

/** One structured line; never prompts, images, keys or query strings. */
export type Log = (entry: Record<string, string | number | null>) => void;

/** Everything the app takes from outside. */
export interface Deps {
  config: Config;
  bundle: Bundle;
  embedder: WarmEmbedder;
  /** Reaches upstream and image hosts. */
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Milliseconds on a clock that never goes back. Cloudflare stops it while code runs; it advances with I/O. */
  now: () => number;
  unixSeconds: () => number;
  /** A random name that cannot be guessed. */
  newId: () => string;
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
    embedder: createPatchEmbedder(env, bundle),
    fetch: (url, init) => fetch(url, init),
    now: () => performance.now(),
    unixSeconds: () => Math.floor(Date.now() / 1000),
    newId: () => crypto.randomUUID().replaceAll('-', ''),
    log: (entry) => console.error(JSON.stringify(entry)),
  };
}
