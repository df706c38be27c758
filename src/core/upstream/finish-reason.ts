import type { FinishReason } from '../protocol/answer-delta.ts';

/** OpenAI's words, and those of text-generation-inference, Mistral, Cohere, Gemini and Anthropic for the same. */
const REASONS = new Map<string, FinishReason>([
  ['stop', 'stop'],
  ['eos', 'stop'],
  ['eos_token', 'stop'],
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['complete', 'stop'],
  ['length', 'length'],
  ['max_tokens', 'length'],
  ['model_length', 'length'],
  ['tool_calls', 'tool_calls'],
  ['tool_call', 'tool_calls'],
  ['tool_use', 'tool_calls'],
  ['content_filter', 'content_filter'],
  ['safety', 'content_filter'],
]);

/**
 * Why an answer ended, in OpenAI's words. Null for words that say that it did not (`error`, `abort`) and for unknown
 * ones: an answer that broke off must not look whole.
 */
export function finishReasonOf(word: string): FinishReason | null {
  return REASONS.get(word.toLowerCase()) ?? null;
}
