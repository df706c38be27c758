import { setTimeout as sleep } from 'node:timers/promises';

/** Longer than any test waits, and still an end, so that the server can be closed. */
const STALL_MS = 3000;
const TRICKLE_MS = 20;

/** A host that takes its time, by path: `/silent` does not answer, `/stalled` stops in its body, `/trickle` draws it out. */
export async function serveStalls(request: { url: string }): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === '/silent') {
    await sleep(STALL_MS);
    return new Response('late');
  }
  if (pathname === '/redirect') {
    return new Response(null, { status: 302, headers: { location: '/silent' } });
  }
  const pauseMs = pathname === '/stalled' ? STALL_MS : TRICKLE_MS;
  let leftMs = STALL_MS;
  const body = new ReadableStream<Uint8Array>({
    async pull(out) {
      out.enqueue(new Uint8Array(1024));
      await sleep(pauseMs);
      leftMs -= pauseMs;
      if (leftMs <= 0) {
        out.close();
      }
    },
  });
  return new Response(body);
}
