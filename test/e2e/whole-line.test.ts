import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import type { RunningServer } from '../../examples/processes.ts';
import { startEndpoint, startWorker, type WorkerPlan } from '../../examples/whole-line.ts';
import { vora } from '../support/build-artifacts.ts';

const GOLDEN = resolve(import.meta.dirname, '../fixtures/golden');
const MODEL = 'vora-random';
const GREEDY_TOKENS = 32;
const MIME: Record<string, string> = { png: 'image/png', jpg: 'image/jpeg', webp: 'image/webp' };

type Part = { type: 'text'; text: string } | { type: 'image_url'; image_url: { url: string } };
interface GoldenPrompt {
  name: string;
  mode: 'square' | 'native';
  messages: { role: string; content: string | Part[] }[];
  promptTokens: number;
  text: string;
}

const allPrompts = JSON.parse(readFileSync(join(GOLDEN, 'prompts.json'), 'utf8')) as GoldenPrompt[];
const prompts = allPrompts.filter(({ mode }) => mode === 'square');

let endpoint: RunningServer;

beforeAll(async () => {
  endpoint = await startEndpoint(inject('artifacts').onnx);
});

afterAll(async () => {
  await endpoint?.stop();
});

describe.each<WorkerPlan['wire']>(['image_embeds', 'pixels', 'original'])('worker → endpoint by %s', (wire) => {
  let worker: RunningServer;
  let client: OpenAI;

  beforeAll(async () => {
    worker = await startWorker({
      model: MODEL,
      edgeFolder: inject('artifacts').edge,
      upstreamUrl: endpoint.url,
      wire,
      // Each picture is answered only after four answers have proven that pictures arrive.
      vars: ['SELF_TEST:require'],
    });
    client = new OpenAI({ baseURL: `${worker.url}/v1`, apiKey: 'none', maxRetries: 0 });
  });

  afterAll(async () => {
    await worker?.stop();
  });

  it.each(prompts)('gives the words of the reference, streamed and whole: $name', async (prompt) => {
    const request = greedy(prompt);
    const whole = await client.chat.completions.create(request);
    expect(whole.choices[0]?.message.content).toBe(prompt.text);
    expect(whole.usage?.prompt_tokens).toBe(prompt.promptTokens);

    // Asked again, the worker sends no image, and the endpoint reads no prompt, twice.
    const { data: stream, response } = await client.chat.completions
      .create({ ...request, stream: true, stream_options: { include_usage: true } })
      .withResponse();
    const images = prompt.messages
      .flatMap(({ content }): Part[] => (typeof content === 'string' ? [] : content))
      .filter(({ type }) => type === 'image_url').length;
    expect(response.headers.get('x-vora-wire') ?? 'none').toMatch(
      images === 0 ? /^none$/ : new RegExp(`^${wire};images=${images};held=${images};cached=0;bytes=0;`),
    );
    let text = '';
    const finishReasons = [];
    let usage;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      finishReasons.push(...chunk.choices.map((choice) => choice.finish_reason).filter((reason) => reason !== null));
      usage = chunk.usage ?? usage;
    }
    expect(text).toBe(prompt.text);
    expect(finishReasons).toEqual(['length']);
    expect(usage?.prompt_tokens).toBe(prompt.promptTokens);
    expect(usage?.prompt_tokens_details?.cached_tokens).toBeGreaterThan(prompt.promptTokens / 2);
  });
});

describe('a model in native-resolution mode', () => {
  it.each<WorkerPlan['wire']>(['image_embeds', 'pixels'])('gives the words of the reference by %s', async (wire) => {
    const folder = await mkdtemp(join(tmpdir(), 'vora-native-'));
    const [merged, onnx, edge] = [join(folder, 'merged'), join(folder, 'onnx'), join(folder, 'edge')];
    const bounds = ['--min-pixels', String(56 * 56), '--max-pixels', String(14 * 14 * 144)];
    await vora('merge', 'models/vora-random', '--dtype', 'f32', '--image-mode', 'native', ...bounds, '--out', merged);
    await vora('export', 'onnx', merged, '--out', onnx);
    await vora('export', 'edge', merged, '--out', edge);
    const nativeEndpoint = await startEndpoint(onnx);
    const worker = await startWorker({ model: MODEL, edgeFolder: edge, upstreamUrl: nativeEndpoint.url, wire });
    try {
      const native = allPrompts.filter(({ mode }) => mode === 'native');
      expect(native).not.toEqual([]);
      const client = new OpenAI({ baseURL: `${worker.url}/v1`, apiKey: 'none', maxRetries: 0 });
      for (const prompt of native) {
        const { choices, usage } = await client.chat.completions.create(greedy(prompt));
        expect(choices[0]?.message.content).toBe(prompt.text);
        expect(usage?.prompt_tokens).toBe(prompt.promptTokens);
      }
    } finally {
      await worker.stop();
      await nativeEndpoint.stop();
      await rm(folder, { recursive: true });
    }
  });
});

