import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, streamText } from 'ai';
import OpenAI from 'openai';

/** What an app that uses a client takes away from a request: an answer that looks whole, or an error. */
export type Outcome = { kind: 'whole'; text: string } | { kind: 'error'; message: string };

export interface Client {
  name: string;
  /** @param baseUrl with `/v1`. */
  ask(baseUrl: string, model: string, options: { stream: boolean }): Promise<string>;
}

const PROMPT = 'Hi';

/** Each as its documentation shows it, without retries of its own; rejects where the client reports an error. */
export const CLIENTS: Client[] = [
  {
    name: 'fetch',
    async ask(baseUrl, model, { stream }) {
      const response = await fetch(`${baseUrl}/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model, stream, messages: [{ role: 'user', content: PROMPT }] }),
      });
      const body = await response.text();
      if (!response.ok) {
        throw new Error(body);
      }
      return stream ? readStream(body) : readWhole(body);
    },
  },
  {
    name: 'openai-node',
    async ask(baseUrl, model, { stream }) {
      const client = new OpenAI({ baseURL: baseUrl, apiKey: 'none', maxRetries: 0 });
      const messages = [{ role: 'user' as const, content: PROMPT }];
      if (!stream) {
        const { choices } = await client.chat.completions.create({ model, messages });
        return choices[0]?.message.content ?? '';
      }
      let text = '';
      for await (const chunk of await client.chat.completions.create({ model, messages, stream })) {
        text += chunk.choices[0]?.delta.content ?? '';
      }
      return text;
    },
  },
  {
    name: 'ai',
    async ask(baseUrl, model, { stream }) {
      const provider = createOpenAICompatible({ name: 'vora', baseURL: baseUrl });
      const request = { model: provider.chatModel(model), prompt: PROMPT, maxRetries: 0 };
      if (!stream) {
        return (await generateText(request)).text;
      }
      let text = '';
      for await (const part of streamText({ ...request, onError: () => undefined }).fullStream) {
        if (part.type === 'error') {
          throw part.error;
        }
        text += part.type === 'text-delta' ? part.text : '';
      }
      return text;
    },
  },
  {
    name: 'langchain',
    async ask(baseUrl, model, { stream }) {
      const configuration = { baseURL: baseUrl };
      const chat = new ChatOpenAI({ model, apiKey: 'none', maxRetries: 0, configuration });
      if (!stream) {
        return (await chat.invoke(PROMPT)).text;
      }
      let text = '';
      for await (const chunk of await chat.stream(PROMPT)) {
        text += chunk.text;
      }
      return text;
    },
  },
];

export async function outcomeOf(answer: Promise<string>): Promise<Outcome> {
  try {
    return { kind: 'whole', text: await answer };
  } catch (error) {
    return { kind: 'error', message: error instanceof Error ? error.message : String(error) };
  }
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
  if (choices[0]?.finish_reason !== 'stop') {
    throw new Error(body);
  }
  return choices[0].message.content;
}

interface Chunk {
  choices: { delta: { content?: string } }[];
}
