import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type FaultServer, startFaultServer } from '../../bench/faults/server.ts';
import { type BuiltWorker, buildWorker, startBuiltWorker } from '../../examples/built-worker.ts';

/** How long a client stays; the grace in which a stream keeps its real status is over by then, or not. */
const STAYS_MS = [150, 1_000];
const NOTICED_WITHIN_MS = 1_000;

let faults: FaultServer;
let worker: BuiltWorker;

beforeAll(async () => {
  faults = await startFaultServer();
  const upstream = (name: string, more: object = {}) => ({
    name,
    serves: name,
    url: faults.url,
    server: 'openai',
    wire: 'original',
    ...more,
  });
  const upstreams = [
    ...['ok', 'slow-headers', 'stall-first', 'stall', 'slow-tokens', 'slow-prefill'].map((name) => upstream(name)),
    upstream('cold-start', { cold_start_ms: 60_000 }),
    upstream('hedge-1', { serves: 'hedged', model: 'slow-headers' }),
    upstream('hedge-2', { serves: 'hedged', model: 'stall-first' }),
  ];
  worker = await startBuiltWorker({
    modules: await buildWorker(),
    vars: { MODEL: 'ok', UPSTREAMS: upstreams, HEDGE_AFTER_MS: 100 },
  });
});

afterAll(async () => {
  await worker?.stop();
  await faults?.close();
});

/** How a client's connection ends: FIN is what closing a tab or aborting a fetch sends, RST what a crash does. */
type Leaving = 'FIN' | 'RST';

/** Asks, stays for a while and leaves; how many calls that made upstream, and milliseconds until all were closed. */
async function leave(
  model: string,
  stream: boolean,
  how: Leaving,
  stayMs: number,
): Promise<{ calls: number; closedMs: number }> {
  const before = faults.requests.length;
  const { hostname, port } = new URL(worker.url);
  const socket = connect(Number(port), hostname).on('error', () => undefined);
  await once(socket, 'connect');
  socket.resume();
  const body = JSON.stringify({ model, stream, messages: [{ role: 'user', content: 'Hi' }] });
  const head = ['POST /v1/chat/completions HTTP/1.1', 'host: worker', `content-length: ${body.length}`];
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  await sleep(stayMs);
  const calls = faults.requests.slice(before);
  expect(calls.length).toBeGreaterThan(0);
  expect(calls.filter(({ closed }) => closed !== null && closed.by === 'client')).toEqual([]);
  if (how === 'FIN') {
    socket.destroy();
  } else {
    socket.resetAndDestroy();
  }
  const left = performance.now();
  await vi.waitFor(
    () => {
      expect(calls.every(({ closed }) => closed !== null)).toBe(true);
    },
    { timeout: 5_000, interval: 10 },
  );
  return { calls: calls.length, closedMs: performance.now() - left };
}

describe('upstream is closed within a second of its client', () => {
  const phases = [
    ['before headers', 'slow-headers'],
    ['in prefill', 'stall-first'],
    ['mid-stream', 'stall'],
    ['mid-stream, while tokens come', 'slow-tokens'],
  ] as const;
  const streams = phases.flatMap(([phase, model]) =>
    (['FIN', 'RST'] as const).flatMap((how) => STAYS_MS.map((stayMs) => ({ phase, model, how, stayMs }))),
  );

  // Its tokens are over before a client that stays for a second has left.
  it.each(streams.filter(({ model, stayMs }) => model !== 'slow-tokens' || stayMs < 1_000))(
    '$phase: a stream whose client leaves by $how after $stayMs ms',
    async ({ model, how, stayMs }) => {
      const { closedMs } = await leave(model, true, how, stayMs);
      expect(closedMs).toBeLessThan(NOTICED_WITHIN_MS);
    },
  );

  it.each(['FIN', 'RST'] as const)('both of a hedge are, when the client leaves by %s', async (how) => {
    const { calls, closedMs } = await leave('hedged', true, how, 500);
    expect(calls).toBe(2);
    expect(closedMs).toBeLessThan(NOTICED_WITHIN_MS);
  });

  // A whole answer has nothing to be written before its end, and workerd notices a FIN only by writing.
  it.each(phases.filter(([, model]) => model !== 'slow-tokens'))(
    '%s: a whole answer whose client leaves by RST',
    async (_, model) => {
      const { closedMs } = await leave(model, false, 'RST', 300);
      expect(closedMs).toBeLessThan(NOTICED_WITHIN_MS);
    },
  );

  it('and no further try is made for a client that left between two', async () => {
    await leave('cold-start', true, 'FIN', 1_500);
    const tries = faults.requests.filter(({ fault }) => fault === 'cold-start').length;
    await sleep(2_500);
    expect(faults.requests.filter(({ fault }) => fault === 'cold-start').length).toBe(tries);
  });

  it('and what had come is on record', async () => {
    const before = worker.logs.length;
    await leave('stall', true, 'FIN', 300);
    await vi.waitFor(() => expect(worker.logs).toHaveLength(before + 1));
    expect(JSON.parse(worker.logs[before] ?? '')).toMatchObject({
      how: 'left',
      model: 'stall',
      completion_tokens: 3,
      tokens_counted: true,
      billed: 0,
      calls: [{ outcome: 'dropped', pieces: 3 }],
    });
  });
});

/** Milliseconds from the request at which each read of a stream came, and its text. */
async function reads(model: string): Promise<{ atMs: number; text: string }[]> {
  const started = performance.now();
  const response = await fetch(`${worker.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'Hi' }] }),
  });
  const decoder = new TextDecoder();
  const found: { atMs: number; text: string }[] = [];
  for await (const bytes of response.body ?? []) {
    found.push({ atMs: performance.now() - started, text: decoder.decode(bytes, { stream: true }) });
  }
  return found;
}

describe('a stream', () => {
  it('of 20 tokens, 50 ms apart, arrives in at least 18 reads', async () => {
    const tokens = (await reads('slow-tokens')).filter(({ text }) => /"content":"\d/.test(text));
    expect(tokens.length).toBeGreaterThanOrEqual(18);
  });

  it('with 20 s of prefill is never silent for longer than 10 s', { timeout: 60_000 }, async () => {
    const all = await reads('slow-prefill');
    const times = [0, ...all.map(({ atMs }) => atMs)];
    const silences = times.slice(1).map((atMs, i) => atMs - (times[i] ?? 0));
    expect(all[0]?.text).toBe(': ping\n\n');
    expect(times.at(-1)).toBeGreaterThan(20_000);
    expect(Math.max(...silences)).toBeLessThan(10_000);
    expect(all.at(-1)?.text).toContain('[DONE]');
  });
});
