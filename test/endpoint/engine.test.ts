import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createEngine, type Engine, type Output } from '../../src/endpoint/engine.ts';
import type { ModelRunner } from '../../src/endpoint/model-runner.ts';
import { createScheduler, type SchedulerLimits, type Work } from '../../src/endpoint/scheduler.ts';
import type { GenerationParams, Prompt, Sequence } from '../../src/endpoint/sequence.ts';

const VOCABULARY = 'abcdefgh';
const END = VOCABULARY.length;

interface FakeRunner extends ModelRunner {
  /** Every run as [start, length] of each piece. */
  readonly runs: [number, number][][];
}

/** Answers every prompt with a, b, c, … by its length, as a model would that counts. */
function fakeRunner(beforeRun: (work: readonly Work[]) => void = () => undefined): FakeRunner {
  const held = new Set<Sequence>();
  const runs: [number, number][][] = [];
  return {
    runs,
    async run(work) {
      await setImmediate();
      beforeRun(work);
      runs.push(work.map(({ start, length }) => [start, length]));
      return work.map(({ sequence }) => {
        held.add(sequence);
        const logits = new Float32Array(END + 1);
        logits[sequence.tokens.length % (END + 1)] = 1;
        return logits;
      });
    },
    release: (sequence) => void held.delete(sequence),
    cached: () => held.size,
    close: () => Promise.resolve(),
  };
}

function engineOf(runner: ModelRunner, limits: Partial<SchedulerLimits> = {}): Engine {
  return createEngine({
    scheduler: createScheduler({ maxRunning: 1, maxWaiting: 8, prefillTokens: 4, ...limits }),
    runner,
    tokenizer: { bytesOf: (id) => new TextEncoder().encode(VOCABULARY[id]) },
    endTokens: new Set([END]),
  });
}

const PROMPT: Prompt = { segments: [], images: [], runs: [], length: 10 };

function params(changes: Partial<GenerationParams> = {}): GenerationParams {
  return { maxTokens: 100, sampling: { temperature: 0, topK: 0, topP: 1 }, random: () => 0, stop: [], ...changes };
}

async function collect(stream: ReadableStream<Output>): Promise<{ text: string; tokens: number; reason: unknown }> {
  let text = '';
  let tokens = 0;
  let reason: unknown;
  for await (const output of stream) {
    expect(reason ?? null).toBeNull();
    text += output.text;
    tokens++;
    reason = output.finishReason;
  }
  return { text, tokens, reason };
}

describe('createEngine', () => {
  it('ends at an end token, which is counted and not shown', async () => {
    const runner = fakeRunner();
    expect(await collect(engineOf(runner).add(PROMPT, params()))).toEqual({
      text: VOCABULARY,
      tokens: VOCABULARY.length + 1,
      reason: 'stop',
    });
    expect(runner.runs.slice(0, 5)).toEqual([[[0, 4]], [[4, 4]], [[8, 2]], [[10, 1]], [[11, 1]]]);
    expect(runner.cached()).toBe(0);
  });

  it('ends at maxTokens with all the text it held back', async () => {
    const answer = await collect(engineOf(fakeRunner()).add(PROMPT, params({ maxTokens: 3, stop: ['cd'] })));
    expect(answer).toEqual({ text: 'abc', tokens: 3, reason: 'length' });
  });

  it('ends before a stop string', async () => {
    const answer = await collect(engineOf(fakeRunner()).add(PROMPT, params({ stop: ['de', 'zz'] })));
    expect(answer).toEqual({ text: 'abc', tokens: 5, reason: 'stop' });
  });

  it('gives tokens one by one, before the answer is complete', async () => {
    const runner = fakeRunner();
    const reader = engineOf(runner).add(PROMPT, params()).getReader();
    expect(await reader.read()).toEqual({ done: false, value: { text: 'a', finishReason: null } });
    expect(runner.runs).toHaveLength(3);
    await reader.cancel();
  });

  it('serves one after the other, and several at once when the scheduler lets it', async () => {
    for (const maxRunning of [1, 3]) {
      const runner = fakeRunner();
      const engine = engineOf(runner, { maxRunning });
      const answers = await Promise.all(
        [2, 3, 4].map((maxTokens) => collect(engine.add(PROMPT, params({ maxTokens })))),
      );
      expect(answers.map((answer) => answer.text)).toEqual(['ab', 'abc', 'abcd']);
      expect(Math.max(...runner.runs.map((run) => run.length))).toBe(maxRunning);
      expect(engine.counts()).toEqual({ running: 0, waiting: 0 });
    }
  });

  it.each([
    ['in the middle of its prompt', 1],
    ['while it generates', 5],
  ])('drops a sequence that is aborted %s', async (_name, turns) => {
    const runner = fakeRunner();
    const engine = engineOf(runner);
    const stream = engine.add(PROMPT, params());
    while (runner.runs.length < turns) {
      await setImmediate();
    }
    await stream.cancel();
    const answer = await collect(engine.add(PROMPT, params({ maxTokens: 2 })));
    expect(answer.text).toBe('ab');
    expect(runner.runs.length).toBeLessThanOrEqual(turns + 1 + 4);
    expect(runner.cached()).toBe(0);
  });

  it('drops a sequence that is aborted while it waits', async () => {
    const runner = fakeRunner();
    const engine = engineOf(runner);
    const first = collect(engine.add(PROMPT, params({ maxTokens: 1 })));
    await engine.add(PROMPT, params()).cancel();
    expect(engine.counts().waiting).toBe(0);
    expect((await first).text).toBe('a');
    await setImmediate();
    expect(runner.runs).toHaveLength(3);
  });

  it('fails a sequence whose run fails, and serves the next', async () => {
    let broken = true;
    const runner = fakeRunner(() => {
      if (broken) {
        throw new Error('out of memory');
      }
    });
    const engine = engineOf(runner);
    await expect(collect(engine.add(PROMPT, params()))).rejects.toMatchObject({ failure: { kind: 'internal' } });
    broken = false;
    expect((await collect(engine.add(PROMPT, params({ maxTokens: 1 })))).text).toBe('a');
  });

  it('fails only the sequence whose logits are broken', async () => {
    const runner = fakeRunner();
    const engine = engineOf(
      {
        ...runner,
        run: async (work) =>
          (await runner.run(work)).map((logits, index) =>
            work[index]?.sequence.params.maxTokens === 13 ? logits.fill(NaN) : logits,
          ),
      },
      { maxRunning: 2 },
    );
    const [broken, fine] = await Promise.allSettled(
      [13, 3].map((maxTokens) => collect(engine.add(PROMPT, params({ maxTokens })))),
    );
    expect(broken).toMatchObject({ status: 'rejected', reason: { failure: { kind: 'internal' } } });
    expect(fine).toMatchObject({ status: 'fulfilled', value: { text: 'abc' } });
  });

  it('is idle only when no run is under way', async () => {
    const runner = fakeRunner();
    const engine = engineOf(runner);
    await engine.idle();
    await engine.add(PROMPT, params()).cancel();
    expect(runner.runs).toHaveLength(0);
    await engine.idle();
    expect(runner.runs).toHaveLength(1);
    expect(runner.cached()).toBe(0);
  });

  it('fails everything it is told to abort', async () => {
    const engine = engineOf(fakeRunner());
    const answers = [1, 2].map(() => collect(engine.add(PROMPT, params())));
    engine.abortAll({ kind: 'internal', message: 'The endpoint is shutting down' });
    for (const answer of answers) {
      await expect(answer).rejects.toThrow('shutting down');
    }
    expect(engine.counts()).toEqual({ running: 0, waiting: 0 });
  });
});
