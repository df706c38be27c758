import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import {
  type BuiltWorker,
  buildWorker,
  startBuiltWorker,
  type TailEvent,
  type WorkerModules,
} from '../../examples/built-worker.ts';
import { answerEvents, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts';

const PICTURE = readFileSync(join(resolve(import.meta.dirname, '../fixtures/golden'), 'images/png-rgb.png'));
const DATA_URL = `data:image/png;base64,${PICTURE.toString('base64')}`;
/** Found in no other text: what must appear nowhere. Short enough for what V8 quotes of a text that is not JSON. */
const CANARY = 'kanari';

let modules: WorkerModules;

beforeAll(async () => {
  modules = await buildWorker();
});

async function ask(
  url: string,
  path: string,
  body: object | FormData | Buffer,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string }> {
  const isRaw = body instanceof FormData || Buffer.isBuffer(body);
  const response = await fetch(url + path, {
    method: 'POST',
    body: body instanceof FormData ? body : Buffer.isBuffer(body) ? Uint8Array.from(body) : JSON.stringify(body),
    headers: { ...(isRaw ? {} : { 'content-type': 'application/json' }), ...headers },
  });
  return { status: response.status, text: await response.text() };
}

describe('spans', () => {
  let upstream: ScriptedUpstream;
  let worker: BuiltWorker;

  beforeAll(async () => {
    upstream = await startUpstream((_, response) => {
      response.setHeader('content-type', 'text/event-stream');
      response.end(answerEvents(['Hello', ' you']).join(''));
    });
    worker = await startBuiltWorker({
      modules,
      spans: true,
      edgeFolder: inject('artifacts').edge,
      vars: { UPSTREAM_URL: upstream.url },
    });
  });

  afterAll(async () => {
    await worker?.stop();
    await upstream?.stop();
  });

  it('of a streamed answer: each step, the call by GenAI conventions, the first token', async () => {
    const content = [
      { type: 'image_url', image_url: { url: DATA_URL } },
      { type: 'text', text: 'What?' },
    ];
    const chat = {
      model: 'vora-random',
      messages: [{ role: 'user', content }],
      stream: true,
      temperature: 0.5,
      max_tokens: 9,
    };
    await ask(worker.url, '/v1/chat/completions', chat);
    const spans = await vi.waitFor(() => {
      const events = worker.invocations.find((invocation) => opened(invocation).includes('embed'));
      expect(events).toBeDefined();
      return events ?? [];
    });
    const steps = ['receive', 'fetch', 'decode', 'embed', 'upstream'];
    expect(opened(spans)).toEqual(expect.arrayContaining([...steps, 'chat vora-random', 'upstream first token']));
    expect(attributesOf(spans)).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'vora',
      'gen_ai.request.model': 'vora-random',
      'gen_ai.request.stream': true,
      'gen_ai.request.temperature': 0.5,
      'gen_ai.request.max_tokens': 9,
      'gen_ai.response.id': expect.stringMatching(/^chatcmpl-/) as string,
      'gen_ai.response.finish_reasons': 'stop',
      'gen_ai.response.time_to_first_chunk': expect.any(Number) as number,
      'gen_ai.usage.input_tokens': 1000,
      'gen_ai.usage.output_tokens': 2,
    });
    // Every span that was opened is closed, those of the stream too.
    expect(spans.filter(({ type }) => type === 'spanClose')).toHaveLength(opened(spans).length);
  });
});

function opened(events: TailEvent[]): string[] {
  return events.filter(({ type }) => type === 'spanOpen').map(({ name }) => name ?? '');
}

function attributesOf(events: TailEvent[]): Record<string, unknown> {
  const pairs = events
    .filter(({ type }) => type === 'attributes')
    .flatMap(({ info }) => info as { name: string; value: unknown }[]);
  return Object.fromEntries(pairs.map(({ name, value }) => [name, value]));
}

