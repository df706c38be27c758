import type { AnswerDelta, Choice, FinishReason, TokenLogprob, Usage } from './answer-delta.ts';

/** Builders for OpenAI's response objects (openai-openapi: CreateChatCompletionResponse and its stream form). */

/** Equal on every chunk of one answer. */
export interface ResponseIdentity {
  /** `chatcmpl-…` */
  id: string;
  /** Unix time in seconds. */
  created: number;
  model: string;
}

export interface WireUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  /** Only where there are any. */
  prompt_tokens_details?: { cached_tokens: number };
}

/** Both keys are required where there are logprobs at all. */
export interface WireLogprobs {
  content: TokenLogprob[] | null;
  refusal: TokenLogprob[] | null;
}

export interface ChatCompletion extends ResponseIdentity {
  object: 'chat.completion';
  choices: {
    index: number;
    message: { role: 'assistant'; content: string | null; refusal: string | null; tool_calls?: WireToolCall[] };
    finish_reason: FinishReason;
    logprobs: WireLogprobs | null;
  }[];
  /** Absent only where upstream counts nothing. */
  usage?: WireUsage;
}

export interface WireToolCall {
  id: string;
  type: 'function';
  function: { name: string; arguments: string };
}

export interface ChatCompletionChunk extends ResponseIdentity {
  object: 'chat.completion.chunk';
  choices: { index: number; delta: Delta; finish_reason: FinishReason | null; logprobs: WireLogprobs | null }[];
  /** Present only when the client asked for usage: null until the last chunk. */
  usage?: WireUsage | null;
}

export interface Delta {
  role?: 'assistant';
  content?: string | null;
  refusal?: string;
  tool_calls?: ToolCallDelta[];
}

/** `id`, `type` and `name` come with the first delta of a call; arguments are appended. */
export interface ToolCallDelta {
  index: number;
  id?: string;
  type?: 'function';
  function: { name?: string; arguments: string };
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

export interface ChunkOptions {
  includeUsage: boolean;
  /** Which choice; absent is the first. */
  index?: number;
  /** The tokens behind the chunk; absent where nobody asked for them or it has none. */
  logprobs?: readonly TokenLogprob[];
}

/** All that a completion's only choice says, for a client that asked for nothing but words; a refusal is words too. */
export function onlyWords({ choices: [choice] }: ChatCompletion): { text: string; finishReason: TextFinish } {
  if (choice === undefined) {
    throw new TypeError('a completion without a choice');
  }
  const { content, refusal } = choice.message;
  return { text: (content ?? '') + (refusal ?? ''), finishReason: textFinish(choice.finish_reason) };
}

/** The same of a chunk: what it adds, and the finish reason where it has one. */
export function addedWords({ choices: [choice] }: ChatCompletionChunk): {
  text: string;
  finishReason: TextFinish | null;
} {
  const { content, refusal } = choice?.delta ?? {};
  const reason = choice?.finish_reason ?? null;
  return { text: (content ?? '') + (refusal ?? ''), finishReason: reason === null ? null : textFinish(reason) };
}

/** Why an answer of words alone ended. */
export type TextFinish = Exclude<FinishReason, 'tool_calls'>;

function textFinish(reason: FinishReason): TextFinish {
  if (reason === 'tool_calls') {
    throw new TypeError('a tool call that nobody offered');
  }
  return reason;
}

/** A whole answer. */
export function completion(
  identity: ResponseIdentity,
  choices: readonly Choice[],
  usage: Usage | null,
): ChatCompletion {
  return {
    ...sameIdentity(identity),
    object: 'chat.completion',
    choices: choices.map((choice, index) => ({
      index,
      message: message(choice),
      finish_reason: choice.finishReason,
      logprobs: choice.logprobs === null ? null : wireLogprobs(choice.logprobs.content, choice.logprobs.refusal),
    })),
    ...(usage === null ? {} : { usage: wireUsage(usage) }),
  };
}

/** Content is null beside tool calls or a refusal, as OpenAI's is; an empty answer is an empty text. */
function message({ text, refusal, toolCalls }: Choice): ChatCompletion['choices'][number]['message'] {
  const silent = text === '' && (toolCalls.length > 0 || refusal !== '');
  const calls = toolCalls.map(({ id, name, arguments: json }): WireToolCall => ({
    id,
    type: 'function',
    function: { name, arguments: json },
  }));
  return {
    role: 'assistant',
    content: silent ? null : text,
    refusal: refusal === '' ? null : refusal,
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

/** First chunk of a choice: the role, with empty content. */
export function roleChunk(identity: ResponseIdentity, options: ChunkOptions): ChatCompletionChunk {
  return choiceChunk(identity, { role: 'assistant', content: '' }, null, options);
}

/** A piece of a choice. */
export function deltaChunk(
  identity: ResponseIdentity,
  delta: AnswerDelta,
  { logprobs, ...options }: ChunkOptions,
): ChatCompletionChunk {
  const chunk = choiceChunk(identity, wireDelta(delta), null, options);
  const refused = delta.kind === 'refusal';
  return logprobs === undefined ? chunk : withLogprobs(chunk, refused ? [] : logprobs, refused ? logprobs : []);
}

function wireDelta(delta: AnswerDelta): Delta {
  switch (delta.kind) {
    case 'text':
      return { content: delta.text };
    case 'refusal':
      return { refusal: delta.text };
    case 'call': {
      const { call: index, id, name } = delta;
      return { tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] };
    }
    case 'arguments':
      return { tool_calls: [{ index: delta.call, function: { arguments: delta.text } }] };
  }
}

/** Last chunk of a choice; sent exactly once. */
export function finishChunk(
  identity: ResponseIdentity,
  finishReason: FinishReason,
  { logprobs, ...options }: ChunkOptions,
): ChatCompletionChunk {
  const chunk = choiceChunk(identity, {}, finishReason, options);
  return logprobs === undefined ? chunk : withLogprobs(chunk, logprobs, []);
}

/** After the finish chunks and before `[DONE]`, only when the client asked for usage. */
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
  { includeUsage, index = 0 }: ChunkOptions,
): ChatCompletionChunk {
  return {
    ...sameIdentity(identity),
    object: 'chat.completion.chunk',
    choices: [{ index, delta, finish_reason: finishReason, logprobs: null }],
    ...(includeUsage ? { usage: null } : {}),
  };
}

function withLogprobs(
  chunk: ChatCompletionChunk,
  content: readonly TokenLogprob[],
  refusal: readonly TokenLogprob[],
): ChatCompletionChunk {
  const logprobs = wireLogprobs(content, refusal);
  return { ...chunk, choices: chunk.choices.map((choice) => ({ ...choice, logprobs })) };
}

function wireLogprobs(content: readonly TokenLogprob[], refusal: readonly TokenLogprob[]): WireLogprobs {
  return {
    content: content.length === 0 && refusal.length > 0 ? null : [...content],
    refusal: refusal.length === 0 ? null : [...refusal],
  };
}

function sameIdentity({ id, created, model: name }: ResponseIdentity): ResponseIdentity {
  return { id, created, model: name };
}

function wireUsage({ promptTokens, completionTokens, cachedTokens = 0 }: Usage): WireUsage {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    ...(cachedTokens === 0 ? {} : { prompt_tokens_details: { cached_tokens: cachedTokens } }),
  };
}
