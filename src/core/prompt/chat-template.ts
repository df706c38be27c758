import { Template } from '@huggingface/jinja';
import { z } from 'zod';
import { MalformedFile } from '../bytes/malformed-file.ts';
import { parseStrictJson } from '../bytes/strict-json.ts';
import { parseWithSchema } from '../model/parse-with-schema.ts';
import { RequestError } from '../protocol/failure.ts';
import type { JsonObject } from '../protocol/json-object.ts';

/** A message as Hugging Face's chat templates read it. */
export interface TemplateMessage {
  role: string;
  content: string | readonly TemplatePart[];
  tool_calls?: readonly TemplateToolCall[];
  /** On a tool's message: the function that gave it, and the call that it answers. */
  name?: string;
  tool_call_id?: string;
}

export type TemplatePart = { type: 'text'; text: string } | { type: 'image' };

/** Arguments are a value here, not the JSON text of OpenAI's wire. */
export interface TemplateToolCall {
  id: string;
  type: 'function';
  function: { name: string; arguments: JsonObject };
}

export interface TemplateTool {
  type: 'function';
  function: { name: string; description?: string; parameters?: JsonObject };
}

export interface ChatTemplate {
  /**
   * The whole prompt, up to the point where the assistant's answer begins; each image part becomes the image token.
   *
   * @param tools what the model may call; absent where it may call nothing.
   * @throws RequestError when the template itself refuses the messages (`raise_exception`).
   */
  render(messages: readonly TemplateMessage[], tools?: readonly TemplateTool[]): string;
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

  function render(messages: readonly TemplateMessage[], tools?: readonly TemplateTool[]): string {
    try {
      // Some templates ask whether `tools` is defined, others whether there are any.
      const offered = tools === undefined ? {} : { tools };
      return template.render({ messages, ...offered, add_generation_prompt: true, bos_token, eos_token, pad_token });
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
