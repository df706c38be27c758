import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { type BuiltWorker, buildWorker, startBuiltWorker } from '../../examples/built-worker.ts';
import type { RunningServer } from '../../examples/processes.ts';
import { startEndpoint } from '../../examples/whole-line.ts';
import { CLIENTS } from './clients.ts';

const GOLDEN = resolve(import.meta.dirname, '../fixtures/golden');
const MODEL = 'vora-random';
const PICTURE = 'images/png-rgb.png';
const PICTURE_HOST = 'pictures.example';
const DATA_URL = `data:image/png;base64,${readFileSync(join(GOLDEN, PICTURE)).toString('base64')}`;

let endpoint: RunningServer;
let worker: BuiltWorker;
/** The same with a way to a host of pictures; what it fetches goes through Node, which ends no fetch early. */
let reader: BuiltWorker;

beforeAll(async () => {
  endpoint = await startEndpoint(inject('artifacts').onnx);
  const plan = {
    modules: await buildWorker(),
    edgeFolder: inject('artifacts').edge,
    vars: { UPSTREAM_URL: endpoint.url },
  };
  const answer = async (path: string) => new Response(await readFile(join(GOLDEN, path)));
  [worker, reader] = await Promise.all([
    startBuiltWorker(plan),
    startBuiltWorker({ ...plan, host: { name: PICTURE_HOST, answer } }),
  ]);
});

afterAll(async () => {
  await Promise.all([worker?.stop(), reader?.stop()]);
  await endpoint?.stop();
});

/** Answers that the endpoint is working on. */
async function running(): Promise<number> {
  return ((await (await fetch(`${endpoint.url}/health`)).json()) as { running: number }).running;
}

describe.each(CLIENTS)('$name', (client) => {
  const base = (of: BuiltWorker): string => `${of.url}/v1`;

  it('chats, with and without a picture, streamed or not, with the same words', async () => {
    for (const image of [{}, { image: DATA_URL }]) {
      const [whole, streamed] = [
        await client.ask(base(worker), MODEL, { stream: false, maxTokens: 12, ...image }),
        await client.ask(base(worker), MODEL, { stream: true, maxTokens: 12, ...image }),
      ];
      expect(whole.length).toBeGreaterThan(0);
      expect(streamed).toBe(whole);
    }
  });

  it('shows a picture by https URL as by data URL', async () => {
    const ask = (of: BuiltWorker, image: string) =>
      client.ask(base(of), MODEL, { stream: false, maxTokens: 12, image });
    const byUrl = await ask(reader, `https://${PICTURE_HOST}/${PICTURE}`);
    expect(byUrl).toBe(await ask(worker, DATA_URL));
    expect(byUrl).not.toBe(await client.ask(base(worker), MODEL, { stream: false, maxTokens: 12 }));
  });

  it('has a tool called, and a form filled', async () => {
    const digit = { digit: expect.toSatisfy((value) => Number.isInteger(value) && value >= 0 && value <= 9) as number };
    expect(await client.callTool(base(worker), MODEL)).toEqual(digit);
    expect(await client.fillForm(base(worker), MODEL)).toEqual(digit);
  });

  it('is told what is wrong', async () => {
    for (const stream of [true, false]) {
      await expect(client.ask(base(worker), 'gpt-4o', { stream })).rejects.toThrow(/gpt-4o/);
      const broken = client.ask(base(worker), MODEL, { stream, image: 'data:image/png;base64,AAAA' });
      await expect(broken).rejects.toThrow(/image/);
    }
  });

  it('leaves mid-answer, and the model stops within a second', async () => {
    const left = new AbortController();
    let leftMs = 0;
    const onPiece = (): void => {
      leftMs ||= performance.now();
      left.abort();
    };
    const answer = client.ask(base(worker), MODEL, { stream: true, maxTokens: 1800, signal: left.signal, onPiece });
    await answer.catch(() => undefined);
    expect(leftMs).toBeGreaterThan(0);
    await vi.waitFor(async () => expect(await running()).toBe(0), { timeout: 5_000, interval: 20 });
    expect(performance.now() - leftMs).toBeLessThan(1_000);
  });
});
