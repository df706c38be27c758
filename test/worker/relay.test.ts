import { describe, expect, it } from 'vitest';
import { chatForm } from '../../src/core/protocol/answer-form.ts';
import type { AnswerEvent } from '../../worker/upstream-answer.ts';
import { relayAnswer } from '../../worker/relay-stream.ts';
import type { RequestEnd } from '../../worker/request-record.ts';
import {
  DONE_EVENT,
  event,
  fakeUpstream,
  finishEvent,
  goodAnswer,
  HANG,
  RESET,
  type Step,
  textEvent,
  usageEvent,
} from './fake-upstream.ts';
import { repositoryFile } from './repository-file.ts';
import { dataUrl, events, question, testApp } from './test-app.ts';

const picture = await repositoryFile('test/fixtures/golden/images/png-rgb.png');
const hello = textEvent('Hello');

const CONTENT = [{ index: 0, delta: { content: 'Hello' }, finish_reason: null }];
const USAGE = '{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}';
const END = [finishEvent(), usageEvent(9), DONE_EVENT];

/** Each is a way in which an answer must not look complete. */
const FAULTS: [string, Step[], RegExp][] = [
  ['a clean cut', [hello], /cut off/],
  ['[DONE] without a finish reason', [hello, usageEvent(99), DONE_EVENT], /cut off/],
  ['a reset', [hello, RESET], /connection to the model server broke/],
  ['a chunk that is not JSON', [hello, 'data: {"choices":[{"ind\n\n'], /malformed chunk/],
  ['a chunk of another shape', [hello, event({ choices: 'none' })], /malformed chunk/],
  ['a second choice', [hello, event({ choices: [{ index: 1, delta: { content: 'x' } }] })], /choice 1 of 1/],
  ['a finish reason that says that it did not finish', [hello, finishEvent('abort')], /ended its answer with 'abort'/],
  ['an error event', [hello, 'data: {"error":{"message":"out of memory","code":500}}\n\n'], /failed: out of memory/],
  ['text after the finish', [hello, finishEvent(), textEvent('more')], /went on after the end/],
  ['a second finish', [hello, finishEvent(), finishEvent()], /went on after the end/],
  ['no usage', [hello, finishEvent(), DONE_EVENT], /did not report usage/],
  ['an event without end', [hello, `data: ${'x'.repeat(2_000_000)}`], /connection to the model server broke/],
];

describe('a broken upstream', () => {
  it.each(FAULTS)('%s: an in-band error and no [DONE]', async (_, steps, message) => {
    const upstream = fakeUpstream(steps);
    const app = testApp(upstream);
    const response = await app.chat({ ...question('Hi'), stream: true, stream_options: { include_usage: true } });
    expect(response.status).toBe(200);
    const data = await events(response);
    const last = JSON.parse(data.at(-1) ?? '') as { error: Record<string, unknown> };
    expect(last.error).toMatchObject({ type: 'server_error', param: null, code: 'upstream_broke' });
    expect(last.error['message']).toMatch(message);
    expect(data.join()).not.toContain('"finish_reason":"stop"');
    expect(app.logged).toHaveLength(1);
    expect(app.logged[0]).toMatchObject({ failure: 'upstream-broke' });
  });

  it.each(FAULTS)('%s: status 502 for a client that does not stream', async (_, steps, message) => {
    const response = await testApp(fakeUpstream(steps)).chat(question('Hi'));
    expect(response.status).toBe(502);
    expect(response.headers.get('x-should-retry')).toBe('true');
    const { error } = await response.json<{ error: { message: string } }>();
    expect(error.message).toMatch(message);
  });

  it('before the first piece of its answer has a real status, streamed or not', async () => {
    const role = event({ choices: [{ index: 0, delta: { role: 'assistant' } }] });
    const scripts: Step[][] = [[], [': ping\n\n', role], [RESET]];
    for (const steps of scripts) {
      for (const stream of [true, false]) {
        const response = await testApp(fakeUpstream(steps)).chat({ ...question('Hi'), stream });
        expect(response.status).toBe(502);
        expect(await response.json()).toMatchObject({ error: { code: 'upstream_broke' } });
      }
    }
  });

  it('that counts fewer prompt tokens than the image has must have dropped it', async () => {
    const body = { ...question('What?', dataUrl(picture)), stream: true };
    const data = await events(await testApp(fakeUpstream(goodAnswer(63))).chat(body));
    expect(data.at(-1)).toMatch(/63 prompt tokens, fewer than the 64 of the images/);
    const whole = await events(await testApp(fakeUpstream(goodAnswer(64))).chat(body));
    expect(whole.at(-1)).toBe('[DONE]');
    const two = question('Which?', dataUrl(picture), dataUrl(picture));
    const [one, both] = [await testApp(fakeUpstream(goodAnswer(127))).chat(two), fakeUpstream(goodAnswer(128))];
    expect([one.status, (await testApp(both).chat(two)).status]).toEqual([502, 200]);
  });

  it('is read across any cut of its bytes, CRLF and comments included', async () => {
    const text = [': ping\r\n\r\n', textEvent('é😀'), finishEvent('length'), usageEvent(9), DONE_EVENT].join('');
    const bytes = new TextEncoder().encode(text.replaceAll('\n\n', '\r\n\r\n'));
    const oneByOne = new ReadableStream<Uint8Array>({
      start(out) {
        for (const byte of bytes) {
          out.enqueue(Uint8Array.of(byte));
        }
        out.close();
      },
    });
    const response = new Response(oneByOne, { headers: { 'content-type': 'text/event-stream' } });
    const answer = await testApp(fakeUpstream(response)).chat(question('Hi'));
    expect(await answer.json()).toMatchObject({
      choices: [{ message: { content: 'é😀' }, finish_reason: 'length' }],
    });
  });
});

