import { IMAGE_TOKENS_MAX, TEMPLATE_TOKENS, TEMPLATE_TOKENS_PER_MESSAGE } from '../limits.ts';
import type { ChatRequest } from '../protocol/chat-request.ts';

/**
 * The most tokens that a request can cost: no tokenizer here, but byte-level vocabularies never make more tokens than
 * there are bytes.
 *
 * @param answerTokens the longest answer.
 * @param utf8Length bytes of a text.
 */
export function mostTokens(chat: ChatRequest, answerTokens: number, utf8Length: (text: string) => number): number {
  let prompt = TEMPLATE_TOKENS + TEMPLATE_TOKENS_PER_MESSAGE * chat.messages.length;
  for (const { content } of chat.messages) {
    for (const part of content) {
      prompt += part.type === 'text' ? utf8Length(part.text) : IMAGE_TOKENS_MAX;
    }
  }
  // Tools, tool calls and schemas are written into the prompt.
  const calls = chat.messages.flatMap((message) => ('toolCalls' in message ? message.toolCalls : []));
  prompt += utf8Length(JSON.stringify([calls, chat.tools ?? [], chat.format ?? null]));
  return prompt + answerTokens * (chat.choices ?? 1);
}
