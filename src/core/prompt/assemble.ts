import { PROMPT_TEXT_MAX_CHARS } from '../limits.ts';
import type { ChatMessage } from '../protocol/chat-message.ts';
import { RequestError } from '../protocol/failure.ts';
import type { FunctionTool } from '../protocol/tool.ts';
import type { ChatTemplate } from './chat-template.ts';
import { readArguments, templateMessages, templateTools, writtenTexts } from './template-messages.ts';
import { createTokenBreaker } from './token-breaker.ts';
import type { Tokenizer } from './tokenizer.ts';

/** One piece of a prompt: token ids, or the place where the request's `index`-th image (from 0) stands. */
export type PromptSegment = { kind: 'text'; ids: readonly number[] } | { kind: 'image'; index: number };

/** What the model may call, and the spellings by which it writes and reads calls. */
export interface PromptTools {
  tools: readonly FunctionTool[];
  markers: readonly string[];
}

const NO_TOOLS: PromptTools = { tools: [], markers: [] };

/**
 * Messages to prompt segments: render the chat template, cut at the image token, tokenize the text between images on
 * its own (VoRA's `tokenizer_vision_placeholder`), so that ids never depend on what stands beside an image.
 *
 * Whatever a client writes stays text: a literal `<image>` opens no image slot, and a literal `<|im_end|>` is encoded
 * as ordinary characters, never as the control token. The text itself is unchanged.
 *
 * @param imageToken null for a model of text only
 * @throws RequestError when the text is too long, when the template refuses the messages or shows another number of
 *   images than they hold.
 */
export function assemblePrompt(
  messages: readonly ChatMessage[],
  template: ChatTemplate,
  tokenizer: Tokenizer,
  imageToken: string | null,
  { tools, markers }: PromptTools = NO_TOOLS,
): PromptSegment[] {
  const values = readArguments(messages);
  const texts = writtenTexts(messages, values, tools);
  limitText(texts);
  const reserved = [...(imageToken === null ? [] : [imageToken]), ...tokenizer.controlTokens, ...markers];
  const breaker = createTokenBreaker(reserved, texts);
  const rendered = template.render(
    templateMessages(messages, values, breaker),
    tools.length === 0 ? undefined : templateTools(tools, breaker),
  );
  const chunks = imageToken === null ? [rendered] : rendered.split(imageToken);
  requireEveryImage(messages, chunks.length - 1);
  return chunks.flatMap((chunk, index): PromptSegment[] => {
    const ids = breaker.pieces(chunk).flatMap((piece) => tokenizer.encode(piece));
    const text: PromptSegment[] = ids.length === 0 ? [] : [{ kind: 'text', ids }];
    return index === 0 ? text : [{ kind: 'image', index: index - 1 }, ...text];
  });
}

function limitText(texts: readonly string[]): void {
  const length = texts.reduce((total, text) => total + text.length, 0);
  if (length > PROMPT_TEXT_MAX_CHARS) {
    throw new RequestError({
      kind: 'invalid-request',
      param: 'messages',
      message: `Messages and tools hold ${length} characters of text; at most ${PROMPT_TEXT_MAX_CHARS} are taken`,
    });
  }
}

/** A template that knows nothing of images would drop them, and the model would answer about a picture it never saw. */
function requireEveryImage(messages: readonly ChatMessage[], slots: number): void {
  const images = messages.flatMap(({ content }) => content.filter((part) => part.type !== 'text')).length;
  if (slots !== images) {
    throw new RequestError({
      kind: 'misconfigured',
      message: `The chat template made ${slots} image slots for ${images} images`,
    });
  }
}
