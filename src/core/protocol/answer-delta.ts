import type { ToolCall } from './tool.ts';

/** Why a choice ended: by itself, at its length, by calling tools, or by a filter of the model server. */
export const FINISH_REASONS = ['stop', 'length', 'tool_calls', 'content_filter'] as const;

export type FinishReason = (typeof FINISH_REASONS)[number];

/** A piece of one choice, in the order in which the model wrote it. */
export type AnswerDelta =
  | { kind: 'text'; text: string }
  /** Text in which the model refuses to answer. */
  | { kind: 'refusal'; text: string }
  /** A tool call begins; calls are counted from 0. */
  | { kind: 'call'; call: number; id: string; name: string }
  /** A piece of its arguments' JSON. */
  | { kind: 'arguments'; call: number; text: string };

/** A token and how likely the model held it, as OpenAI lists it (openai-openapi: ChatCompletionTokenLogprob). */
export interface TokenLogprob extends TokenChance {
  top_logprobs: TokenChance[];
}

export interface TokenChance {
  token: string;
  /** Natural logarithm of the probability. */
  logprob: number;
  /** UTF-8; null for a token that is no text. */
  bytes: number[] | null;
}

export interface Usage {
  promptTokens: number;
  /** Of all choices. */
  completionTokens: number;
  /** Of the prompt: not computed anew. Absent where the server does not tell. */
  cachedTokens?: number;
}

/** One choice, whole. */
export interface Choice {
  text: string;
  refusal: string;
  toolCalls: ToolCall[];
  /** Null where nobody asked. */
  logprobs: { content: TokenLogprob[]; refusal: TokenLogprob[] } | null;
  finishReason: FinishReason;
}

/** Puts one choice together from its pieces. */
export interface ChoiceBuilder {
  add(delta: AnswerDelta): void;
  /** Tokens of text or of calls; those of a refusal are listed apart. */
  list(tokens: readonly TokenLogprob[], of: AnswerDelta['kind']): void;
  finish(reason: FinishReason): Choice;
}

/** @param withLogprobs whether tokens are to be listed at all. */
export function buildChoice(withLogprobs: boolean): ChoiceBuilder {
  const toolCalls: ToolCall[] = [];
  const logprobs = { content: [] as TokenLogprob[], refusal: [] as TokenLogprob[] };
  let text = '';
  let refusal = '';
  return {
    add(delta) {
      switch (delta.kind) {
        case 'text':
          text += delta.text;
          break;
        case 'refusal':
          refusal += delta.text;
          break;
        case 'call':
          toolCalls.push({ id: delta.id, name: delta.name, arguments: '' });
          break;
        case 'arguments': {
          const call = toolCalls[delta.call];
          if (call === undefined) {
            throw new Error(`arguments for call ${delta.call}, which has not begun`);
          }
          call.arguments += delta.text;
        }
      }
    },
    list: (tokens, of) => void logprobs[of === 'refusal' ? 'refusal' : 'content'].push(...tokens),
    finish: (finishReason) => ({
      text,
      refusal,
      toolCalls,
      logprobs: withLogprobs ? logprobs : null,
      finishReason,
    }),
  };
}
