import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI, { APIUserAbortError } from 'openai';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { READING_MAX_REQUESTS } from '../../src/core/limits.ts';
import { type RunningEndpoint, startEndpoint } from '../../src/endpoint/start.ts';
import { goldenMessages } from '../support/endpoint-client.ts';
import { goldenPrompts } from '../support/golden-prompts.ts';

const MODEL = 'vora-random';
const GREEDY = { model: MODEL, temperature: 0, max_tokens: 32 } as const;
const QUESTION: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'What is this?' }];
const CONTEXT_TOKENS = 2048;
/** More tokens than any test waits for. */
const LONG = { model: MODEL, temperature: 0, max_tokens: 1500, messages: QUESTION } as const;

let endpoint: RunningEndpoint;
let client: OpenAI;

beforeAll(async () => {
  endpoint = await startEndpoint({ model: inject('artifacts').onnx, host: '127.0.0.1', port: 0 });
  client = new OpenAI({ baseURL: `${endpoint.url}/v1`, apiKey: 'none', maxRetries: 0 });
});

afterAll(() => endpoint?.stop(0));

describe('the openai package against a listening endpoint', () => {
  it.each(goldenPrompts.filter(({ mode }) => mode === 'square'))(
    'gets the reference’s words, whole and streamed: $name',
    async (golden) => {
      const messages = goldenMessages(golden);
      const { data: whole, response } = await client.chat.completions.create({ ...GREEDY, messages }).withResponse();
      expect(whole.choices).toEqual([
        {
          index: 0,
          message: { role: 'assistant', content: golden.text, refusal: null },
          finish_reason: 'length',
          logprobs: null,
        },
      ]);
      expect(whole.usage).toMatchObject({
        prompt_tokens: golden.promptTokens,
        completion_tokens: 32,
        total_tokens: golden.promptTokens + 32,
      });
      expect(response.headers.get('x-request-id')).toMatch(/^[\w-]{36}$/);
      expect(response.headers.get('server-timing')).toMatch(
        /^prepare;dur=[\d.]+, first_token;dur=[\d.]+, decode;dur=[\d.]+$/,
      );

      const stream = client.chat.completions.stream({ ...GREEDY, messages, stream_options: { include_usage: true } });
      const final = await stream.finalChatCompletion();
      expect(final.choices[0]?.message.content).toBe(golden.text);
      expect(final.choices[0]?.finish_reason).toBe('length');
      expect(await stream.totalUsage()).toMatchObject({ prompt_tokens: golden.promptTokens, completion_tokens: 32 });
    },
  );

  it('sends the chunks of the specification, in order', async () => {
    const stream = await client.chat.completions.create({
      ...GREEDY,
      max_tokens: 3,
      messages: QUESTION,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of stream) {
      chunks.push(chunk);
    }
    expect(
      new Set(chunks.map(({ id, created, model, object }) => JSON.stringify([id, created, model, object]))).size,
    ).toBe(1);
    expect(chunks.map(({ choices, usage }) => [choices[0]?.delta, choices[0]?.finish_reason, usage])).toEqual([
      [{ role: 'assistant', content: '' }, null, null],
      [{ content: expect.any(String) }, null, null],
      [{ content: expect.any(String) }, null, null],
      [{ content: expect.any(String) }, null, null],
      [{}, 'length', null],
      [undefined, undefined, expect.objectContaining({ prompt_tokens: 48, completion_tokens: 3, total_tokens: 51 })],
    ]);
  });

  it('sends no usage unasked, and ends with [DONE]', async () => {
    const response = await post({ ...GREEDY, max_tokens: 2, messages: QUESTION, stream: true });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const text = await response.text();
    expect(text).not.toContain('usage');
    expect(text).toMatch(/data: \[DONE\]\n\n$/);
  });

  it('sends tokens one by one', async () => {
    const asked = performance.now();
    const stream = await client.chat.completions.create({ ...LONG, max_tokens: 200, stream: true });
    const arrivals: number[] = [];
    let runningAtFirst: Counts | undefined;
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content) {
        arrivals.push(performance.now());
        runningAtFirst ??= await counts({ running: 1, waiting: 0 });
      }
    }
    const [first = 0, last = 0] = [arrivals[0], arrivals.at(-1)];
    expect(arrivals.length).toBeGreaterThan(100);
    expect(runningAtFirst, 'the engine, when the first word is here').toEqual({ running: 1, waiting: 0 });
    // The prompt is short: of an answer sent at its end, all words would come after most of the time is gone.
    expect(last - first).toBeGreaterThan((last - asked) / 2);
  });

  it('stops before a stop string, also across token borders', async () => {
    const { text } = goldenPrompts.find(({ name }) => name === 'text-only') ?? { text: '' };
    const messages = goldenPrompts.find(({ name }) => name === 'text-only')?.messages as typeof QUESTION;
    // From the middle of one word into the middle of the next.
    const stop = text.slice(20, 30);
    const whole = await client.chat.completions.create({ ...GREEDY, messages, stop: [stop, 'never said'] });
    expect(whole.choices[0]).toMatchObject({ message: { content: text.split(stop)[0] }, finish_reason: 'stop' });
    const streamed = client.chat.completions.stream({ ...GREEDY, messages, stop });
    expect((await streamed.finalMessage()).content).toBe(text.split(stop)[0]);
  });

  it.each([{ top_k: 1 }, { top_p: 0 }])('leaves one token to choose from with %j', async (cut) => {
    const answer = { ...GREEDY, messages: QUESTION };
    const greedy = await client.chat.completions.create(answer);
    const drawn = await client.chat.completions.create({ ...answer, temperature: 2, ...cut });
    expect(drawn.choices).toEqual(greedy.choices);
  });

  it('gives equal answers for equal seeds, and others for others', async () => {
    const ask = async (seed?: number): Promise<string | null | undefined> => {
      const request = {
        model: MODEL,
        messages: QUESTION,
        temperature: 1.5,
        max_tokens: 24,
        ...(seed === undefined ? {} : { seed }),
      };
      return (await client.chat.completions.create(request)).choices[0]?.message.content;
    };
    expect(await ask(5)).toBe(await ask(5));
    expect(await ask(5)).not.toBe(await ask(6));
    expect(await ask()).not.toBe(await ask());
  });

  it('ends at the context when more tokens are asked for than it holds', async () => {
    const messages = [{ role: 'user' as const, content: ' a'.repeat(1950) }];
    const response = await client.chat.completions.create({ ...GREEDY, messages, max_tokens: 1_000_000 });
    expect(response.choices[0]?.finish_reason).toBe('length');
    expect(response.usage?.total_tokens).toBe(CONTEXT_TOKENS);
  });

  it('refuses a prompt that leaves no room for an answer', async () => {
    const messages = [{ role: 'user' as const, content: ' a'.repeat(CONTEXT_TOKENS) }];
    await expect(client.chat.completions.create({ ...GREEDY, messages })).rejects.toMatchObject({
      status: 400,
      code: 'context_length_exceeded',
    });
  });

  it('lists its one model', async () => {
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual([MODEL]);
    expect(await client.models.retrieve(MODEL)).toMatchObject({ id: MODEL, object: 'model', owned_by: 'vora' });
    await expect(client.models.retrieve('org/other')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });
});

