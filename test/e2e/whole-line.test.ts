import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import type { RunningServer } from '../../examples/processes.ts';
import { startEndpoint, startWorker, type WorkerPlan } from '../../examples/whole-line.ts';
import type { Detail } from '../../src/core/protocol/chat-message.ts';
import { vora } from '../support/build-artifacts.ts';
import { type GoldenPart, imagesOfPart } from '../support/golden-prompts.ts';

const GOLDEN = resolve(import.meta.dirname, '../fixtures/golden');
const MODEL = 'vora-random';
const GREEDY_TOKENS = 32;
const MIME: Record<string, string> = { png: 'image/png', jpg: 'image/jpeg', webp: 'image/webp' };

interface GoldenPrompt {
  name: string;
  mode: 'square' | 'native';
  messages: { role: string; content: string | GoldenPart[] }[];
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
      .flatMap(({ content }) => (typeof content === 'string' ? [] : content))
      .flatMap(imagesOfPart).length;
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

describe.each([
  { imageMode: 'native', detail: 'auto', asked: allPrompts.filter(({ mode }) => mode === 'native') },
  // What asks for no detail is as square as ever.
  { imageMode: 'by-detail', detail: 'high', asked: allPrompts },
] as const)('a model whose image mode is $imageMode', ({ imageMode, detail, asked }) => {
  let folder: string;
  let edge: string;
  let closer: RunningServer;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vora-native-'));
    const [merged, onnx] = [join(folder, 'merged'), join(folder, 'onnx')];
    edge = join(folder, 'edge');
    const bounds = ['--min-pixels', String(56 * 56), '--max-pixels', String(14 * 14 * 144)];
    await vora('merge', 'models/vora-random', '--dtype', 'f32', '--image-mode', imageMode, ...bounds, '--out', merged);
    await vora('export', 'onnx', merged, '--out', onnx);
    await vora('export', 'edge', merged, '--out', edge);
    closer = await startEndpoint(onnx);
  });

  afterAll(async () => {
    await closer?.stop();
    await rm(folder, { recursive: true });
  });

  it.each<WorkerPlan['wire']>(['image_embeds', 'pixels', 'original'])(
    'gives the words of the reference by %s',
    async (wire) => {
      const worker = await startWorker({ model: MODEL, edgeFolder: edge, upstreamUrl: closer.url, wire });
      try {
        expect(asked.some(({ mode }) => mode === 'native')).toBe(true);
        const client = new OpenAI({ baseURL: `${worker.url}/v1`, apiKey: 'none', maxRetries: 0 });
        for (const prompt of asked) {
          const request = greedy(prompt, prompt.mode === 'native' ? detail : 'auto');
          const { choices, usage } = await client.chat.completions.create(request);
          expect(choices[0]?.message.content).toBe(prompt.text);
          expect(usage?.prompt_tokens).toBe(prompt.promptTokens);
        }
      } finally {
        await worker.stop();
      }
    },
  );
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

function greedy(prompt: GoldenPrompt, detail: Detail = 'auto'): OpenAI.ChatCompletionCreateParamsNonStreaming {
  return { model: MODEL, messages: withImages(prompt, detail), max_tokens: GREEDY_TOKENS, temperature: 0 };
}

function withImages(prompt: GoldenPrompt, detail: Detail = 'auto'): OpenAI.ChatCompletionMessageParam[] {
  return prompt.messages.map((message) => ({
    ...message,
    content:
      typeof message.content === 'string' ? message.content : message.content.map((part) => withImage(part, detail)),
  })) as OpenAI.ChatCompletionMessageParam[];
}

function withImage(part: GoldenPart, detail: Detail): object {
  switch (part.type) {
    case 'text':
      return part;
    case 'image_url':
      return { type: 'image_url', image_url: { url: dataUrl(part.image_url.url), detail } };
    case 'video':
      return { type: 'video', video: part.video.map(dataUrl) };
  }
}

function dataUrl(file: string): string {
  const data = readFileSync(join(GOLDEN, file)).toString('base64');
  return `data:${MIME[file.split('.').at(-1) ?? '']};base64,${data}`;
}
