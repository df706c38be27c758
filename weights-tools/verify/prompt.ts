import type { Patches } from '../../src/core/image/patchify.ts';
import type { VisionFacts } from '../../src/core/model/manifest.ts';
import { assemblePrompt, type PromptSegment } from '../../src/core/prompt/assemble.ts';
import { createChatTemplate } from '../../src/core/prompt/chat-template.ts';
import { createTokenizer } from '../../src/core/prompt/tokenizer.ts';
import type { ContentPart } from '../../src/core/protocol/chat-message.ts';
import { RequestError } from '../../src/core/protocol/failure.ts';
import { BadInput } from '../bad-input.ts';
import type { Question } from './prompt-set.ts';
import type { ImageReader } from './read-image.ts';

/** What a model without eyes is asked for none of: VoRA's own spelling, so that text is cut the same for both models. */
const NO_IMAGE_TOKEN = '<image>';

/** What stands before an answer. */
export interface Prompt {
  readonly segments: readonly PromptSegment[];
  /** By the segments' `index`. */
  readonly images: readonly Patches[];
}

export interface PromptReader {
  /** The prompt as the endpoint would make it, the picture before the words. @throws BadInput */
  read(question: Question, vision: VisionFacts | null): Promise<Prompt>;
  /** Ids of an answer, without its end token. */
  answerIds(answer: string): number[];
}

/**
 * @param text tokenizer.json, tokenizer_config.json and perhaps chat_template.jinja, by name
 * @throws MalformedFile
 */
export function createPromptReader(
  text: ReadonlyMap<string, string | Uint8Array>,
  readImage: ImageReader,
): PromptReader {
  const file = (name: string): string => {
    const content = text.get(name) ?? '';
    return typeof content === 'string' ? content : new TextDecoder().decode(content);
  };
  const config = file('tokenizer_config.json');
  const tokenizer = createTokenizer(file('tokenizer.json'), config);
  const separate = text.has('chat_template.jinja') ? file('chat_template.jinja') : undefined;
  const template = createChatTemplate(config, separate);

  return {
    async read({ prompt, image }, vision) {
      if (image !== null && vision === null) {
        throw new BadInput(`prompt ${JSON.stringify(prompt.slice(0, 80))}: found a picture for a model without eyes`);
      }
      const words: ContentPart = { type: 'text', text: prompt };
      const picture: ContentPart = { type: 'image_url', url: image ?? '', detail: 'auto' };
      const content = image === null ? [words] : [picture, words];
      try {
        const imageToken = vision?.imageToken ?? NO_IMAGE_TOKEN;
        return {
          segments: assemblePrompt([{ role: 'user', content }], template, tokenizer, imageToken),
          images: image === null || vision === null ? [] : [await readImage(image, vision)],
        };
      } catch (error) {
        throw error instanceof RequestError ? new BadInput(describe(prompt, error)) : error;
      }
    },
    answerIds: (answer) => tokenizer.encode(answer),
  };
}

/** A prompt set is a file of ours here, whatever the core calls a client's fault. */
function describe(prompt: string, error: RequestError): string {
  return `prompt ${JSON.stringify(prompt.slice(0, 80))}: ${error.message}`;
}
