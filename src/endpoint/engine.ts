import type { Tokenizer } from '../core/prompt/tokenizer.ts';
import { RequestError, type Failure } from '../core/protocol/failure.ts';
import { createDetokenizer, type Detokenizer } from './detokenizer.ts';
import type { ModelRunner } from './model-runner.ts';
import { sample } from './sampler.ts';
import type { Scheduler, Work } from './scheduler.ts';
import { createSequence, sequenceLength, type GenerationParams, type Prompt, type Sequence } from './sequence.ts';

/** What one generated token adds to the answer; the last one carries the reason. */
export interface Output {
  /** May be empty: a control token, half a character, the beginning of a stop string. */
  text: string;
  finishReason: 'stop' | 'length' | null;
}

export interface Engine {
  /**
   * Queues a prompt. The stream gives one output for each generated token; cancelling it aborts the sequence, whether
   * it waits, is in the middle of its prompt, or generates.
   *
   * @throws RequestError `overloaded`.
   */
  add(prompt: Prompt, params: GenerationParams): ReadableStream<Output>;
  /** Fails every sequence that is not finished. */
  abortAll(failure: Failure): void;
  /** Resolves when nothing runs: the model may be freed. */
  idle(): Promise<void>;
  counts(): { running: number; waiting: number };
}

export interface EngineParts {
  scheduler: Scheduler;
  runner: ModelRunner;
  tokenizer: Pick<Tokenizer, 'bytesOf'>;
  endTokens: ReadonlySet<number>;
}

interface Listener {
  readonly controller: ReadableStreamDefaultController<Output>;
  readonly detokenizer: Detokenizer;
}

/** The loop from prompts to text: schedule → run → sample → emit. It turns only while there is work. */
export function createEngine({ scheduler, runner, tokenizer, endTokens }: EngineParts): Engine {
  const listeners = new Map<Sequence, Listener>();
  let turning: Promise<void> | undefined;

  function add(prompt: Prompt, params: GenerationParams): ReadableStream<Output> {
    const sequence = createSequence(prompt, params);
    scheduler.add(sequence);
    return new ReadableStream<Output>({
      start(controller) {
        listeners.set(sequence, { controller, detokenizer: createDetokenizer(params.stop) });
        turning ??= turn();
      },
      cancel: () => leave(sequence),
    });
  }

  async function turn(): Promise<void> {
    while (listeners.size > 0) {
      await step();
    }
    turning = undefined;
  }

  async function step(): Promise<void> {
    const work = scheduler.schedule();
    const logits = await runner.run(work).catch((cause: unknown) => {
      work.forEach(({ sequence }) => failRun(sequence, cause));
    });
    work.forEach((piece, index) => {
      try {
        advance(piece, logits?.[index]);
      } catch (cause) {
        failRun(piece.sequence, cause);
      }
    });
  }

  function advance({ sequence, start, length }: Work, logits: Float32Array | undefined): void {
    const listener = listeners.get(sequence);
    if (listener === undefined) {
      // Aborted during the run, which has just stored its keys and values again.
      runner.release(sequence);
      return;
    }
    sequence.computed = start + length;
    if (sequence.computed < sequenceLength(sequence)) {
      return;
    }
    if (logits === undefined) {
      throw new Error('the runner gave no logits for a sequence');
    }
    const token = sample(logits, sequence.params.sampling, sequence.params.random);
    sequence.tokens.push(token);
    const output = decode(sequence, token, listener.detokenizer);
    listener.controller.enqueue(output);
    if (output.finishReason !== null) {
      listener.controller.close();
      leave(sequence);
    }
  }

  function decode({ tokens, params }: Sequence, token: number, detokenizer: Detokenizer): Output {
    if (endTokens.has(token)) {
      return { text: detokenizer.flush(), finishReason: 'stop' };
    }
    const { text, stopped } = detokenizer.push(tokenizer.bytesOf(token));
    if (stopped) {
      return { text, finishReason: 'stop' };
    }
    return tokens.length >= params.maxTokens
      ? { text: text + detokenizer.flush(), finishReason: 'length' }
      : { text, finishReason: null };
  }

  function failRun(sequence: Sequence, cause: unknown): void {
    fail(sequence, { kind: 'internal', message: 'The model failed to run' }, cause);
  }

  function fail(sequence: Sequence, failure: Failure, cause?: unknown): void {
    listeners.get(sequence)?.controller.error(new RequestError(failure, { cause }));
    leave(sequence);
  }

  function leave(sequence: Sequence): void {
    listeners.delete(sequence);
    scheduler.remove(sequence);
    runner.release(sequence);
  }

  return {
    add,
    abortAll: (failure) => [...listeners.keys()].forEach((sequence) => fail(sequence, failure)),
    idle: async () => turning,
    counts: () => scheduler.counts(),
  };
}
