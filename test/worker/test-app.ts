import { createExecutionContext } from 'cloudflare:test';
import { inject } from 'vitest';
import { createApp } from '../../worker/app.ts';
import { openBundle } from '../../worker/bundle.ts';
import type { Deps } from '../../worker/deps.ts';
import type { WireForm } from '../../worker/env.ts';
import { createPatchEmbedder } from '../../worker/patch-embedder.ts';
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
const embedder = createPatchEmbedder({}, bundle);

export interface TestApp {
  /** Sends a request as a client would. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  chat(body: object, init?: RequestInit): Promise<Response>;
  logged: Record<string, string | number | null>[];
}

/** The whole app with a scripted upstream; `deps` replaces parts of it. */
export function testApp(
  upstream: Pick<FakeUpstream, 'fetch'>,
  { wire = 'image_embeds', ...deps }: { wire?: WireForm } & Partial<Deps> = {},
): TestApp {
  const logged: TestApp['logged'] = [];
  let ids = 0;
  const app = createApp({
    config: {
      model: 'vora-random',
      keySha256: null,
      upstream: { url: new URL('http://upstream.test/'), apiKey: 'upstream-key', wire, model: 'upstream-model' },
      bundle: { from: 'r2', bucket: {} as R2Bucket, prefix: '' },
    },
    bundle,
    embedder,
    fetch: upstream.fetch,
    now: () => performance.now(),
    unixSeconds: () => 1_700_000_000,
    newId: () => `id${ids++}x${crypto.randomUUID()}`,
    log: (entry) => logged.push(entry),
    ...deps,
  });
  const send = async (path: string, init?: RequestInit) =>
    app.fetch(new Request(`https://edge.test${path}`, init), {}, createExecutionContext());
  return {
    fetch: send,
    chat: (body, init) =>
      send('/v1/chat/completions', {
        method: 'POST',
        body: JSON.stringify({ model: 'vora-random', ...body }),
        ...init,
      }),
    logged,
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
    .filter((block) => block.startsWith('data: '))
    .map((block) => block.slice('data: '.length));
}
