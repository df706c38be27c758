import { describe, expect, it } from 'vitest';
import { RequestError } from '../../src/core/protocol/failure.ts';
import { describeError } from '../../worker/describe-error.ts';
import type { Outcome } from '../../worker/request-record.ts';
import { logLine } from '../../worker/log-line.ts';
import { fakeUpstream, goodAnswer, HANG, RESET, type Step, textEvent } from './fake-upstream.ts';
import { repositoryFile } from './repository-file.ts';
import { dataUrl, question, testApp, type TestApp } from './test-app.ts';

const picture = await repositoryFile('test/fixtures/golden/images/png-rgb.png');

async function recorded(app: TestApp): Promise<Outcome> {
  await expect.poll(() => app.outcomes.length).toBe(1);
  const [outcome] = app.outcomes;
  if (outcome === undefined) {
    throw new Error('no outcome');
  }
  return outcome;
}

describe('every request leaves one record', () => {
  it('of a whole answer: tokens as upstream counted them, bytes, times', async () => {
    const app = testApp(fakeUpstream(goodAnswer(70)));
    const body = JSON.stringify({ model: 'vora-random', ...question('What?', dataUrl(picture)) });
    const response = await app.fetch('/v1/chat/completions', { method: 'POST', body });
    const text = await response.text();
    const outcome = await recorded(app);
    expect(outcome).toMatchObject({
      request: response.headers.get('x-request-id'),
      method: 'POST',
      route: '/v1/chat/completions',
      how: 'answered',
      status: 200,
      error: null,
      model: 'vora-random',
      key: null,
      stream: false,
      images: 1,
      usage: { promptTokens: 70, completionTokens: 2, counted: false },
      finishReason: 'stop',
      attempts: 1,
      bytesIn: body.length,
      bytesOut: text.length,
    });
    expect(Object.keys(outcome.steps)).toEqual(['receive', 'fetch', 'decode', 'embed', 'upstream']);
    expect(outcome.firstTokenMs).toBeLessThanOrEqual(outcome.totalMs);
  });

  it('of a stream, when its last byte is written and not before', async () => {
    let release = () => {};
    const until = new Promise<void>((resolve) => {
      release = resolve;
    });
    const steps: Step[] = [textEvent('Hi'), { until }, ...goodAnswer(9)];
    const app = testApp(fakeUpstream(steps));
    const response = await app.chat({ ...question('Hi'), stream: true });
    const reading = response.text();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(app.outcomes).toEqual([]);
    release();
    const bytesOut = (await reading).length;
    expect(await recorded(app)).toMatchObject({ how: 'answered', stream: true, bytesOut, usage: { promptTokens: 9 } });
  });

  it('of an answer that broke: what had come by then is counted', async () => {
    const app = testApp(fakeUpstream([textEvent('a'), textEvent('b'), RESET]));
    await (await app.chat({ ...question('Hi'), stream: true })).text();
    expect(await recorded(app)).toMatchObject({
      how: 'failed',
      status: 200,
      error: { failure: 'upstream-broke', message: 'The connection to the model server broke' },
      usage: { promptTokens: null, completionTokens: 2, counted: true },
      finishReason: null,
    });
  });

  it('of a client that left mid-stream, once, with what it had been sent', async () => {
    const app = testApp(fakeUpstream([textEvent('a'), textEvent('b'), HANG]));
    const response = await app.chat({ ...question('Hi'), stream: true });
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.read();
    await reader?.cancel();
    const outcome = await recorded(app);
    expect(outcome).toMatchObject({ how: 'left', status: 499, usage: { completionTokens: 2, counted: true } });
    expect(outcome.bytesOut).toBeGreaterThan(100);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(app.outcomes).toHaveLength(1);
  });

  it('of a client that left before its answer', async () => {
    const left = new AbortController();
    const app = testApp({
      fetch: (_, init) =>
        new Promise((_resolve, reject) => {
          init.signal?.addEventListener('abort', () => reject(new Error('aborted')));
          left.abort();
        }),
    });
    await app.chat(question('Hi'), { signal: left.signal });
    expect(await recorded(app)).toMatchObject({ how: 'left', status: 499, attempts: 1, usage: null });
  });

  it.each([
    ['a bad request', '/v1/chat/completions', { method: 'POST', body: '{}' }, 400, 'invalid-request', true],
    ['another model', '/v1/models/secret-name', {}, 404, 'model-not-found', true],
    ['no route', '/v1/nothing', {}, 404, 'not-found', false],
    ['another method', '/v1/models', { method: 'DELETE' }, 405, 'method-not-allowed', true],
  ])('of %s', async (_, path, init, status, failure, hasRoute) => {
    const app = testApp(fakeUpstream(goodAnswer()));
    const text = await (await app.fetch(path, init)).text();
    const outcome = await recorded(app);
    expect(outcome).toMatchObject({ how: 'failed', status, error: { failure, message: null, at: [] }, model: null });
    expect([outcome.route !== null, outcome.bytesOut]).toEqual([hasRoute, text.length]);
    expect(app.logged).toEqual([]);
  });

  it('of a preflight', async () => {
    const app = testApp(fakeUpstream(goodAnswer()));
    await app.fetch('/v1/models', { method: 'OPTIONS', headers: { 'access-control-request-method': 'GET' } });
    expect(await recorded(app)).toMatchObject({ how: 'answered', status: 204, method: 'OPTIONS' });
  });
});

