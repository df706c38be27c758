import type { ChatRequest } from '../core/protocol/chat-request.ts';
import { RequestError } from '../core/protocol/failure.ts';
import type { TokenGrammar } from './grammar/token-grammar.ts';
import type { Artifact } from './load-artifact.ts';
import { createRandom, unpredictableSeed } from './random.ts';
import type { GenerationParams, Prompt } from './sequence.ts';
import { newCallId } from './tools/tool-syntax.ts';

/**
 * The request's own wishes over the model's defaults, once for each answer. More tokens than the context has left end as
 * `length`.
 */
export function generationParams(
  chat: ChatRequest,
  prompt: Prompt,
  grammar: TokenGrammar | null,
  { manifest: { llm }, sampling, toolSyntax }: Artifact,
): GenerationParams[] {
  const left = llm.maxPositions - prompt.length;
  if (left < 1) {
    throw new RequestError({
      kind: 'context-too-long',
      promptTokens: prompt.length,
      limitTokens: llm.maxPositions,
    });
  }
  const seed = chat.seed ?? unpredictableSeed();
  const callable = chat.tools !== undefined && chat.toolChoice !== 'none' ? toolSyntax : null;
  return Array.from({ length: chat.choices ?? 1 }, (_, index) => ({
    maxTokens: Math.min(chat.maxTokens ?? left, left),
    sampling: {
      temperature: chat.temperature ?? sampling.temperature,
      topK: chat.topK ?? sampling.topK,
      topP: chat.topP ?? sampling.topP,
    },
    random: createRandom(seed, index),
    adjustment: {
      frequencyPenalty: chat.frequencyPenalty ?? 0,
      presencePenalty: chat.presencePenalty ?? 0,
      bias: chat.logitBias ?? new Map(),
    },
    constraint: grammar?.begin() ?? null,
    transcript: {
      stop: chat.stop,
      toolCalls: callable === null ? null : { syntax: callable, newId: () => newCallId(callable) },
    },
    topLogprobs: chat.topLogprobs ?? null,
  }));
}
