import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PING_INTERVAL_MS } from '../../src/core/limits.ts';
import { RequestError } from '../../src/core/protocol/failure.ts';
import { type Answer, collectAnswer, streamAnswer } from '../../src/endpoint/answer.ts';
import type { Output } from '../../src/endpoint/engine.ts';
import type { TokenLogprob } from '../../src/core/protocol/answer-delta.ts';
import { startStopwatch } from '../../src/endpoint/stopwatch.ts';
import { checkStream } from '../support/openai-wire.ts';

interface FakeAnswer extends Answer {
  emit(text: string, finishReason?: Output['finishReason'], more?: Partial<Output>): void;
  end(): void;
  fail(error: Error): void;
  readonly cancelled: () => boolean;
}

function fakeAnswer(choices = 1): FakeAnswer {
  let controller: ReadableStreamDefaultController<Output> | undefined;
  let cancelled = false;
  const outputs = new ReadableStream<Output>({
    start(c) {
      controller = c;
    },
    cancel() {
      cancelled = true;
    },
  });
  return {
    identity: { id: 'chatcmpl-1', created: 1, model: 'm' },
    promptTokens: 5,
    choices,
    logprobs: true,
    outputs,
    stopwatch: startStopwatch(() => 0),
    emit: (text, finishReason = null, more = {}) =>
      controller?.enqueue({
        index: 0,
        reused: 0,
        deltas: text === '' ? [] : [{ kind: 'text', text }],
        tokens: [],
        finishReason,
        ...more,
      }),
    end: () => controller?.close(),
    fail: (error) => controller?.error(error),
    cancelled: () => cancelled,
  };
}

async function readAll(stream: ReadableStream<Uint8Array>): Promise<string[]> {
  return (await new Response(stream).text()).split('\n\n').filter((event) => event !== '');
}

const options = { includeUsage: false, requestId: 'r' };

describe('streamAnswer', () => {
  it('passes over tokens that show nothing, and counts them', async () => {
    const answer = fakeAnswer();
    ['a', '', '', 'b'].forEach((text) => answer.emit(text));
    answer.emit('', 'stop');
    answer.end();
    const events = await readAll(streamAnswer(answer, { ...options, includeUsage: true }));
    expect(events.map((event) => /"delta":(\{.*?\})/.exec(event)?.[1] ?? event.slice(0, 12))).toEqual([
      '{"role":"assistant","content":""}',
      '{"content":"a"}',
      '{"content":"b"}',
      '{}',
      'data: {"id":',
      ': server-tim',
      'data: [DONE]',
    ]);
    expect(events.at(-3)).toContain('"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":5,"total_tokens":10}');
  });

  it('lists tokens with the chunk that shows them, and those that show nothing with the next', async () => {
    const answer = fakeAnswer(2);
    const token = (name: string): TokenLogprob => ({ token: name, logprob: -1, bytes: [], top_logprobs: [] });
    answer.emit('a', null, { tokens: [token('a')], index: 1 });
    answer.emit('', null, { tokens: [token('b')] });
    answer.emit('', null, { tokens: [token('c')], index: 1 });
    answer.emit('', null, { tokens: [token('d')], deltas: [{ kind: 'call', call: 0, id: 'i', name: 'f' }] });
    answer.emit('', 'stop', { tokens: [token('e')], index: 1 });
    answer.emit('', 'tool_calls');
    answer.end();
    const text = await new Response(streamAnswer(answer, options)).text();
    const listed = checkStream(text, { choices: 2, usage: false }).flatMap(({ choices }) =>
      choices.map(({ index, logprobs }) => [index, logprobs?.content?.map((entry) => entry.token).join('') ?? '']),
    );
    expect(listed).toEqual([
      [0, ''],
      [1, ''],
      [1, 'a'],
      [0, 'bd'],
      [1, 'ce'],
      [0, ''],
    ]);
  });

  it('ends with an error and no [DONE] when the engine fails', async () => {
    const answer = fakeAnswer();
    const stream = streamAnswer(answer, options);
    const reader = stream.getReader();
    await reader.read();
    answer.fail(new RequestError({ kind: 'overloaded', retryAfterSeconds: 1 }));
    const { value } = await reader.read();
    expect(new TextDecoder().decode(value)).toBe(
      'data: {"error":{"message":"All slots are busy","type":"server_error","param":null,"code":"overloaded"}}\n\n',
    );
    expect(await reader.read()).toEqual({ done: true, value: undefined });
  });

  it('tells a client nothing of an error that nobody foresaw, and the operator all', async () => {
    const log = vi.spyOn(console, 'error').mockReturnValue();
    const answer = fakeAnswer();
    answer.fail(new Error('secret path'));
    const events = await readAll(streamAnswer(answer, options));
    expect(events.at(-1)).toContain('"code":"internal_error"');
    expect(events.join('')).not.toContain('secret');
    expect(log).toHaveBeenCalledWith('request r:', expect.objectContaining({ message: 'secret path' }));
    log.mockRestore();
  });

  it('drops the answer at once when its client leaves, even between tokens', async () => {
    const answer = fakeAnswer();
    const reader = streamAnswer(answer, options).getReader();
    await reader.read();
    void reader.read();
    await reader.cancel();
    expect(answer.cancelled()).toBe(true);
  });

  describe('in a long silence', () => {
    beforeEach(() => void vi.useFakeTimers());
    afterEach(() => void vi.useRealTimers());

    it('piles nothing up for a client that reads nothing', async () => {
      const reader = streamAnswer(fakeAnswer(), options).getReader();
      vi.advanceTimersByTime(10 * PING_INTERVAL_MS);
      await reader.read();
      const next = reader.read();
      vi.advanceTimersByTime(PING_INTERVAL_MS);
      expect(new TextDecoder().decode((await next).value)).toBe(': ping\n\n');
      const pending = await Promise.race([reader.read(), Promise.resolve('nothing more')]);
      expect(pending).toBe('nothing more');
      await reader.cancel();
    });

    it('says that it is alive', async () => {
      const answer = fakeAnswer();
      const reader = streamAnswer(answer, options).getReader();
      const next = async (): Promise<string> => new TextDecoder().decode((await reader.read()).value);
      await next();
      vi.advanceTimersByTime(PING_INTERVAL_MS);
      expect(await next()).toBe(': ping\n\n');
      answer.emit('a');
      expect(await next()).toContain('"content":"a"');
      vi.advanceTimersByTime(PING_INTERVAL_MS - 1);
      answer.emit('b');
      expect(await next()).toContain('"content":"b"');
      await reader.cancel();
      expect(vi.getTimerCount()).toBe(0);
    });
  });
});

describe('collectAnswer', () => {
  it('joins the text', async () => {
    const answer = fakeAnswer();
    answer.emit('a');
    answer.emit('b', 'stop');
    answer.end();
    expect(await collectAnswer(answer, new AbortController().signal)).toMatchObject({
      choices: [{ message: { content: 'ab' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 5, completion_tokens: 2 },
    });
  });

  it('fails as the engine fails', async () => {
    const answer = fakeAnswer();
    answer.emit('a');
    answer.fail(new RequestError({ kind: 'internal', message: 'broken' }));
    await expect(collectAnswer(answer, new AbortController().signal)).rejects.toThrow('broken');
  });

  it('drops the answer when its client leaves', async () => {
    const answer = fakeAnswer();
    const leave = new AbortController();
    const collected = collectAnswer(answer, leave.signal).catch((error: unknown) => error);
    leave.abort();
    expect(await collected).toMatchObject({ name: 'AbortError' });
    expect(answer.cancelled()).toBe(true);
  });
});
