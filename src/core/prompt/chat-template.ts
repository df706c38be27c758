import { Template } from '@huggingface/jinja';
import { z } from 'zod';
import { MalformedFile } from '../bytes/malformed-file.ts';
import { parseStrictJson } from '../bytes/strict-json.ts';
import { parseWithSchema } from '../model/parse-with-schema.ts';
import { RequestError } from '../protocol/failure.ts';

/** A message as Hugging Face's chat templates read it. */
export interface TemplateMessage {
  role: string;
  content: string | readonly TemplatePart[];
}

export type TemplatePart = { type: 'text'; text: string } | { type: 'image' };

export interface ChatTemplate {
  /**
   * The whole prompt, up to the point where the assistant's answer begins; each image part becomes the image token.
   *
   * @throws RequestError when the template itself refuses the messages (`raise_exception`).
   */
  render(messages: readonly TemplateMessage[]): string;
}

const FILE = 'tokenizer_config.json';

/** A named token is written as its text or as a serialised AddedToken. */
const token = z.union([z.string(), z.looseObject({ content: z.string() }).transform((added) => added.content)]);
const configSchema = z.looseObject({
  chat_template: z.string().min(1).optional(),
  bos_token: token.nullish(),
  eos_token: token.nullish(),
  pad_token: token.nullish(),
});

/**
 * The chat template of a model.
 *
 * @param tokenizerConfigJson tokenizer_config.json: the named tokens and, in most models, the template.
 * @param separate chat_template.jinja, where newer models keep the template; it goes first, as in transformers.
 * @throws MalformedFile when there is no template or it is not valid Jinja.
 */
export function createChatTemplate(tokenizerConfigJson: string, separate?: string): ChatTemplate {
  const config = parseWithSchema(configSchema, FILE, parseStrictJson(FILE, tokenizerConfigJson));
  const { chat_template: included, bos_token, eos_token, pad_token } = config;
  const source = separate ?? included;
  if (source === undefined) {
    throw new MalformedFile(FILE, 'chat_template', 'none', 'a Jinja template, here or in chat_template.jinja');
  }
  const template = compile(source);

  function render(messages: readonly TemplateMessage[]): string {
    try {
      return template.render({ messages, add_generation_prompt: true, bos_token, eos_token, pad_token });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new RequestError(
        { kind: 'invalid-request', param: 'messages', message: `The chat template refuses these messages: ${reason}` },
        { cause },
      );
    }
  }

  return { render };
}

function compile(source: string): Template {
  try {
    return new Template(source);
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : 'a syntax error';
    throw new MalformedFile(FILE, 'chat_template', found, 'a valid Jinja template', { cause });
  }
}