describe('an error', () => {
  it('is described by its kind and place, not by words that may be a client’s', () => {
    const cause = new SyntaxError('Unexpected token, "secret"...\n    at secret (secret:1:2)\n is not valid JSON');
    const broke = new RequestError({ kind: 'upstream-broke', message: 'It broke', said: 'secret' }, { cause });
    for (const error of [
      broke,
      cause,
      new RequestError({ kind: 'invalid-request', param: 'secret', message: 'secret' }),
    ]) {
      expect(JSON.stringify(describeError(error))).not.toContain('secret');
    }
    expect(describeError(broke)).toMatchObject({ failure: 'upstream-broke', message: 'It broke' });
    expect(describeError(broke).at.join()).toContain('record.test.ts');
    expect(describeError(cause)).toMatchObject({ failure: 'internal', message: 'SyntaxError' });
    expect(describeError('thrown')).toEqual({ failure: 'internal', message: null, at: [] });
  });

  it('of the network names the host, which is the operator’s own', () => {
    const cause = new Error('connect 10.0.0.7:8080');
    const error = new RequestError({ kind: 'upstream-unreachable', message: 'Not reached' }, { cause });
    expect(describeError(error).message).toBe('Not reached (connect 10.0.0.7:8080)');
  });
});

describe('a log line', () => {
  it('is flat but for the calls, and an error only where the fault is not the client’s', async () => {
    const app = testApp(fakeUpstream([textEvent('a')]));
    await (await app.chat({ ...question('Hi'), stream: true })).text();
    const line = logLine(await recorded(app));
    expect(line).toMatchObject({
      level: 'error',
      route: '/v1/chat/completions',
      status: 200,
      how: 'failed',
      failure: 'upstream-broke',
      message: 'The answer was cut off before its end',
      at: expect.stringContaining('upstream-answer') as string,
      completion_tokens: 1,
      tokens_counted: true,
      upstream_ms: expect.any(Number) as number,
    });
    const { calls, ...flat } = line;
    expect(Object.values(flat).every((value) => value === null || typeof value !== 'object')).toBe(true);
    expect(calls).toEqual([
      {
        upstream: 'upstream',
        model: 'vora-random',
        outcome: 'broke',
        times: 1,
        pieces: 1,
        prompt_tokens: null,
        completion_tokens: null,
      },
    ]);
  });
});