/** Each is written by some server, and is a whole answer all the same. */
const ODD: [string, Step[]][] = [
  ['no [DONE]', [hello, finishEvent(), usageEvent(9)]],
  ['usage before the finish', [hello, usageEvent(9), finishEvent(), DONE_EVENT]],
  ['usage in every chunk', [textAndUsage('Hello', 1), textAndUsage('', 1, 'stop'), DONE_EVENT]],
  ['a usage chunk without choices', [hello, finishEvent(), `data: {"usage":${USAGE}}\n\n`, DONE_EVENT]],
  ['an empty usage until the last', [event({ choices: CONTENT, usage: {} }), finishEvent(), usageEvent(9), DONE_EVENT]],
  [
    'fields that we do not know',
    [event({ choices: CONTENT, x: { y: [1] } }), finishEvent(), usageEvent(9), DONE_EVENT],
  ],
  ['nulls', [event({ choices: [{ delta: null, finish_reason: null, logprobs: null }] }), hello, ...END]],
  ['an empty finish reason until the last', [event({ choices: [{ ...CONTENT[0], finish_reason: '' }] }), ...END]],
  ['CRLF', [hello, ...END].map((text) => text.replaceAll('\n', '\r\n'))],
  ['event names, ids and retry lines', [`event: message\nid: 7\nretry: 10\n${hello}`, ...END]],
  ['comments', [': keep-alive\n\n', hello, ':\n\n', ...END]],
  ['no space after the colon', [hello.replace('data: ', 'data:'), ...END]],
  ['bytes after [DONE]', [hello, ...END, ': bye\n\n']],
];