describe('a client that leaves', () => {
  it('frees the slot in the middle of a stream', async () => {
    const stream = await client.chat.completions.create({ ...LONG, stream: true });
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content) {
        break;
      }
    }
    expect(await counts(IDLE)).toEqual(IDLE);
    expect((await client.chat.completions.create({ ...GREEDY, messages: QUESTION })).usage?.completion_tokens).toBe(32);
  });

  it('frees the slot while it waits for a whole answer', async () => {
    const leave = new AbortController();
    const answer = client.chat.completions.create(LONG, { signal: leave.signal }).catch((error: unknown) => error);
    expect(await counts({ running: 1, waiting: 0 })).toEqual({ running: 1, waiting: 0 });
    leave.abort();
    expect(await answer).toBeInstanceOf(APIUserAbortError);
    expect(await counts(IDLE)).toEqual(IDLE);
  });

  it('leaves the queue', async () => {
    const [first, second] = [new AbortController(), new AbortController()];
    const answers = [first, second].map(({ signal }) =>
      client.chat.completions.create({ ...LONG, stream: true }, { signal }),
    );
    await Promise.all(answers);
    expect(await counts({ running: 1, waiting: 1 })).toEqual({ running: 1, waiting: 1 });
    second.abort();
    expect(await counts({ running: 1, waiting: 0 })).toEqual({ running: 1, waiting: 0 });
    first.abort();
    expect(await counts(IDLE)).toEqual(IDLE);
  });

  it('is noticed when it closes only its half of the connection', async () => {
    const body = JSON.stringify({ ...LONG, stream: true });
    const socket = connect(Number(new URL(endpoint.url).port), '127.0.0.1');
    socket.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    expect(await counts({ running: 1, waiting: 0 })).toEqual({ running: 1, waiting: 0 });
    socket.end();
    expect(await counts(IDLE)).toEqual(IDLE);
    socket.destroy();
  });
});

interface Counts {
  running: number;
  waiting: number;
}

const IDLE: Counts = { running: 0, waiting: 0 };

/** What /health counts, as soon as it is as expected, or after a second; LONG answers take several. */
async function counts(expected: Counts): Promise<Counts> {
  const deadline = performance.now() + 1_000;
  for (;;) {
    const { running, waiting } = (await (await fetch(`${endpoint.url}/health`)).json()) as Counts;
    const reached = running === expected.running && waiting === expected.waiting;
    if (reached || performance.now() > deadline) {
      return { running, waiting };
    }
    await sleep(5);
  }
}

function post(body: unknown): Promise<Response> {
  return fetch(`${endpoint.url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(body) });
}

describe('requests that are being read', () => {
  it('have a bound: one more is told to come back, and may when another has left', async () => {
    const { hostname, port } = new URL(endpoint.url);
    const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: ${hostname}\r\ncontent-length: 100\r\n\r\n{`;
    const slow = Array.from({ length: READING_MAX_REQUESTS }, () => connect(Number(port), hostname));
    slow.forEach((socket) => socket.write(head));
    const ask = () => client.chat.completions.create({ ...GREEDY, max_tokens: 1, messages: QUESTION });
    try {
      await vi.waitFor(async () => {
        const refused = ask();
        await expect(refused).rejects.toMatchObject({ status: 503, code: 'overloaded' });
      });
    } finally {
      slow.forEach((socket) => socket.destroy());
    }
    await vi.waitFor(async () => expect((await ask()).usage?.completion_tokens).toBe(1));
  });
});
