import { PROMPT_TEXT_MAX_CHARS } from '../limits.ts';
import type { ChatMessage, ContentPart } from '../protocol/chat-request.ts';
import { RequestError } from '../protocol/failure.ts';
import type { ChatTemplate, TemplateMessage, TemplatePart } from './chat-template.ts';
import type { Tokenizer } from './tokenizer.ts';

/** One piece of a prompt: token ids, or the place where the request's `index`-th image (from 0) stands. */
export type PromptSegment = { kind: 'text'; ids: readonly number[] } | { kind: 'image'; index: number };

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
): PromptSegment[] {
  const texts = messages.flatMap(({ content }) => content.flatMap((part) => (part.type === 'text' ? [part.text] : [])));
  limitText(texts);
  const breaker = createTokenBreaker([...(imageToken === null ? [] : [imageToken]), ...tokenizer.controlTokens], texts);
  const rendered = template.render(toTemplate(messages, breaker));
  const chunks = imageToken === null ? [rendered] : rendered.split(imageToken);
  requireEveryImage(messages, chunks.length - 1);
  return chunks.flatMap((chunk, index): PromptSegment[] => {
    const ids = breaker.pieces(chunk).flatMap((piece) => tokenizer.encode(piece));
    const text: PromptSegment[] = ids.length === 0 ? [] : [{ kind: 'text', ids }];
    return index === 0 ? text : [{ kind: 'image', index: index - 1 }, ...text];
  });
}

interface TokenBreaker {
  /** The text with a mark inside every reserved token, so that neither the cut nor the tokenizer finds one. */
  split: (text: string) => string;
  /** The rendered text without the marks, in pieces that are to be tokenized one by one. */
  pieces: (text: string) => string[];
}

function createTokenBreaker(reserved: readonly string[], texts: readonly string[]): TokenBreaker {
  const mark = unusedCharacter(texts);
  // The lookahead consumes only the first character of a token, so that overlapping tokens are all broken.
  const spellings = reserved.map((token) => token.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  const firstCharacter = new RegExp(spellings.length === 0 ? '(?!)' : `(?=${spellings.join('|')}).`, 'gsu');
  return {
    split: (text) => text.replaceAll(firstCharacter, (character) => character + mark),
    pieces: (text) => text.split(mark),
  };
}

const PRIVATE_USE_FIRST = 0xe000;
const PRIVATE_USE_LAST = 0xf8ff;

/** A character that no text holds, so that it can mark places in the rendered prompt without ambiguity. */
function unusedCharacter(texts: readonly string[]): string {
  const used = new Set(texts.flatMap((text) => text.match(/[\ue000-\uf8ff]/g) ?? []));
  for (let code = PRIVATE_USE_FIRST; code <= PRIVATE_USE_LAST; code++) {
    const character = String.fromCharCode(code);
    if (!used.has(character)) {
      return character;
    }
  }
  throw new RequestError({
    kind: 'invalid-request',
    param: 'messages',
    message: 'The messages hold every private-use character; one must be left free',
  });
}

function toTemplate(messages: readonly ChatMessage[], { split }: TokenBreaker): TemplateMessage[] {
  return messages.map(({ role, content }) => {
    const parts = joinTexts(content).map((part): TemplatePart =>
      part.type === 'text' ? { type: 'text', text: split(part.text) } : { type: 'image' },
    );
    // Templates of text models know content as a string only; those that know parts treat both the same.
    const [first] = parts;
    return { role, content: parts.length === 1 && first?.type === 'text' ? first.text : parts };
  });
}

/** Texts side by side become one, since `<|im_` and `end|>` are harmless only until the template puts them together. */
function joinTexts(content: readonly ContentPart[]): ContentPart[] {
  const joined: ContentPart[] = [];
  for (const part of content) {
    const last = joined.at(-1);
    if (part.type === 'text' && last?.type === 'text') {
      joined[joined.length - 1] = { type: 'text', text: last.text + part.text };
    } else {
      joined.push(part);
    }
  }
  return joined;
}

function limitText(texts: readonly string[]): void {
  const length = texts.reduce((total, text) => total + text.length, 0);
  if (length > PROMPT_TEXT_MAX_CHARS) {
    throw new RequestError({
      kind: 'invalid-request',
      param: 'messages',
      message: `The messages hold ${length} characters of text; at most ${PROMPT_TEXT_MAX_CHARS} are taken`,
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