describe('an odd upstream', () => {
  it.each(ODD)('with %s is understood', async (_, steps) => {
    const answer = await testApp(fakeUpstream(steps)).chat(question('Hi'));
    expect(await answer.json()).toMatchObject({
      choices: [{ message: { content: 'Hello' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 9 },
    });
  });

  it.each([
    ['eos_token', 'stop'],
    ['STOP', 'stop'],
    ['end_turn', 'stop'],
    ['max_tokens', 'length'],
    ['model_length', 'length'],
    ['SAFETY', 'content_filter'],
  ])('that ends with %s has ended with %s', async (word, reason) => {
    const answer = await testApp(fakeUpstream([hello, finishEvent(word), usageEvent(9)])).chat(question('Hi'));
    expect(await answer.json()).toMatchObject({ choices: [{ finish_reason: reason }] });
  });

  it.each([
    ['{"object":"error","message":"too long","type":"x","code":400}', 'too long'],
    ['{"error":"too long","error_type":"validation"}', 'too long'],
    ['{"detail":"too long"}', 'too long'],
    ['{"error":{"message":"too long","code":400,"param":["body",1]}}', 'too long'],
  ])('that refuses with %s is quoted, in-band too', async (text, words) => {
    const refused = await testApp(fakeUpstream(() => new Response(text, { status: 400 }))).chat(question('Hi'));
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain(words);
    const broken = await testApp(fakeUpstream([`data: ${text}\n\n`])).chat(question('Hi'));
    expect(broken.status).toBe(502);
    expect(await broken.text()).toContain(words);
  });

  it.each([
    [{ 'retry-after': '7' }, '7'],
    [{ 'retry-after-ms': '6500', 'retry-after': '9' }, '7'],
    [{ 'retry-after': new Date((1_700_000_000 + 7) * 1000).toUTCString() }, '7'],
    [{ 'retry-after': 'soon' }, '1'],
  ])('that has no room until %j is waited for by the client', async (headers, seconds) => {
    const full = () => new Response('', { status: 429, headers });
    const response = await testApp(fakeUpstream(full)).chat(question('Hi'));
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, seconds]);
  });
});

function textAndUsage(content: string, tokens: number, finish_reason: string | null = null): string {
  const usage = { prompt_tokens: 9, completion_tokens: tokens, total_tokens: 9 + tokens };
  return event({ choices: [{ index: 0, delta: { content }, finish_reason }], usage });
}

describe('an upstream that refuses', () => {
  const refusal = (status: number, error: object | string, headers = {}) =>
    fakeUpstream(new Response(JSON.stringify({ error }), { status, headers }));

  it.each([
    [400, { message: 'too long', param: 'messages', code: 'context_length_exceeded' }, 400, 'context_length_exceeded'],
    [413, { message: 'too large' }, 400, null],
    [422, { message: 'bad' }, 400, null],
    [401, { message: 'wrong key' }, 502, 'upstream_rejected'],
    [404, { message: 'no model' }, 502, 'upstream_rejected'],
    [409, { message: 'other weights', code: 'vision_mismatch' }, 502, 'upstream_rejected'],
    [500, { message: 'oops' }, 502, 'upstream_rejected'],
    [429, { message: 'slow down' }, 503, 'overloaded'],
    [503, 'not even an error object', 503, 'overloaded'],
    [301, {}, 502, 'upstream_rejected'],
  ])('with %i %j gives %i %s, streamed or not', async (status, error, expectedStatus, code) => {
    for (const stream of [true, false]) {
      const response = await testApp(refusal(status, error, { 'retry-after': '7' })).chat({
        ...question('Hi'),
        stream,
      });
      expect(response.status).toBe(expectedStatus);
      expect((await response.json<{ error: { code: string } }>()).error.code).toBe(code);
      expect(response.headers.get('retry-after')).toBe(expectedStatus === 503 ? '7' : null);
    }
  });

  it('by its own fault is not worth a retry; an overloaded one is', async () => {
    expect((await testApp(refusal(401, {})).chat(question('Hi'))).headers.get('x-should-retry')).toBe('false');
    expect((await testApp(refusal(429, {})).chat(question('Hi'))).headers.get('x-should-retry')).toBe('true');
    expect((await testApp(refusal(500, {})).chat(question('Hi'))).headers.get('x-should-retry')).toBe('true');
  });

  it('cannot be reached: 502, and the cause only in the log', async () => {
    const app = testApp(fakeUpstream(new Error('connect ECONNREFUSED 10.0.0.7:8000')));
    const response = await app.chat({ ...question('Hi'), stream: true });
    expect(response.status).toBe(502);
    expect(await response.text()).not.toContain('10.0.0.7');
    expect(JSON.stringify(app.logged)).toContain('10.0.0.7');
  });

  it('sends elsewhere: the key that it was given is for nobody else', async () => {
    const upstream = refusal(307, {}, { location: 'https://elsewhere.example/' });
    expect((await testApp(upstream).chat(question('Hi'))).status).toBe(502);
    expect(upstream.calls.map(({ url, redirect }) => [new URL(url).hostname, redirect])).toEqual([
      ['upstream.test', 'manual'],
    ]);
  });

  it('answers with a page instead of a stream', async () => {
    const page = new Response('<html>', { headers: { 'content-type': 'text/html' } });
    const response = await testApp(fakeUpstream(page)).chat(question('Hi'));
    expect(response.status).toBe(502);
    expect(await response.text()).toContain('did not answer with an event stream');
  });
});

