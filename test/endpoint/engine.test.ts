import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { choice, literal } from '../../src/endpoint/grammar/expression.ts';
import { type Constraint, createTokenGrammar } from '../../src/endpoint/grammar/token-grammar.ts';
import { createVocabulary } from '../../src/endpoint/grammar/vocabulary.ts';
import { createEngine, type Engine, type Output } from '../../src/endpoint/engine.ts';
import type { ModelRunner } from '../../src/endpoint/model-runner.ts';
import { createScheduler, type SchedulerLimits, type Work } from '../../src/endpoint/scheduler.ts';
import type { Prompt, Sequence } from '../../src/endpoint/sequence.ts';
import { generationParams } from '../support/generation-params.ts';

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
    fork: (_from, to) => void held.add(to),
    resume: () => 0,
    release: (sequence) => void held.delete(sequence),
    cached: () => held.size,
    close: () => Promise.resolve(),
  };
}

function engineOf(runner: ModelRunner, limits: Partial<SchedulerLimits> = {}): Engine {
  return createEngine({
    scheduler: createScheduler({ maxRunning: 1, maxWaiting: 8, prefillTokens: 4, ...limits }),
    runner,
    tokenizer: { bytesOf: (id) => new TextEncoder().encode(VOCABULARY[id]), controlOf: () => null },
    endTokens: new Set([END]),
  });
}

const PROMPT: Prompt = { segments: [], images: [], runs: [], length: 10 };

async function collect(stream: ReadableStream<Output>): Promise<{ text: string; tokens: number; reason: unknown }> {
  let text = '';
  let tokens = 0;
  let reason: unknown;
  for await (const output of stream) {
    expect(reason ?? null).toBeNull();
    text += output.deltas.map((delta) => (delta.kind === 'text' ? delta.text : '')).join('');
    tokens++;
    reason = output.finishReason;
  }
  return { text, tokens, reason };
}

