/** Builders for OpenAI's response objects (openai-openapi: CreateChatCompletionResponse and its stream form). */

export type FinishReason = 'stop' | 'length' | 'content_filter';

/** Equal on every chunk of one answer. */
export interface ResponseIdentity {
  /** `chatcmpl-…` */
  id: string;
  /** Unix time in seconds. */
  created: number;
  model: string;
}

export interface Usage {
  promptTokens: number;
  completionTokens: number;
}

export interface WireUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

export interface ChatCompletion extends ResponseIdentity {
  object: 'chat.completion';
  choices: {
    index: 0;
    message: { role: 'assistant'; content: string; refusal: null };
    finish_reason: FinishReason;
    logprobs: null;
  }[];
  /** Absent only where upstream counts nothing. */
  usage?: WireUsage;
}

export interface ChatCompletionChunk extends ResponseIdentity {
  object: 'chat.completion.chunk';
  choices: { index: 0; delta: Delta; finish_reason: FinishReason | null; logprobs: null }[];
  /** Present only when the client asked for usage: null until the last chunk. */
  usage?: WireUsage | null;
}

export interface Delta {
  role?: 'assistant';
  content?: string;
}

export interface ModelList {
  object: 'list';
  data: Model[];
}

export interface Model {
  id: string;
  object: 'model';
  created: number;
  owned_by: string;
}

/** A whole answer. */
export function completion(
  identity: ResponseIdentity,
  answer: { text: string; finishReason: FinishReason; usage: Usage | null },
): ChatCompletion {
  return {
    ...sameIdentity(identity),
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: answer.text, refusal: null },
        finish_reason: answer.finishReason,
        logprobs: null,
      },
    ],
    ...(answer.usage === null ? {} : { usage: wireUsage(answer.usage) }),
  };
}

/** First chunk of a stream: the role, with empty content. */
export function roleChunk(identity: ResponseIdentity, options: { includeUsage: boolean }): ChatCompletionChunk {
  return choiceChunk(identity, { role: 'assistant', content: '' }, null, options);
}

/** A piece of text. */
export function textChunk(
  identity: ResponseIdentity,
  text: string,
  options: { includeUsage: boolean },
): ChatCompletionChunk {
  return choiceChunk(identity, { content: text }, null, options);
}

/** Last chunk of the choice; sent exactly once. */
export function finishChunk(
  identity: ResponseIdentity,
  finishReason: FinishReason,
  options: { includeUsage: boolean },
): ChatCompletionChunk {
  return choiceChunk(identity, {}, finishReason, options);
}

/** After the finish chunk and before `[DONE]`, only when the client asked for usage. */
export function usageChunk(identity: ResponseIdentity, usage: Usage): ChatCompletionChunk {
  return { ...sameIdentity(identity), object: 'chat.completion.chunk', choices: [], usage: wireUsage(usage) };
}

/** @param created Unix time in seconds. */
export function model(id: string, created: number): Model {
  return { id, object: 'model', created, owned_by: 'vora' };
}

export function modelList(models: Model[]): ModelList {
  return { object: 'list', data: models };
}

function choiceChunk(
  identity: ResponseIdentity,
  delta: Delta,
  finishReason: FinishReason | null,
  options: { includeUsage: boolean },
): ChatCompletionChunk {
  return {
    ...sameIdentity(identity),
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, finish_reason: finishReason, logprobs: null }],
    ...(options.includeUsage ? { usage: null } : {}),
  };
}

function sameIdentity({ id, created, model: name }: ResponseIdentity): ResponseIdentity {
  return { id, created, model: name };
}

function wireUsage({ promptTokens, completionTokens }: Usage): WireUsage {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}