const identity = { id: 'x', created: 1, model: 'm' };

describe('a client', () => {
  it('sees each token when upstream sends it', async () => {
    let release = () => {};
    const until = new Promise<void>((resolve) => {
      release = resolve;
    });
    const steps: Step[] = [
      textEvent('first'),
      { until },
      textEvent('second'),
      finishEvent(),
      usageEvent(9),
      DONE_EVENT,
    ];
    const response = await testApp(fakeUpstream(steps)).chat({ ...question('Hi'), stream: true });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let seen = '';
    while (!seen.includes('first')) {
      seen += (await reader?.read())?.value ?? '';
    }
    expect(seen).not.toContain('second');
    release();
    while (!seen.includes('[DONE]')) {
      seen += (await reader?.read())?.value ?? '';
    }
    expect(seen).toContain('second');
  });

  it('that leaves mid-stream stops upstream, and that is no failure', async () => {
    const upstream = fakeUpstream([hello, HANG]);
    const app = testApp(upstream);
    const response = await app.chat({ ...question('Hi'), stream: true });
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    await expect.poll(() => upstream.calls[0]?.aborted).toBe(true);
    expect(app.logged).toEqual([]);
  });

  it('that leaves before the first token stops upstream', async () => {
    const upstream = fakeUpstream([HANG]);
    const left = new AbortController();
    const app = testApp(upstream);
    const response = await app.chat({ ...question('Hi'), stream: true }, { signal: left.signal });
    const read = response.text();
    read.catch(() => undefined);
    left.abort();
    await expect.poll(() => upstream.calls[0]?.aborted).toBe(true);
    expect(app.logged).toEqual([]);
  });

  it('hears pings while upstream is silent, and then what became of it', async () => {
    const stop = new AbortController();
    const ends: RequestEnd[] = [];
    const silent: AsyncIterator<AnswerEvent, void> = {
      next: () => new Promise((_, reject) => setTimeout(() => reject(new Error('silent')), 300)),
    };
    const relay = relayAnswer(silent, {
      identity,
      includeUsage: false,
      writer: chatForm.stream(identity),
      stop,
      signal: stop.signal,
      now: () => performance.now(),
      onEnd: (end) => ends.push(end),
      pingMs: 5,
    });
    const text = await new Response(relay).text();
    expect(text).toMatch(/^(: ping\n\n){3,60}data: \{"error":.*\}\n\n$/);
    expect(stop.signal.aborted).toBe(true);
    expect(ends).toMatchObject([{ how: 'failed', status: 200 }]);
  });

  it('that stops reading stops upstream from sending', async () => {
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(out) {
        sent++;
        out.enqueue(new TextEncoder().encode(textEvent('word')));
      },
    });
    const body = new Response(endless, { headers: { 'content-type': 'text/event-stream' } });
    const response = await testApp(fakeUpstream(body)).chat({ ...question('Hi'), stream: true });
    const reader = response.body?.getReader();
    for (let reads = 0; reads < 20; reads++) {
      await reader?.read();
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(sent).toBeLessThan(30);
    await reader?.cancel();
  });

  it('that reads slowly is not run ahead of', async () => {
    const stop = new AbortController();
    let pulled = 0;
    const endless: AsyncIterator<AnswerEvent, void> = {
      next: async () => ({ value: { kind: 'text', index: 0, text: String(pulled++), logprobs: [] }, done: false }),
    };
    const relay = relayAnswer(endless, {
      identity,
      includeUsage: false,
      writer: chatForm.stream(identity),
      stop,
      signal: stop.signal,
      now: () => performance.now(),
      onEnd: () => {},
    });
    const reader = relay.getReader();
    await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(pulled).toBeLessThanOrEqual(2);
  });
});
