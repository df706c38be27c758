import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { type SpecData, Validator as OpenApiValidator } from '@seriousme/openapi-schema-validator';
import OpenAI, { AuthenticationError, BadRequestError, NotFoundError } from 'openai';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { type BuiltWorker, type BuiltWorkerPlan, buildWorker, startBuiltWorker } from '../../examples/built-worker.ts';
import type { RunningServer } from '../../examples/processes.ts';
import { startEndpoint } from '../../examples/whole-line.ts';
import { checkedFetch } from '../conformance/checked-response.ts';
import { conformanceFaults } from '../conformance/openai-schemas.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const GOLDEN = join(ROOT, 'test/fixtures/golden');
const MODEL = 'vora-random';
const KEY = 'vora_00000000_test';
const PICTURE_HOST = 'pictures.example';

interface GoldenPrompt {
  name: string;
  messages: { content: string | { type: string; text?: string; image_url?: { url: string } }[] }[];
  text: string;
}

const prompts = JSON.parse(readFileSync(join(GOLDEN, 'prompts.json'), 'utf8')) as GoldenPrompt[];
/** One image and one question, and the words of PyTorch about it. */
const { picture, question, words } = oneImage();

let endpoint: RunningServer;
let plan: BuiltWorkerPlan;
let worker: BuiltWorker;
let client: OpenAI;

beforeAll(async () => {
  endpoint = await startEndpoint(inject('artifacts').onnx);
  plan = {
    modules: await buildWorker(),
    edgeFolder: inject('artifacts').edge,
    vars: { UPSTREAM_URL: endpoint.url, AUTH: 'key', API_KEY_SHA256: createHash('sha256').update(KEY).digest('hex') },
  };
  worker = await startBuiltWorker(plan);
  client = new OpenAI({ baseURL: `${worker.url}/v1`, apiKey: KEY, maxRetries: 0, fetch: checkedFetch });
});

afterAll(async () => {
  await worker?.stop();
  await endpoint?.stop();
});

function oneImage() {
  const prompt = prompts.find(({ name }) => name === 'one-image');
  const parts = prompt?.messages[0]?.content;
  if (prompt === undefined || !Array.isArray(parts)) {
    throw new Error('no golden prompt with one image');
  }
  const file = parts.find(({ type }) => type === 'image_url')?.image_url?.url ?? '';
  return { picture: file, question: parts.find(({ type }) => type === 'text')?.text ?? '', words: prompt.text };
}

function dataUrl(): string {
  const type = picture.endsWith('png') ? 'png' : 'jpeg';
  return `data:image/${type};base64,${readFileSync(join(GOLDEN, picture)).toString('base64')}`;
}

const user = (url: string): OpenAI.ChatCompletionMessageParam => ({
  role: 'user',
  content: [
    { type: 'image_url', image_url: { url } },
    { type: 'text', text: question },
  ],
});

