import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { freePort, type RunningServer } from '../../examples/processes.ts';

/** Reads the body, sends it on, and hands the answer's stream back as it is. */
const script = (upstreamUrl: string): string => `export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    const { headers, body } = await fetch('${upstreamUrl}' + pathname, { method: 'POST', body: await request.text() });
    return new Response(body, { headers: { 'content-type': headers.get('content-type') } });
  },
};`;

/** The least that any worker in workerd adds: what the worker's own figure is to be seen against. */
export async function startBareRelay(upstreamUrl: string): Promise<RunningServer> {
  const port = await freePort();
  const worker = {
    name: 'bare-relay',
    modules: true as const,
    compatibilityDate: '2026-11-09',
    script: script(upstreamUrl),
    unsafeDirectSockets: [{ host: '127.0.0.1', port }],
  };
  const miniflare = new Miniflare(convertV4MiniflareOptions({ workers: [worker] }));
  await miniflare.ready;
  return { url: `http://127.0.0.1:${port}`, stop: () => miniflare.dispose() };
}
