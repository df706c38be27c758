import type { AnswerDelta, FinishReason, TokenLogprob } from '../core/protocol/answer-delta.ts';
import { RequestError, type Failure } from '../core/protocol/failure.ts';
import type { Tokenizer } from '../core/prompt/tokenizer.ts';
import { adjustLogits } from './logit-adjustment.ts';
import type { TokenMask } from './grammar/token-grammar.ts';
import type { ModelRunner } from './model-runner.ts';
import { sample } from './sampler.ts';
import type { Scheduler, Work } from './scheduler.ts';
import { createSequence, sequenceLength, type GenerationParams, type Prompt, type Sequence } from './sequence.ts';
import { createWriter, type Writer } from './writer.ts';

/** What one generated token adds to one of the answers; the last one of each carries the reason. */
export interface Output {
  /** Which answer. */
  index: number;
  /** Positions of the prompt that were not computed anew. */
  reused: number;
  /** May be empty: a control token, half a character, the beginning of a stop string or of a tool call. */
  deltas: AnswerDelta[];
  /** Tokens that are shown with this one; none where nobody asked. */
  tokens: TokenLogprob[];
  finishReason: FinishReason | null;
}

export interface Engine {
  /**
   * Queues a prompt, to be answered once for each of `params`; it is read once for all of them. The stream gives one
   * output for each generated token; cancelling it aborts every answer, whether it waits, is in the middle of its
   * prompt, or generates.
   *
   * @throws RequestError `overloaded`, or `invalid-request` for more answers than are ever made at once.
   */
  add(prompt: Prompt, params: readonly GenerationParams[]): ReadableStream<Output>;
  /** Fails every sequence that is not finished. */
  abortAll(failure: Failure): void;
  /** Resolves when nothing runs: the model may be freed. */
  idle(): Promise<void>;
  counts(): { running: number; waiting: number };
}

export interface EngineParts {
  scheduler: Scheduler;
  runner: ModelRunner;
  tokenizer: Pick<Tokenizer, 'bytesOf' | 'controlOf'>;
  endTokens: ReadonlySet<number>;
}

/** The answers to one request, as far as they are not finished. */
interface Answers {
  readonly controller: ReadableStreamDefaultController<Output>;
  readonly open: Map<Sequence, { index: number; writer: Writer }>;
}

/** The loop from prompts to text: schedule → run → sample → emit. It turns only while there is work. */
export function createEngine({ scheduler, runner, tokenizer, endTokens }: EngineParts): Engine {
  const requests = new Map<Sequence, Answers>();
  let turning: Promise<void> | undefined;

  function add(prompt: Prompt, params: readonly GenerationParams[]): ReadableStream<Output> {
    const sequences = params.map((one) => createSequence(prompt, one));
    scheduler.add(sequences);
    return new ReadableStream<Output>({
      start(controller) {
        const writers = sequences.map((sequence, index) => {
          return [sequence, { index, writer: createWriter(sequence.params, { tokenizer, endTokens }) }] as const;
        });
        const answers: Answers = { controller, open: new Map(writers) };
        sequences.forEach((sequence) => requests.set(sequence, answers));
        turning ??= turn();
      },
      cancel: () => sequences.forEach(leave),
    });
  }

  async function turn(): Promise<void> {
    while (requests.size > 0) {
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
    const request = requests.get(sequence);
    if (request === undefined) {
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
    const waiting =
      sequence.tokens.length === 0 ? [...request.open.keys()].filter(({ computed }) => computed === 0) : [];
    for (const sibling of waiting) {
      runner.fork(sequence, sibling);
      sibling.computed = sequence.computed;
      sibling.reused = sequence.reused;
      emit(sibling, request, logits);
    }
    emit(sequence, request, logits);
  }

  /** Draws the next token of a sequence and gives out what it shows. */
  function emit(sequence: Sequence, { controller, open }: Answers, logits: Float32Array): void {
    const { constraint } = sequence.params;
    const token = draw(sequence, logits);
    constraint?.accept(token);
    sequence.tokens.push(token);
    const answer = open.get(sequence);
    if (answer === undefined) {
      throw new Error('a sequence that no request asked for');
    }
    const { deltas, tokens, finishReason } = answer.writer.write(token, logits, sequence.isHurried);
    controller.enqueue({ index: answer.index, reused: sequence.reused, deltas, tokens, finishReason });
    if (finishReason !== null) {
      leave(sequence);
      if (open.size === 0) {
        controller.close();
      }
    }
  }

  /** A token that the grammar allows, and from which the answer can still be ended within its length where that can be. */
  function draw(sequence: Sequence, logits: Float32Array): number {
    const { constraint, adjustment, sampling, random, maxTokens } = sequence.params;
    const among = (allowed: TokenMask | null): number =>
      sample(adjustLogits(logits, sequence.tokens, adjustment, allowed), sampling, random);
    const token = among(constraint?.allowed() ?? null);
    const left = maxTokens - sequence.tokens.length - 1;
    if (constraint === null || constraint.endsWithin(token, left)) {
      return token;
    }
    sequence.isHurried = true;
    return among(constraint.allowedWithin(left));
  }

  function failRun(sequence: Sequence, cause: unknown): void {
    fail(sequence, { kind: 'internal', message: 'The model failed to run' }, cause);
  }

  /** A request whose one answer fails has failed. */
  function fail(sequence: Sequence, failure: Failure, cause?: unknown): void {
    const request = requests.get(sequence);
    request?.controller.error(new RequestError(failure, { cause }));
    [sequence, ...(request?.open.keys() ?? [])].forEach(leave);
  }

  function leave(sequence: Sequence): void {
    requests.get(sequence)?.open.delete(sequence);
    requests.delete(sequence);
    scheduler.remove(sequence);
    runner.release(sequence);
  }

  return {
    add,
    abortAll: (failure) => [...requests.keys()].forEach((sequence) => fail(sequence, failure)),
    idle: async () => turning,
    counts: () => scheduler.counts(),
  };
}