describe('openai-node', () => {
  const ask = async (api: OpenAI, url: string) => {
    const request = { model: MODEL, messages: [user(url)], max_tokens: 32, temperature: 0 };
    return (await api.chat.completions.create(request)).choices[0]?.message.content;
  };

  it('asks about an image by data URL', async () => {
    expect(await ask(client, dataUrl())).toBe(words);
  });

  it('asks about an image by https URL', async () => {
    const host = {
      name: PICTURE_HOST,
      answer: async (path: string) => new Response(await readFile(join(GOLDEN, path))),
    };
    const reader = await startBuiltWorker({ ...plan, host });
    try {
      const api = new OpenAI({ baseURL: `${reader.url}/v1`, apiKey: KEY, maxRetries: 0, fetch: checkedFetch });
      expect(await ask(api, `https://${PICTURE_HOST}/${picture}?size=full`)).toBe(words);
    } finally {
      await reader.stop();
    }
  });

  it('creates a response, whole and streamed, with the same words', async () => {
    const image = { type: 'input_image' as const, image_url: dataUrl(), detail: 'auto' as const };
    const content = [image, { type: 'input_text' as const, text: question }];
    const request = {
      model: MODEL,
      input: [{ role: 'user' as const, content }],
      max_output_tokens: 32,
      temperature: 0,
    };
    const whole = await client.responses.create(request);
    expect([whole.output_text, whole.status, whole.incomplete_details]).toEqual([
      words,
      'incomplete',
      { reason: 'max_output_tokens' },
    ]);
    let text = '';
    for await (const event of await client.responses.create({ ...request, stream: true })) {
      text += event.type === 'response.output_text.delta' ? event.delta : '';
    }
    expect(text).toBe(words);
    const final = await client.responses.stream(request).finalResponse();
    expect([final.output_text, final.usage]).toEqual([words, whole.usage]);
  });

  it('lists models and finds one', async () => {
    const models = await client.models.list();
    expect(models.data.map(({ id }) => id)).toEqual([MODEL]);
    expect((await client.models.retrieve(MODEL)).owned_by).toBe('vora');
  });

  it('gets its own error classes, with the field at fault', async () => {
    const messages = [{ role: 'user' as const, content: 'Hi' }];
    const create = (fields: object, options = {}) =>
      client.chat.completions.create({ model: MODEL, messages, ...fields }, options);
    await expect(create({ temperature: 9 })).rejects.toMatchObject({
      status: 400,
      param: 'temperature',
      constructor: BadRequestError,
    });
    await expect(create({ model: 'gpt-4o' })).rejects.toBeInstanceOf(NotFoundError);
    await expect(create({}, { headers: { authorization: 'Bearer wrong' } })).rejects.toBeInstanceOf(
      AuthenticationError,
    );
    await expect(
      client.responses.create({ model: MODEL, input: 'Hi', previous_response_id: 'x' }),
    ).rejects.toMatchObject({
      param: 'previous_response_id',
    });
    await expect(client.models.retrieve('nothing')).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('leaves mid-answer, and the model stops', async () => {
    const stream = await client.chat.completions.create({
      model: MODEL,
      messages: [user(dataUrl())],
      stream: true,
      max_tokens: 1800,
    });
    for await (const chunk of stream) {
      if ((chunk.choices[0]?.delta.content ?? '') !== '') {
        break;
      }
    }
    const leftMs = performance.now();
    await vi.waitFor(async () => expect(await running()).toBe(0), { timeout: 5_000, interval: 20 });
    expect(performance.now() - leftMs).toBeLessThan(1_000);
    const lines = worker.logs.map((line) => JSON.parse(line) as { how: string; completion_tokens: number });
    expect(lines.at(-1)?.how).toBe('left');
    expect(lines.at(-1)?.completion_tokens).toBeGreaterThan(0);
  });
});

/** Answers that the endpoint is working on. */
async function running(): Promise<number> {
  return ((await (await fetch(`${endpoint.url}/health`)).json()) as { running: number }).running;
}

async function curl(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('curl', ['-sS', '-H', `authorization: Bearer ${KEY}`, ...args], {
    maxBuffer: 1e8,
  });
  return stdout;
}

describe('curl', () => {
  const file = `@${join(GOLDEN, picture)}`;
  const query = `question=${encodeURIComponent(question)}&max_tokens=32`;
  const vqa = (): string => `${worker.url}/v1/vqa`;

  it.each([
    ['the bare image', () => [`${vqa()}?${query}`, '-H', 'content-type: image/png', '--data-binary', file]],
    ['a form', () => [vqa(), '-F', `image=${file}`, '-F', `question=${question}`, '-F', 'max_tokens=32']],
  ])('sends %s and gets text or JSON', async (_, args) => {
    expect(await curl(...args(), '-H', 'accept: text/plain')).toBe(words);
    expect(JSON.parse(await curl(...args()))).toMatchObject({
      object: 'image.vqa',
      text: words,
      finish_reason: 'length',
    });
  });

  it('streams', async () => {
    const body = JSON.stringify({
      model: MODEL,
      messages: [user(dataUrl())],
      stream: true,
      max_tokens: 32,
      temperature: 0,
    });
    const events = await curl(
      '-N',
      `${worker.url}/v1/chat/completions`,
      '-H',
      'content-type: application/json',
      '-d',
      body,
    );
    const received = {
      method: 'POST',
      path: '/v1/chat/completions',
      status: 200,
      contentType: 'text/event-stream',
      text: events,
    };
    expect(conformanceFaults(received)).toEqual([]);
    expect(events.endsWith('data: [DONE]\n\n')).toBe(true);
  });

  it('sees the status and the error object', async () => {
    const answer = await curl('-w', '\n%{http_code}', '-d', '{"model":', `${worker.url}/v1/chat/completions`);
    const [body = '', status] = answer.split('\n');
    expect(status).toBe('400');
    expect(conformanceFaults({ method: 'POST', path: '', status: 400, contentType: '', text: body })).toEqual([]);
  });
});

/** A cross-origin request as a browser makes it (Fetch, HTTP-CORS protocol); throws where a browser would. */
async function browserFetch(
  url: string,
  init: { method: string; headers: Record<string, string>; body?: string },
): Promise<Response> {
  const origin = 'https://page.example';
  const names = Object.keys(init.headers).map((name) => name.toLowerCase());
  const preflight = await fetch(url, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': init.method,
      'access-control-request-headers': names.sort().join(','),
    },
  });
  const listed = (name: string): string[] => (preflight.headers.get(name) ?? '').toLowerCase().split(/\s*,\s*/);
  const isAllowed =
    preflight.ok &&
    ['*', origin].includes(preflight.headers.get('access-control-allow-origin') ?? '') &&
    listed('access-control-allow-methods').includes(init.method.toLowerCase()) &&
    names.every((name) => listed('access-control-allow-headers').includes(name));
  if (!isAllowed) {
    throw new TypeError('preflight failed');
  }
  const response = await fetch(url, { ...init, headers: { ...init.headers, origin } });
  if (!['*', origin].includes(response.headers.get('access-control-allow-origin') ?? '')) {
    throw new TypeError('no access-control-allow-origin');
  }
  return response;
}

describe('a browser', () => {
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', 'x-stainless-lang': 'js' };
  const body = JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'Hi' }], max_tokens: 4 });

  it('asks, is refused, and loses its way, and can read each answer', async () => {
    const chat = `${worker.url}/v1/chat/completions`;
    expect((await browserFetch(chat, { method: 'POST', headers, body })).status).toBe(200);
    expect((await browserFetch(chat, { method: 'POST', headers, body: '{}' })).status).toBe(400);
    expect((await browserFetch(chat, { method: 'POST', headers: { authorization: 'Bearer x' }, body })).status).toBe(
      401,
    );
    expect((await browserFetch(`${worker.url}/v1/nothing`, { method: 'POST', headers, body })).status).toBe(404);
    await expect(browserFetch(chat, { method: 'DELETE', headers })).rejects.toThrow('preflight failed');
  });
});

describe('the served description', () => {
  it('is a valid OpenAPI document', async () => {
    const document = (await (await fetch(`${worker.url}/openapi.json`)).json()) as SpecData;
    const { valid, errors } = await new OpenApiValidator().validate(document);
    expect({ valid, errors }).toEqual({ valid: true, errors: undefined });
    expect((await new OpenApiValidator().validate({ ...document, paths: { nowhere: 1 } })).valid).toBe(false);
  });
});
