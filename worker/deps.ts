import type { WarmEmbedder } from '../src/core/image/patch-embedder.ts';
import { DOWNLOADS_MAX_BYTES, INCOMING_MAX_BYTES, MADE_MAX_BYTES, ROOM_WAIT_MAX_MS } from '../src/core/limits.ts';
import { type Fleet, NEW_FLEET } from '../src/core/upstream/fleet.ts';
import type { KnownSight } from '../src/core/upstream/sight.ts';
import { assetFiles, type Bundle, openBundle, r2Files } from './bundle.ts';
import { type ConvertImage, imagesBinding } from './convert-image.ts';
import { type Config, readConfig } from './env.ts';
import { type ImageMemory, imageMemory } from './image-memory.ts';
import type { LogEntry } from './log-line.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { holdNamedBundles, type NamedBundles } from './named-bundles.ts';
import { holdOwnerNames, type OwnerNames } from './owner-names.ts';
import { createPatchEmbedder } from './patch-embedder.ts';
import { createRecorder } from './recorder.ts';
import type { Outcome } from './request-record.ts';
import { createRoom, type Room } from './room.ts';
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
  /** 0 to 1; spreads load and retries, and names nothing. */
  random: () => number;
  log: Log;
  trace: Trace;
  /** This isolate's memory, as its requests share it. */
  rooms: Rooms;
}

/** Everything the app takes from outside. */
export interface Deps extends World {
  config: Config;
  bundle: Bundle;
  embedder: WarmEmbedder;
  /** Bundles of models that have their own. */
  namedBundle: NamedBundles;
  /** What this isolate has seen of its upstreams; each isolate finds out for itself. */
  fleet: { current: Fleet };
  /** What this isolate has found out about the sight of its upstreams; see self-test.ts. */
  sights: Map<string, KnownSight>;
  /** Names for what is remembered between requests; null where nothing is. */
  ownerNames: ((owner: string) => OwnerNames) | null;
  /** What is remembered of images between requests. */
  imageMemory: ImageMemory;
  /** Null where the Images binding is not there. */
  convert: ConvertImage | null;
  metrics: Metrics;
  /** Takes what is known of a request at its end. */
  record: (outcome: Outcome) => void;
}

/** Whoever is in a room may wait for one that comes after it here, and for none before: nobody waits for each other. */
export interface Rooms {
  /** Bodies of requests, and files of jobs. */
  incoming: Room;
  /** Files from elsewhere, until a picture is made of each. */
  downloads: Room;
  /** What is made of pictures, until it is sent and kept. */
  made: Room;
}

/** The world as workerd has it. */
export function createWorld(): World {
  return {
    fetch: (url, init) => fetch(url, init),
    now: () => performance.now(),
    unixSeconds: () => Math.floor(Date.now() / 1000),
    newId: () => crypto.randomUUID().replaceAll('-', ''),
    random: () => Math.random(),
    log: (entry) => (entry['level'] === 'error' ? console.error : console.log)(JSON.stringify(entry)),
    trace: runtimeTrace(),
    rooms: openRooms(),
  };
}

/** Wires the app to its configuration. Throws RequestError `misconfigured`. */
export function createDeps(env: object, world: World): Deps {
  const config = readConfig(env);
  const { bundle: source, patchEmbed } = config;
  const bundle = openBundle(
    source.from === 'assets' ? assetFiles(source.assets) : r2Files(source.bucket, source.prefix),
  );
  const namedBundle = holdNamedBundles((name) => {
    const files = source.from === 'assets' ? assetFiles(source.assets, `${name}/`) : r2Files(source.bucket, `${name}/`);
    const named = openBundle(files);
    return { bundle: named, embedder: createPatchEmbedder(patchEmbed, named) };
  });
  const metrics = createMetrics(world.unixSeconds());
  return {
    ...world,
    config,
    bundle,
    embedder: createPatchEmbedder(patchEmbed, bundle),
    namedBundle,
    metrics,
    fleet: { current: NEW_FLEET },
    sights: new Map(),
    ownerNames: config.imageReuse === null ? null : holdOwnerNames(config.imageReuse.secret),
    imageMemory: imageMemory(caches.default),
    convert: config.images === null ? null : imagesBinding(config.images),
    record: createRecorder({ log: world.log, metrics, analytics: config.analytics }),
  };
}

export function openRooms(): Rooms {
  return {
    incoming: createRoom(INCOMING_MAX_BYTES, ROOM_WAIT_MAX_MS),
    downloads: createRoom(DOWNLOADS_MAX_BYTES, ROOM_WAIT_MAX_MS),
    made: createRoom(MADE_MAX_BYTES, ROOM_WAIT_MAX_MS),
  };
}
