import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { RunningServer } from '../../examples/processes.ts';
import { startEndpoint, startWorker, type WorkerPlan } from '../../examples/whole-line.ts';

const GOLDEN = resolve(import.meta.dirname, '../fixtures/golden');
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

const prompts = (JSON.parse(readFileSync(join(GOLDEN, 'prompts.json'), 'utf8')) as GoldenPrompt[]).filter(
  (prompt) => prompt.mode === 'square',
);

describe.each<WorkerPlan['wire']>(['image_embeds', 'pixels', 'original'])('worker → endpoint by %s', (wire) => {
  let endpoint: RunningServer;
  let worker: RunningServer;
  let client: OpenAI;

  beforeAll(async () => {
    const artifacts = inject('artifacts');
    endpoint = await startEndpoint(artifacts.onnx);
    worker = await startWorker({ edgeFolder: artifacts.edge, upstreamUrl: endpoint.url, wire });
    client = new OpenAI({ baseURL: `${worker.url}/v1`, apiKey: 'none', maxRetries: 0 });
  });

  afterAll(async () => {
    await worker?.stop();
    await endpoint?.stop();
  });

  it.each(prompts)('gives the words of the reference, streamed and whole: $name', async (prompt) => {
    const request = { model: 'vora-random', messages: withImages(prompt), max_tokens: GREEDY_TOKENS, temperature: 0 };
    const whole = await client.chat.completions.create(request);
    expect(whole.choices[0]?.message.content).toBe(prompt.text);
    expect(whole.usage?.prompt_tokens).toBe(prompt.promptTokens);

    const stream = await client.chat.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    });
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
    expect(usage).toEqual(whole.usage);
  });
});

describe('a stream through worker and endpoint', () => {
  it('delivers tokens one by one, the first long before the last', async () => {
    const artifacts = inject('artifacts');
    const endpoint = await startEndpoint(artifacts.onnx);
    const worker = await startWorker({ edgeFolder: artifacts.edge, upstreamUrl: endpoint.url, wire: 'image_embeds' });
    try {
      const prompt = prompts.find(({ messages }) => Array.isArray(messages.at(-1)?.content)) ?? prompts[0];
      const arrivals = await contentArrivals(worker.url, {
        model: 'vora-random',
        stream: true,
        max_tokens: 400,
        temperature: 0,
        messages: prompt === undefined ? [] : withImages(prompt),
      });
      const first = arrivals[0] ?? 0;
      const last = arrivals.at(-1) ?? 0;
      expect(arrivals.length).toBeGreaterThan(200);
      // Reads that each carry one token: were the answer buffered anywhere, they would arrive in a few bursts.
      const gaps = arrivals.slice(1).map((time, index) => time - (arrivals[index] ?? 0));
      expect(gaps.filter((gap) => gap > 0.2).length).toBeGreaterThan(arrivals.length / 2);
      expect(Math.max(...gaps)).toBeLessThan((last - first) / 2);
    } finally {
      await worker.stop();
      await endpoint.stop();
    }
  });
});

/** Milliseconds at which each read of the raw response that carries content arrived. */
async function contentArrivals(url: string, body: unknown): Promise<number[]> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const decoder = new TextDecoder();
  const arrivals: number[] = [];
  for await (const bytes of response.body ?? []) {
    const now = performance.now();
    const events = decoder.decode(bytes, { stream: true }).split('"content":"').length - 1;
    arrivals.push(...Array<number>(events).fill(now));
  }
  return arrivals;
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