describe('a stream through worker and endpoint', () => {
  let worker: RunningServer;

  beforeAll(async () => {
    const { edge } = inject('artifacts');
    worker = await startWorker({ model: MODEL, edgeFolder: edge, upstreamUrl: endpoint.url, wire: 'image_embeds' });
  });

  afterAll(async () => {
    await worker?.stop();
  });

  it('delivers tokens one by one, the first long before the last', async () => {
    const arrivals: number[] = [];
    for await (const read of contentReads(await ask(worker.url, 400))) {
      arrivals.push(...Array<number>(read).fill(performance.now()));
    }
    const first = arrivals[0] ?? 0;
    const last = arrivals.at(-1) ?? 0;
    expect(arrivals.length).toBeGreaterThan(200);
    // Were the answer buffered anywhere, it would arrive in a few bursts; a busy machine joins a few tokens now and then.
    const gaps = arrivals.slice(1).map((time, index) => time - (arrivals[index] ?? 0));
    expect(gaps.filter((gap) => gap > 0.2).length).toBeGreaterThan(arrivals.length / 5);
    expect(Math.max(...gaps)).toBeLessThan((last - first) / 2);
  });

  it('stops the model when the client leaves', async () => {
    const tokens = 1800;
    const leave = new AbortController();
    const response = await ask(worker.url, tokens, leave.signal);
    // By hand: leaving a `for await` would cancel the response, and the client would have left already.
    const reads = contentReads(response);
    await reads.next();
    const started = performance.now();
    let received = 0;
    while (received < 50) {
      received += (await reads.next()).value ?? 0;
    }
    const wholeAnswerMs = ((performance.now() - started) / received) * tokens;
    expect(await running()).toBe(1);

    leave.abort();
    const left = performance.now();
    await vi.waitFor(async () => expect(await running()).toBe(0), { timeout: wholeAnswerMs, interval: 20 });
    expect(performance.now() - left).toBeLessThan(wholeAnswerMs / 2);
  });
});

/** Asks about a golden picture; the answer is streamed. */
async function ask(url: string, tokens: number, signal: AbortSignal | null = null): Promise<Response> {
  const prompt = prompts.find(({ name }) => name === 'one-image');
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: MODEL,
      stream: true,
      max_tokens: tokens,
      temperature: 0,
      messages: prompt === undefined ? [] : withImages(prompt),
    }),
    signal,
  });
}

/** For each read of the raw response, how many chunks with content it brought. */
async function* contentReads(response: Response): AsyncGenerator<number, undefined> {
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    yield decoder.decode(bytes, { stream: true }).split('"content":"').length - 1;
  }
}

/** Sequences that the endpoint is working on. */
async function running(): Promise<number> {
  const health = (await (await fetch(`${endpoint.url}/health`)).json()) as { running: number };
  return health.running;
}

function greedy(prompt: GoldenPrompt): OpenAI.ChatCompletionCreateParamsNonStreaming {
  return { model: MODEL, messages: withImages(prompt), max_tokens: GREEDY_TOKENS, temperature: 0 };
}

function withImages(prompt: GoldenPrompt): OpenAI.ChatCompletionMessageParam[] {
  return prompt.messages.map((message) => ({
    ...message,
    content: typeof message.content === 'string' ? message.content : message.content.map(withImage),
  })) as OpenAI.ChatCompletionMessageParam[];
}

function withImage(part: Part): Part {
  if (part.type === 'text') {
    return part;
  }
  const file = part.image_url.url;
  const data = readFileSync(join(GOLDEN, file)).toString('base64');
  return { type: 'image_url', image_url: { url: `data:${MIME[file.split('.').at(-1) ?? '']};base64,${data}` } };
}
