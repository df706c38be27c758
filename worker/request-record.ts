import type { ChatRequest } from '../src/core/protocol/chat-request.ts';
import type { FinishReason } from '../src/core/protocol/chat-response.ts';
import { type ChatSpan, openChatSpan } from './chat-span.ts';
import { describeError, type ErrorFacts } from './describe-error.ts';
import type { Stopwatch } from './stopwatch.ts';
import type { Trace } from './trace.ts';
import type { AnswerEvent } from './upstream-answer.ts';

/** How a request ended: answered as it should be, with an error, or by a client that left before the end. */
export type RequestEnd =
  { how: 'answered'; status: number } | { how: 'failed'; status: number; error: unknown } | { how: 'left' };

/** nginx's status for a client that left; no client ever sees it. */
export const CLIENT_LEFT_STATUS = 499;

/**
 * What is known about one request at its end. Counts, names of ours and times: nothing that a client wrote, so that it
 * may go to logs and metrics as it is.
 */
export interface Outcome {
  request: string;
  method: string;
  /** The route's pattern, e.g. `/v1/models/:model`, or null where no route matched. */
  route: string | null;
  how: RequestEnd['how'];
  /** What the client was sent; a stream that broke began with 200. */
  status: number;
  error: ErrorFacts | null;
  /** A model that this worker serves, or null. */
  model: string | null;
  /** Public name of the API key. */
  key: string | null;
  stream: boolean;
  images: number;
  /** Counted from what was relayed where upstream's own count never came: one for each piece of text. */
  usage: { promptTokens: number | null; completionTokens: number; counted: boolean } | null;
  finishReason: FinishReason | null;
  /** Calls of a model server; 0 where none was needed. */
  attempts: number;
  /** Body of the request, as far as it was read. */
  bytesIn: number;
  /** Body of the answer, as far as it was written. */
  bytesOut: number;
  firstTokenMs: number | null;
  totalMs: number;
  /** Milliseconds spent in each named step. */
  steps: Record<string, number>;
}

type Facts = Pick<Outcome, 'route' | 'model' | 'key' | 'stream' | 'images' | 'attempts' | 'bytesIn'>;

/** Collects what becomes known of a request while it is served, and hands it over once, at the end. */
export interface RequestRecord {
  note(facts: Partial<Facts>): void;
  /** The model is being called. */
  called(chat: ChatRequest, responseId: string): void;
  /** An event of the answer, as upstream sent it. */
  saw(event: AnswerEvent): void;
  /** The first call counts; a stream's end may be noticed in several places. */
  close(end: RequestEnd, bytesOut: number): void;
}

export interface RecordSeams {
  id: string;
  method: string;
  now: () => number;
  stopwatch: Stopwatch;
  trace: Trace;
  /** Takes the outcome; called once. */
  emit: (outcome: Outcome) => void;
}

export function openRecord({ id, method, now, stopwatch, trace, emit }: RecordSeams): RequestRecord {
  const startMs = now();
  let facts: Facts = { route: null, model: null, key: null, stream: false, images: 0, attempts: 0, bytesIn: 0 };
  let span: ChatSpan | null = null;
  let calledMs = startMs;
  let pieces = 0;
  let firstTokenMs: number | null = null;
  let end: Extract<AnswerEvent, { kind: 'end' }> | null = null;
  let open = true;

  function usage(): Outcome['usage'] {
    if (end !== null) {
      return { ...end.usage, counted: false };
    }
    return pieces === 0 ? null : { promptTokens: null, completionTokens: pieces, counted: true };
  }

  return {
    note(more) {
      facts = { ...facts, ...more };
    },
    called(chat, responseId) {
      calledMs = now();
      facts.attempts = Math.max(facts.attempts, 1);
      span = openChatSpan(trace, chat, responseId);
    },
    saw(event) {
      if (event.kind === 'end') {
        end = event;
        return;
      }
      pieces += 1;
      if (firstTokenMs === null) {
        firstTokenMs = now() - startMs;
        span?.firstToken(now() - calledMs);
      }
    },
    close(closing, bytesOut) {
      if (!open) {
        return;
      }
      open = false;
      const error = closing.how === 'failed' ? describeError(closing.error) : null;
      const errorType = closing.how === 'left' ? 'client-left' : (error?.failure ?? null);
      span?.end({ finishReason: end?.finishReason ?? null, usage: end?.usage ?? null, errorType });
      emit({
        ...facts,
        request: id,
        method,
        how: closing.how,
        status: closing.how === 'left' ? CLIENT_LEFT_STATUS : closing.status,
        error,
        usage: usage(),
        finishReason: end?.finishReason ?? null,
        bytesOut,
        firstTokenMs,
        totalMs: now() - startMs,
        steps: stopwatch.spent(),
      });
    },
  };
}
