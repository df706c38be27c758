import type { AnswerDelta, FinishReason, TokenLogprob, Usage } from '../src/core/protocol/answer-delta.ts';
import type { ChatRequest } from '../src/core/protocol/chat-request.ts';
import { DONE_DATA, parseEvents } from '../src/core/protocol/sse.ts';
import { type ChoiceReader, readChoice } from './upstream-choice.ts';
import { broke, parseChunk } from './upstream-chunk.ts';

/** An answer as it arrives: pieces of its choices, then one end. An answer without an end is a failure, never a short answer. */
export type AnswerEvent =
  | (AnswerDelta & {
      /** Which choice. */
      index: number;
      /** The tokens behind the piece; empty where nobody asked. */
      logprobs: TokenLogprob[];
    })
  | {
      kind: 'end';
      /** One for each choice. */
      finishReasons: FinishReason[];
      /** Null only from an upstream that is declared to count nothing. */
      usage: Usage | null;
    };

/** What an answer must hold to be whole. */
export interface Expected {
  /** Prompt tokens that the images must have become. */
  imageTokens: number;
  /** Whether upstream must count its tokens. */
  usage: boolean;
  choices: number;
  /** Whether the tokens must be listed. */
  logprobs: boolean;
  /** Whether it may call tools. */
  tools: boolean;
}

export function expectedOf(
  { choices = 1, topLogprobs, tools }: ChatRequest,
  { imageTokens, usage }: Pick<Expected, 'imageTokens' | 'usage'>,
): Expected {
  return { imageTokens, usage, choices, logprobs: topLogprobs !== undefined, tools: tools !== undefined };
}

/**
 * Reads an upstream's event stream.
 *
 * The end is yielded only when all of it is proven: a finish reason for each choice, usage, a prompt that is at least as
 * long as its images, and tokens where they were asked for. Some servers drop what they do not know, and then answer
 * about a picture they have never seen.
 *
 * @param onChunk told of each chunk, those without text too, and of upstream's count so far.
 * @throws RequestError `upstream-broke`: cut, reset, malformed chunk, error event, no finish reason, dropped image.
 */
export async function* readAnswer(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  expected: Expected,
  onChunk: (usage: Usage | null) => void = () => {},
): AsyncGenerator<AnswerEvent, void> {
  const choices = Array.from({ length: expected.choices }, readChoice);
  let usage: Usage | null = null;
  let wrote = false;
  let listed = false;
  for await (const data of readEvents(body)) {
    if (data === DONE_DATA) {
      break;
    }
    const chunk = parseChunk(data);
    usage = chunk.usage ?? usage;
    onChunk(usage);
    for (const wire of chunk.choices) {
      const { index } = wire;
      const choice = choices[index];
      if (choice === undefined) {
        throw broke(`The model server sent choice ${index} of ${expected.choices}`);
      }
      for (const { delta, logprobs } of choice.read(wire)) {
        if (delta.kind === 'call' && !expected.tools) {
          throw broke('The model server called a tool that nobody offered');
        }
        wrote ||= delta.kind === 'text';
        listed ||= logprobs.length > 0;
        yield { ...delta, index, logprobs: expected.logprobs ? logprobs : [] };
      }
    }
  }
  if (expected.logprobs && wrote && !listed) {
    throw broke('The model server left out the logprobs that were asked for');
  }
  yield {
    kind: 'end',
    finishReasons: choices.map((choice) => reasonOf(choice, expected)),
    usage: provenUsage(usage, expected),
  };
}

function reasonOf(choice: ChoiceReader, { tools }: Expected): FinishReason {
  const reason = choice.finishReason();
  if (reason === null) {
    throw broke('The answer was cut off before its end');
  }
  if (reason === 'tool_calls' && !tools) {
    throw broke('The model server called a tool that nobody offered');
  }
  return reason;
}

function provenUsage(usage: Usage | null, expected: Expected): Usage | null {
  if (usage === null && expected.usage) {
    throw broke('The model server did not report usage, so whether it saw the whole prompt is unknown');
  }
  if (usage !== null && usage.promptTokens < expected.imageTokens) {
    throw broke(
      `The model server counted ${usage.promptTokens} prompt tokens, fewer than the ${expected.imageTokens} of the images: it dropped one`,
    );
  }
  return usage;
}

async function* readEvents(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string, void> {
  try {
    yield* parseEvents(body);
  } catch (cause) {
    throw broke('The connection to the model server broke', cause);
  }
}
