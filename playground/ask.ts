import { DONE_DATA, parseEvents } from '../src/core/protocol/sse.ts';
import type { WireForm } from '../src/core/upstream/capability.ts';
import { WIRE_HEADER, wireOfReport } from '../src/core/upstream/wire-header.ts';
import type { ChatBody } from './chat-body.ts';

/** What the API says is wrong, in its own words. */
export interface ApiError {
  message: string;
  code: string | null;
  param: string | null;
}

export class AskError extends Error {
  /** Null where the answer had begun, or nothing answered at all. */
  readonly status: number | null;
  readonly error: ApiError;
  readonly requestId: string | null;
  constructor(status: number | null, error: ApiError, requestId: string | null) {
    super(error.message);
    this.name = 'AskError';
    this.status = status;
    this.error = error;
    this.requestId = requestId;
  }
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
}

export type AnswerEvent =
  | { kind: 'opened'; serverTiming: string; wire: WireForm | null; requestId: string | null }
  | { kind: 'text'; text: string }
  | { kind: 'end'; finishReason: string | null; usage: Usage | null };

interface Chunk {
  error?: Partial<ApiError>;
  choices?: { delta?: { content?: string | null; refusal?: string | null }; finish_reason?: string | null }[];
  usage?: Usage | null;
}

/** Names of the models that may be asked. */
export async function listModels(key: string, signal: AbortSignal): Promise<string[]> {
  const response = await send('/v1/models', { headers: authorization(key), signal });
  const { data } = (await response.json()) as { data: { id: string }[] };
  return data.map(({ id }) => id);
}

/** The picture behind a URL as the worker makes it for the model: a PNG. */
export async function viewUrl(url: string, key: string, signal: AbortSignal): Promise<Blob> {
  const response = await send('/playground/view', { method: 'POST', headers: authorization(key), body: url, signal });
  return response.blob();
}

/**
 * Asks, and gives the answer piece by piece.
 *
 * @throws AskError for whatever the API says is wrong, before or within the answer, and for an answer that breaks off: one
 *   without `[DONE]` is half an answer. The signal's reason when it is aborted.
 */
export async function* ask(body: ChatBody, key: string, signal: AbortSignal): AsyncGenerator<AnswerEvent, void> {
  const response = await send('/v1/chat/completions', {
    method: 'POST',
    headers: { ...authorization(key), 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal,
  });
  const requestId = response.headers.get('x-request-id');
  yield {
    kind: 'opened',
    serverTiming: response.headers.get('server-timing') ?? '',
    wire: wireOfReport(response.headers.get(WIRE_HEADER)),
    requestId,
  };

  let finishReason: string | null = null;
  let usage: Usage | null = null;
  for await (const data of events(response, requestId, signal)) {
    if (data === DONE_DATA) {
      yield { kind: 'end', finishReason, usage };
      return;
    }
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.error !== undefined) {
      throw new AskError(null, apiError(chunk.error), requestId);
    }
    usage = chunk.usage ?? usage;
    const choice = chunk.choices?.[0];
    finishReason = choice?.finish_reason ?? finishReason;
    const text = (choice?.delta?.content ?? '') + (choice?.delta?.refusal ?? '');
    if (text !== '') {
      yield { kind: 'text', text };
    }
  }
  throw new AskError(null, apiError({ message: 'The answer broke off before its end.' }), requestId);
}

async function* events(
  response: Response,
  requestId: string | null,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  if (response.body === null) {
    return;
  }
  try {
    yield* parseEvents(response.body);
  } catch (error) {
    signal.throwIfAborted();
    const message = `The connection broke: ${error instanceof Error ? error.message : 'no reason given'}`;
    throw new AskError(null, apiError({ message }), requestId);
  }
}

async function send(path: string, init: RequestInit & { signal: AbortSignal }): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, credentials: 'omit', cache: 'no-store' });
  } catch {
    init.signal.throwIfAborted();
    throw new AskError(null, apiError({ message: 'The worker cannot be reached.' }), null);
  }
  if (!response.ok) {
    const text = await response.text();
    throw new AskError(response.status, readError(text), response.headers.get('x-request-id'));
  }
  return response;
}

function readError(text: string): ApiError {
  try {
    return apiError((JSON.parse(text) as { error: Partial<ApiError> }).error);
  } catch {
    return apiError({ message: text });
  }
}

function apiError({ message = '', code = null, param = null }: Partial<ApiError>): ApiError {
  return { message, code, param };
}

function authorization(key: string): Record<string, string> {
  return key === '' ? {} : { authorization: `Bearer ${key}` };
}
