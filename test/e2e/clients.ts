import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text as textOf } from 'node:stream/consumers';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { HumanMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, jsonSchema, Output, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { checkedFetch } from '../conformance/checked-response.ts';

/** What an app that uses a client takes away from a request: an answer that looks whole, or an error. */
export type Outcome = { kind: 'whole'; text: string } | { kind: 'error'; message: string };

export interface Question {
  stream: boolean;
  /** A picture before the text: a data or https URL. */
  image?: string;
  /** Told of each piece of a streamed answer. */
  onPiece?: () => void;
  signal?: AbortSignal;
  /** Answers are greedy and at most so long. */
  maxTokens?: number;
}

export interface Client {
  name: string;
  /** @param baseUrl with `/v1`. */
  ask(baseUrl: string, model: string, question: Question): Promise<string>;
  /** Arguments of a call of {@link PICK}, which is forced. */
  callTool(baseUrl: string, model: string): Promise<unknown>;
  /** An answer in the form of {@link SCHEMA}. */
  fillForm(baseUrl: string, model: string): Promise<unknown>;
}

const PROMPT = 'Hi';
const JSON_TYPE = { 'content-type': 'application/json' };
export const PICK = 'pick';
export const SCHEMA = {
  type: 'object',
  properties: { digit: { type: 'integer', minimum: 0, maximum: 9 } },
  required: ['digit'],
  additionalProperties: false,
} as const;
const FUNCTION = { name: PICK, description: 'Picks a digit.', parameters: SCHEMA };
const OPENAI_TOOL = { type: 'function' as const, function: FUNCTION };
const OPENAI_CHOICE = { type: 'function' as const, function: { name: PICK } };
const OPENAI_FORM = { type: 'json_schema' as const, json_schema: { name: 'form', schema: SCHEMA, strict: true } };

/**
 * Each as its documentation shows it, without retries of its own; rejects where the client reports an error. What they
 * fetch is checked against OpenAI's schemas on its way.
 */
export const CLIENTS: Client[] = [
  rawClient('fetch', sendByFetch),
  rawClient('curl', sendByCurl),
  {
    name: 'openai-node',
    async ask(baseUrl, model, { stream, image, onPiece, signal, maxTokens }) {
      const request = { model, messages: openaiMessages(image), ...limits(maxTokens) };
      const options = signal === undefined ? {} : { signal };
      if (!stream) {
        const { choices } = await openai(baseUrl).chat.completions.create(request, options);
        return choices[0]?.message.content ?? '';
      }
      let text = '';
      for await (const chunk of await openai(baseUrl).chat.completions.create({ ...request, stream }, options)) {
        text += chunk.choices[0]?.delta.content ?? '';
        onPiece?.();
      }
      return text;
    },
    async callTool(baseUrl, model) {
      const fields = { tools: [OPENAI_TOOL], tool_choice: OPENAI_CHOICE };
      const answer = openai(baseUrl).chat.completions.stream({ model, messages: openaiMessages(), ...fields });
      const { choices } = await answer.finalChatCompletion();
      return argumentsOf(choices[0]?.message.tool_calls?.[0]);
    },
    async fillForm(baseUrl, model) {
      const request = { model, messages: openaiMessages(), response_format: OPENAI_FORM };
      const { choices } = await openai(baseUrl).chat.completions.parse(request);
      return choices[0]?.message.parsed;
    },
  },
  {
    name: 'ai',
    async ask(baseUrl, model, { stream, image, onPiece, signal, maxTokens }) {
      const picture = image === undefined ? [] : [{ type: 'file' as const, mediaType: 'image', data: new URL(image) }];
      const content = [...picture, { type: 'text' as const, text: PROMPT }];
      const request = {
        model: aiModel(baseUrl, model),
        messages: [{ role: 'user' as const, content }],
        maxRetries: 0,
        ...(maxTokens === undefined ? {} : { maxOutputTokens: maxTokens, temperature: 0 }),
        ...(signal === undefined ? {} : { abortSignal: signal }),
      };
      if (!stream) {
        return (await generateText(request)).text;
      }
      let text = '';
      for await (const part of streamText({ ...request, onError: () => undefined }).fullStream) {
        if (part.type === 'error') {
          throw part.error;
        }
        if (part.type === 'abort') {
          throw new Error('aborted');
        }
        text += part.type === 'text-delta' ? part.text : '';
        if (part.type === 'text-delta') {
          onPiece?.();
        }
      }
      return text;
    },
    async callTool(baseUrl, model) {
      const pick = tool({
        description: FUNCTION.description,
        inputSchema: jsonSchema<{ digit: number }>(SCHEMA),
        execute: async ({ digit }) => digit,
      });
      const { toolCalls } = await generateText({
        model: aiModel(baseUrl, model),
        prompt: PROMPT,
        tools: { pick },
        toolChoice: { type: 'tool', toolName: PICK },
        maxRetries: 0,
      });
      return toolCalls[0]?.input;
    },
    async fillForm(baseUrl, model) {
      const output = Output.object({ schema: jsonSchema(SCHEMA) });
      const answer = await generateText({ model: aiModel(baseUrl, model), prompt: PROMPT, output, maxRetries: 0 });
      return answer.output;
    },
  },
  {
    name: 'langchain',
    async ask(baseUrl, model, { stream, image, onPiece, signal, maxTokens }) {
      const picture = image === undefined ? [] : [{ type: 'image_url', image_url: { url: image } }];
      const messages = [new HumanMessage({ content: [...picture, { type: 'text', text: PROMPT }] })];
      const chat = langchain(baseUrl, model, maxTokens);
      const options = signal === undefined ? {} : { signal };
      if (!stream) {
        return (await chat.invoke(messages, options)).text;
      }
      let text = '';
      for await (const chunk of await chat.stream(messages, options)) {
        text += chunk.text;
        onPiece?.();
      }
      return text;
    },
    async callTool(baseUrl, model) {
      const chat = langchain(baseUrl, model).bindTools([OPENAI_TOOL], { tool_choice: PICK });
      return (await chat.invoke(PROMPT)).tool_calls?.[0]?.args;
    },
    fillForm: (baseUrl, model) =>
      langchain(baseUrl, model).withStructuredOutput(SCHEMA, { name: 'form', method: 'jsonSchema' }).invoke(PROMPT),
  },
];

export async function outcomeOf(answer: Promise<string>): Promise<Outcome> {
  try {
    return { kind: 'whole', text: await answer };
  } catch (error) {
    return { kind: 'error', message: error instanceof Error ? error.message : String(error) };
  }
}

function openaiMessages(image?: string): OpenAI.ChatCompletionMessageParam[] {
  const picture = image === undefined ? [] : [{ type: 'image_url' as const, image_url: { url: image } }];
  return [{ role: 'user', content: image === undefined ? PROMPT : [...picture, { type: 'text', text: PROMPT }] }];
}

function limits(maxTokens: number | undefined): { max_tokens?: number; temperature?: number } {
  return maxTokens === undefined ? {} : { max_tokens: maxTokens, temperature: 0 };
}

function openai(baseUrl: string): OpenAI {
  return new OpenAI({ baseURL: baseUrl, apiKey: 'none', maxRetries: 0, fetch: checkedFetch });
}

/** URLs of pictures go to the server as they are: the SDK would download them by itself. */
function aiModel(baseUrl: string, model: string) {
  const supportedUrls = () => ({ 'image/*': [/^https:/] });
  const provider = createOpenAICompatible({
    name: 'vora',
    baseURL: baseUrl,
    supportsStructuredOutputs: true,
    supportedUrls,
    fetch: checkedFetch,
  });
  return provider.chatModel(model);
}

function langchain(baseUrl: string, model: string, maxTokens?: number): ChatOpenAI {
  const configuration = { baseURL: baseUrl, fetch: checkedFetch };
  return new ChatOpenAI({
    model,
    apiKey: 'none',
    maxRetries: 0,
    configuration,
    ...(maxTokens === undefined ? {} : { maxTokens, temperature: 0 }),
  });
}

type Reading = Pick<Question, 'signal' | 'onPiece'>;
/** Posts a chat; gives the body of the answer. */
type Send = (baseUrl: string, body: string, reading: Reading) => Promise<string>;

/** An app without an SDK: what it knows of the protocol is a finish reason, `[DONE]`, and the status. */
function rawClient(name: string, send: Send): Client {
  const ask = async (baseUrl: string, fields: object, reading: Reading = {}): Promise<string> =>
    send(baseUrl, JSON.stringify({ messages: openaiMessages(), ...fields }), reading);
  const choiceOf = async (body: Promise<string>) => (JSON.parse(await body) as OpenAI.ChatCompletion).choices[0];
  return {
    name,
    async ask(baseUrl, model, { stream, image, maxTokens, ...reading }) {
      const body = await ask(
        baseUrl,
        { model, stream, messages: openaiMessages(image), ...limits(maxTokens) },
        reading,
      );
      return stream ? readStream(body) : readWhole(body);
    },
    async callTool(baseUrl, model) {
      const choice = await choiceOf(ask(baseUrl, { model, tools: [OPENAI_TOOL], tool_choice: OPENAI_CHOICE }));
      return argumentsOf(choice?.message.tool_calls?.[0]);
    },
    async fillForm(baseUrl, model) {
      const choice = await choiceOf(ask(baseUrl, { model, response_format: OPENAI_FORM }));
      return JSON.parse(choice?.message.content ?? '');
    },
  };
}

async function sendByFetch(baseUrl: string, body: string, { signal, onPiece }: Reading): Promise<string> {
  const response = await checkedFetch(`${baseUrl}/chat/completions`, {
    method: 'POST',
    headers: JSON_TYPE,
    body,
    signal: signal ?? null,
  });
  const text = await readPieces(response.body ?? [], onPiece);
  if (!response.ok) {
    throw new Error(text);
  }
  return text;
}

async function sendByCurl(baseUrl: string, body: string, { signal, onPiece }: Reading): Promise<string> {
  const header = `content-type: ${JSON_TYPE['content-type']}`;
  const args = ['-sS', '-N', '--fail-with-body', '-H', header, '--data-binary', '@-', `${baseUrl}/chat/completions`];
  const curl = spawn('curl', args, signal === undefined ? {} : { signal });
  const exited = once(curl, 'exit') as Promise<[number | null]>;
  curl.stdin.end(body);
  const [text, complaint, [code]] = await Promise.all([readPieces(curl.stdout, onPiece), textOf(curl.stderr), exited]);
  if (code !== 0) {
    throw new Error(`${complaint} ${text}`);
  }
  return text;
}

async function readPieces(
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  onPiece?: () => void,
): Promise<string> {
  const utf8 = new TextDecoder();
  let text = '';
  for await (const piece of pieces) {
    text += utf8.decode(piece, { stream: true });
    onPiece?.();
  }
  return text;
}

function readStream(body: string): string {
  const data = body
    .split('\n\n')
    .filter((block) => block.startsWith('data: '))
    .map((block) => block.slice('data: '.length));
  if (data.pop() !== '[DONE]') {
    throw new Error(body);
  }
  return data.map((text) => (JSON.parse(text) as Chunk).choices[0]?.delta.content ?? '').join('');
}

function readWhole(body: string): string {
  const { choices } = JSON.parse(body) as { choices: { message: { content: string }; finish_reason: string }[] };
  if (!['stop', 'length'].includes(choices[0]?.finish_reason ?? '')) {
    throw new Error(body);
  }
  return choices[0]?.message.content ?? '';
}

function argumentsOf(call: OpenAI.ChatCompletionMessageToolCall | undefined): unknown {
  return call?.type === 'function' && call.function.name === PICK ? JSON.parse(call.function.arguments) : undefined;
}

interface Chunk {
  choices: { delta: { content?: string } }[];
}
