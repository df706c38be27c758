import { createExecutionContext } from 'cloudflare:test';
import { inject } from 'vitest';
import { createApp } from '../../worker/app.ts';
import { PROFILES, type WireForm } from '../../src/core/upstream/capability.ts';
import { NEW_FLEET } from '../../src/core/upstream/fleet.ts';
import { ANYWHERE } from '../../src/core/upstream/region.ts';
import { openBundle } from '../../worker/bundle.ts';
import { type Deps, openRooms } from '../../worker/deps.ts';
import type { Config } from '../../worker/env.ts';
import { imageMemory } from '../../worker/image-memory.ts';
import { type LogEntry, logLine } from '../../worker/log-line.ts';
import { createMetrics } from '../../worker/metrics.ts';
import type { Upstream } from '../../worker/upstream-config.ts';
import { createPatchEmbedder } from '../../worker/patch-embedder.ts';
import type { Outcome } from '../../worker/request-record.ts';
import { NO_TRACE } from '../../worker/trace.ts';
import { checkedResponse } from '../conformance/checked-response.ts';
import type { FakeUpstream } from './fake-upstream.ts';
import { repositoryFile } from './repository-file.ts';

declare module 'vitest' {
  interface ProvidedContext {
    artifacts: { edge: string };
  }
}

/** Folder of the edge bundle that the global setup built. */
export const EDGE_BUNDLE = `${inject('artifacts').edge}/`;

/** The real bundle and one embedder for all tests of a file. */
export const bundle = openBundle({ read: (path) => repositoryFile(EDGE_BUNDLE + path) });
const embedder = createPatchEmbedder('kernel', bundle);

export interface TestApp {
  /** Sends a request as a client would. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  chat(body: object, init?: RequestInit): Promise<Response>;
  /** Log lines of level error. */
  logged: LogEntry[];
  /** What was recorded of each request at its end. */
  outcomes: Outcome[];
  deps: Deps;
}

/** An upstream as `vora serve` would be configured. */
export function testUpstream(fields: Partial<Upstream> = {}): Upstream {
  return {
    name: 'upstream',
    url: 'http://upstream.test',
    apiKey: 'upstream-key',
    server: 'vora',
    wires: ['image_embeds'],
    bundle: null,
    uplinkMbps: 1000,
    model: 'upstream-model',
    serves: 'vora-random',
    can: new Set(PROFILES.vora.can),
    weight: 1,
    near: ANYWHERE,
    firstByteMs: 60_000,
    idleMs: 60_000,
    coldStartMs: 0,
    ...fields,
  };
}

/** The configuration of the test app; serves anybody. */
export function testConfig(fields: Partial<Config> = {}): Config {
  return {
    model: 'vora-random',
    keys: null,
    tenancy: null,
    metrics: 'off',
    analytics: null,
    images: null,
    taskPrompts: () => ({ caption: 'Describe the image.', ocr: 'Read the text.' }),
    upstreams: [testUpstream()],
    fallbacks: new Map(),
    hedgeAfterMs: null,
    streamGraceMs: 600,
    selfTest: 'readyz',
    imageReuse: null,
    playground: true,
    patchEmbed: 'kernel',
    bundle: { from: 'r2', bucket: {} as R2Bucket, prefix: '' },
    ...fields,
  };
}

/** The whole app with a scripted upstream; `deps` replaces parts of it. */
export function testApp(
  upstream: Pick<FakeUpstream, 'fetch'>,
  { wire = 'image_embeds', ...deps }: { wire?: WireForm } & Partial<Deps> = {},
): TestApp {
  const logged: TestApp['logged'] = [];
  const outcomes: Outcome[] = [];
  let ids = 0;
  const all: Deps = {
    config: testConfig({ upstreams: [testUpstream({ wires: [wire] })] }),
    bundle,
    embedder,
    namedBundle: () => {
      throw new Error('no other bundle here');
    },
    fetch: upstream.fetch,
    now: () => performance.now(),
    unixSeconds: () => 1_700_000_000,
    newId: () => `id${ids++}x${crypto.randomUUID()}`,
    random: () => 0.5,
    fleet: { current: NEW_FLEET },
    sights: new Map(),
    ownerNames: null,
    imageMemory: imageMemory(caches.default),
    rooms: openRooms(),
    convert: null,
    log: (entry) => logged.push(entry),
    trace: NO_TRACE,
    metrics: createMetrics(1_700_000_000),
    record(outcome) {
      outcomes.push(outcome);
      const line = logLine(outcome);
      if (line['level'] === 'error') {
        logged.push(line);
      }
    },
    ...deps,
  };
  const app = createApp(all);
  const send = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const request = new Request(`https://edge.test${path}`, init);
    return checkedResponse(await app.fetch(request, {}, createExecutionContext()), { method: request.method, path });
  };
  return {
    fetch: send,
    chat: (body, init) =>
      send('/v1/chat/completions', {
        method: 'POST',
        body: JSON.stringify({ model: 'vora-random', ...body }),
        ...init,
      }),
    logged,
    outcomes,
    deps: all,
  };
}

/** A user message with text, and images given as URLs before it. */
export function question(text: string, ...urls: string[]): { messages: object[] } {
  const images = urls.map((url) => ({ type: 'image_url', image_url: { url } }));
  return { messages: [{ role: 'user', content: [...images, { type: 'text', text }] }] };
}

export function dataUrl(bytes: Uint8Array, type = 'image/png'): string {
  let binary = '';
  for (const byte of bytes) {
    binary += String.fromCharCode(byte);
  }
  return `data:${type};base64,${btoa(binary)}`;
}

/** Data of the events of a response, as every client reads them. */
export async function events(response: Response): Promise<string[]> {
  return (await response.text())
    .split('\n\n')
    .map((block) => /^data: (.*)$/m.exec(block)?.[1])
    .filter((data) => data !== undefined);
}