describe('createEngine', () => {
  it('ends at an end token, which is counted and not shown', async () => {
    const runner = fakeRunner();
    expect(await collect(engineOf(runner).add(PROMPT, [generationParams()]))).toEqual({
      text: VOCABULARY,
      tokens: VOCABULARY.length + 1,
      reason: 'stop',
    });
    expect(runner.runs.slice(0, 5)).toEqual([[[0, 4]], [[4, 4]], [[8, 2]], [[10, 1]], [[11, 1]]]);
    expect(runner.cached()).toBe(0);
  });

  it('ends at maxTokens with all the text it held back', async () => {
    const answer = await collect(
      engineOf(fakeRunner()).add(PROMPT, [generationParams({ maxTokens: 3, stop: ['cd'] })]),
    );
    expect(answer).toEqual({ text: 'abc', tokens: 3, reason: 'length' });
  });

  it('ends before a stop string', async () => {
    const answer = await collect(engineOf(fakeRunner()).add(PROMPT, [generationParams({ stop: ['de', 'zz'] })]));
    expect(answer).toEqual({ text: 'abc', tokens: 5, reason: 'stop' });
  });

  it('gives tokens one by one, before the answer is complete', async () => {
    const runner = fakeRunner();
    const reader = engineOf(runner).add(PROMPT, [generationParams()]).getReader();
    expect(await reader.read()).toEqual({
      done: false,
      value: { index: 0, reused: 0, deltas: [{ kind: 'text', text: 'a' }], tokens: [], finishReason: null },
    });
    expect(runner.runs).toHaveLength(3);
    await reader.cancel();
  });

  it('serves one after the other, and several at once when the scheduler lets it', async () => {
    for (const maxRunning of [1, 3]) {
      const runner = fakeRunner();
      const engine = engineOf(runner, { maxRunning });
      const answers = await Promise.all(
        [2, 3, 4].map((maxTokens) => collect(engine.add(PROMPT, [generationParams({ maxTokens })]))),
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
    const stream = engine.add(PROMPT, [generationParams()]);
    while (runner.runs.length < turns) {
      await setImmediate();
    }
    await stream.cancel();
    const answer = await collect(engine.add(PROMPT, [generationParams({ maxTokens: 2 })]));
    expect(answer.text).toBe('ab');
    expect(runner.runs.length).toBeLessThanOrEqual(turns + 1 + 4);
    expect(runner.cached()).toBe(0);
  });

  it('drops a sequence that is aborted while it waits', async () => {
    const runner = fakeRunner();
    const engine = engineOf(runner);
    const first = collect(engine.add(PROMPT, [generationParams({ maxTokens: 1 })]));
    await engine.add(PROMPT, [generationParams()]).cancel();
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
    await expect(collect(engine.add(PROMPT, [generationParams()]))).rejects.toMatchObject({
      failure: { kind: 'internal' },
    });
    broken = false;
    expect((await collect(engine.add(PROMPT, [generationParams({ maxTokens: 1 })]))).text).toBe('a');
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
      [13, 3].map((maxTokens) => collect(engine.add(PROMPT, [generationParams({ maxTokens })]))),
    );
    expect(broken).toMatchObject({ status: 'rejected', reason: { failure: { kind: 'internal' } } });
    expect(fine).toMatchObject({ status: 'fulfilled', value: { text: 'abc' } });
  });

  it('is idle only when no run is under way', async () => {
    const runner = fakeRunner();
    const engine = engineOf(runner);
    await engine.idle();
    await engine.add(PROMPT, [generationParams()]).cancel();
    expect(runner.runs).toHaveLength(0);
    await engine.idle();
    expect(runner.runs).toHaveLength(1);
    expect(runner.cached()).toBe(0);
  });

  it('fails everything it is told to abort', async () => {
    const engine = engineOf(fakeRunner());
    const answers = [1, 2].map(() => collect(engine.add(PROMPT, [generationParams()])));
    engine.abortAll({ kind: 'internal', message: 'The endpoint is shutting down' });
    for (const answer of answers) {
      await expect(answer).rejects.toThrow('shutting down');
    }
    expect(engine.counts()).toEqual({ running: 0, waiting: 0 });
  });

  describe('several answers to one prompt', () => {
    /** Answers token by token, by index. */
    async function collectAll(stream: ReadableStream<Output>): Promise<string[]> {
      const texts: string[] = [];
      for await (const { index, deltas } of stream) {
        texts[index] ??= '';
        texts[index] += deltas.map((delta) => (delta.kind === 'text' ? delta.text : '')).join('');
      }
      return texts;
    }

    it('read it once, and end when the last of them ends', async () => {
      const runner = fakeRunner();
      const engine = engineOf(runner);
      const answers = [3, 1, 2].map((maxTokens) => generationParams({ maxTokens }));
      expect(await collectAll(engine.add(PROMPT, answers))).toEqual(['abc', 'a', 'ab']);
      // Three pieces of the prompt, then two and one tokens after the first of each.
      expect(runner.runs).toHaveLength(3 + 2 + 1);
      expect(runner.cached()).toBe(0);
      expect(engine.counts()).toEqual({ running: 0, waiting: 0 });
    });

    it('are given up together', async () => {
      const runner = fakeRunner();
      const engine = engineOf(runner);
      const reader = engine.add(PROMPT, [generationParams(), generationParams()]).getReader();
      await reader.read();
      await reader.cancel();
      await engine.idle();
      expect(engine.counts()).toEqual({ running: 0, waiting: 0 });
      expect(runner.cached()).toBe(0);
    });

    it('fail together', async () => {
      let runs = 0;
      const runner = fakeRunner(() => {
        runs += 1;
        if (runs === 5) {
          throw new Error('out of memory');
        }
      });
      const engine = engineOf(runner);
      const failed = collectAll(engine.add(PROMPT, [generationParams(), generationParams()]));
      await expect(failed).rejects.toMatchObject({ failure: { kind: 'internal' } });
      expect(engine.counts()).toEqual({ running: 0, waiting: 0 });
      expect(runner.cached()).toBe(0);
    });

    it('wait together or not at all', async () => {
      const engine = engineOf(fakeRunner(), { maxWaiting: 2 });
      const three = [1, 2, 3].map(() => generationParams({ maxTokens: 1 }));
      const first = collectAll(engine.add(PROMPT, three));
      expect(() => engine.add(PROMPT, three.slice(0, 1))).toThrow(
        expect.objectContaining({ failure: { kind: 'overloaded', retryAfterSeconds: 1 } }) as Error,
      );
      expect(() => engine.add(PROMPT, [...three, ...three])).toThrow(
        expect.objectContaining({ failure: expect.objectContaining({ param: 'n' }) as object }) as Error,
      );
      expect(await first).toEqual(['a', 'a', 'a']);
    });
  });

  describe('under a grammar', () => {
    /** Texts of the vocabulary's letters. */
    function constraintOf(...options: string[]): Constraint {
      const bytesOf = (id: number): Uint8Array => {
        const letters = VOCABULARY.length + 1;
        return id < VOCABULARY.length
          ? new TextEncoder().encode(VOCABULARY[id])
          : Uint8Array.from(id < letters ? [] : [id - letters]);
      };
      const vocabulary = createVocabulary(VOCABULARY.length + 1 + 256, bytesOf);
      const grammar = createTokenGrammar(choice(...options.map(literal)), vocabulary, new Set([END]));
      if (grammar === null) {
        throw new Error('a grammar without a text');
      }
      return grammar.begin();
    }

    it('draws what it allows, and ends with the text', async () => {
      const answer = await collect(
        engineOf(fakeRunner()).add(PROMPT, [generationParams({ constraint: constraintOf('hbd') })]),
      );
      // No end token is drawn, and none is counted.
      expect(answer).toEqual({ text: 'hbd', tokens: 3, reason: 'stop' });
    });

    it('ends by an end token where the text could go on', async () => {
      const answer = await collect(
        engineOf(fakeRunner()).add(PROMPT, [
          generationParams({ constraint: constraintOf('abcdefgh', 'abcdefghabcde') }),
        ]),
      );
      expect(answer).toEqual({ text: 'abcdefgh', tokens: 9, reason: 'stop' });
    });

    it('is whole when its last token is the last that may be', async () => {
      const params = (maxTokens: number) => [generationParams({ constraint: constraintOf('abc'), maxTokens })];
      expect((await collect(engineOf(fakeRunner()).add(PROMPT, params(3)))).reason).toBe('stop');
      expect((await collect(engineOf(fakeRunner()).add(PROMPT, params(2)))).reason).toBe('length');
    });
  });
});