describe('what clients and models write', () => {
  /** What the model server does with the request it got, all of it repeating the prompt. */
  const ANSWERS: Record<string, (prompt: string) => { status?: number; type?: string; text: string }> = {
    answer: (prompt) => ({ text: answerEvents([prompt]).join('') }),
    refusal: (prompt) => ({
      status: 400,
      text: JSON.stringify({ error: { message: prompt, param: prompt, code: prompt } }),
    }),
    failure: (prompt) => ({ status: 500, text: JSON.stringify({ error: { message: prompt } }) }),
    'error event': (prompt) => ({ text: `data: ${JSON.stringify({ error: { message: prompt } })}\n\n` }),
    'malformed chunk': (prompt) => ({ text: `data: ${CANARY}${prompt}\n\n` }),
    'other chunk': (prompt) => ({ text: `data: ${JSON.stringify({ choices: prompt, [prompt]: prompt })}\n\n` }),
    'cut answer': (prompt) => ({ text: answerEvents([prompt]).slice(0, 1).join('') }),
    page: (prompt) => ({ type: `text/${CANARY}`, text: prompt }),
  };
  let upstream: ScriptedUpstream;
  let mode = 'answer';

  beforeAll(async () => {
    upstream = await startUpstream((body, response) => {
      const { status = 200, type = 'text/event-stream', text } = ANSWERS[mode]?.(body.slice(0, 2000)) ?? { text: '' };
      response.writeHead(status, { 'content-type': type, 'x-trace': CANARY }).end(text);
    });
  });

  afterAll(() => upstream?.stop());

  const secret = (place: string): string => `${CANARY}-${place}`;
  const headers = {
    authorization: `Bearer ${secret('key')}`,
    cookie: `session=${secret('cookie')}`,
    'user-agent': secret('agent'),
    'x-custom': secret('header'),
    referer: `https://${CANARY}.example/`,
  };
  const text = { type: 'text', text: secret('prompt') };
  const user = (...content: object[]): object => ({ role: 'user', content });
  const image = (url: string): object => ({ type: 'image_url', image_url: { url } });
  const chat = (fields: object): object => ({
    model: 'vora-random',
    messages: [user(image(DATA_URL), text)],
    ...fields,
  });
  const form = new FormData();
  form.append('image', new File([PICTURE], secret('file.png')));
  form.append('question', secret('form'));
  const tool = { type: 'function', function: { name: secret('tool'), parameters: { default: secret('parameters') } } };
  const toolCall = { id: secret('call'), type: 'function', function: { name: 'f', arguments: secret('arguments') } };
  const REQUESTS: [string, object | FormData | Buffer][] = [
    ['/v1/chat/completions', chat({})],
    ['/v1/chat/completions', chat({ stream: true, user: secret('user'), metadata: { a: secret('metadata') } })],
    [
      '/v1/chat/completions',
      chat({ messages: [user(image(`https://localhost/${CANARY}.png?token=${secret('query')}`))] }),
    ],
    [
      '/v1/chat/completions',
      chat({ messages: [user(image(`https://nowhere.example/a.png?token=${secret('query')}`))] }),
    ],
    ['/v1/chat/completions', chat({ messages: [user(image(`data:image/png;base64,${secret('data')}`))] })],
    [
      '/v1/chat/completions',
      chat({ tools: [tool], messages: [{ role: 'assistant', content: secret('text'), tool_calls: [toolCall] }] }),
    ],
    [
      '/v1/chat/completions',
      chat({
        tools: [tool],
        messages: [
          { role: 'assistant', content: secret('text'), tool_calls: [toolCall] },
          { role: 'tool', tool_call_id: toolCall.id, content: secret('answer') },
        ],
      }),
    ],
    [
      '/v1/chat/completions',
      chat({ response_format: { type: 'json_schema', json_schema: { name: secret('form'), schema: tool } }, n: 2 }),
    ],
    ['/v1/chat/completions', chat({ model: secret('model') })],
    ['/v1/chat/completions', chat({ stop: secret('stop'), [secret('field')]: 1 })],
    ['/v1/chat/completions', Buffer.from(`{"model": ${secret('json')}`)],
    [`/v1/${secret('path')}?q=${secret('query')}`, {}],
    [
      '/v1/responses',
      {
        model: 'vora-random',
        input: secret('input'),
        instructions: secret('instructions'),
        metadata: { a: secret('m') },
        stream: true,
      },
    ],
    ['/v1/vqa', { image: DATA_URL, question: secret('question') }],
    ['/v1/vqa', form],
    [`/v1/vqa?question=${secret('query')}`, PICTURE],
  ];

  it('appears in no log, span, metric or error, whatever the model server does', { timeout: 120_000 }, async () => {
    const worker = await startBuiltWorker({
      modules,
      spans: true,
      edgeFolder: inject('artifacts').edge,
      vars: { UPSTREAM_URL: upstream.url, UPSTREAM_API_KEY: secret('upstream-key') },
    });
    const errors: string[] = [];
    try {
      for (mode of Object.keys(ANSWERS)) {
        for (const [path, body] of REQUESTS) {
          const answer = await ask(worker.url, path, body, {
            ...headers,
            ...(Buffer.isBuffer(body) ? { 'content-type': 'image/png' } : {}),
          });
          errors.push(...(mode === 'answer' && answer.status >= 400 ? [answer.text] : []));
        }
      }
      const sent = REQUESTS.length * Object.keys(ANSWERS).length;
      await vi.waitFor(() => expect(worker.logs.length).toBeGreaterThanOrEqual(sent), { timeout: 20_000 });
      await vi.waitFor(() => expect(worker.invocations.length).toBeGreaterThanOrEqual(sent), { timeout: 20_000 });
      expect(worker.logs.join()).not.toContain(CANARY);
      expect(worker.logs.join()).not.toContain(DATA_URL.slice(200, 240));
      // What the platform itself notes of a request and of a fetch is its operator's to redact (redact_query_string).
      const ours = worker.invocations.flat().filter(({ type }) => type !== 'onset');
      const noted = JSON.stringify(ours, (_, value: unknown) => (isPlatformsUrl(value) ? null : value));
      expect(noted).toContain('gen_ai.request.model');
      expect(noted).not.toContain(CANARY);
      const metrics = await (await fetch(`${worker.url}/metrics`)).text();
      expect(metrics).toContain('vora_failures_total');
      expect(metrics).not.toContain(CANARY);
      // Errors name fields and models as the client wrote them, and nothing else of it.
      const echoed = [secret('model'), secret('field'), secret('path')];
      expect(errors.length).toBeGreaterThan(6);
      expect(echoed.reduce((all, name) => all.replaceAll(name, ''), errors.join())).not.toContain(CANARY);
    } finally {
      await worker.stop();
    }
  });

  it('appears in no log of a refused key', async () => {
    const vars = { UPSTREAM_URL: upstream.url, AUTH: 'key', API_KEY_SHA256: `name:${'0'.repeat(64)}` };
    const worker = await startBuiltWorker({ modules, edgeFolder: inject('artifacts').edge, vars });
    try {
      const refused = await ask(worker.url, '/v1/chat/completions', chat({}), headers);
      expect(refused.status).toBe(401);
      expect(refused.text).not.toContain(CANARY);
      await vi.waitFor(() => expect(worker.logs).toHaveLength(1));
      expect(worker.logs.join()).toContain('unauthorized');
      expect(worker.logs.join()).not.toContain(CANARY);
    } finally {
      await worker.stop();
    }
  });
});

function isPlatformsUrl(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Reflect.get(value, 'name') === 'url.full';
}
