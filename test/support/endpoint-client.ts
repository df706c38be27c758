import OpenAI from 'openai';
import { inject } from 'vitest';
import { type EndpointOptions, type RunningEndpoint, startEndpoint } from '../../src/endpoint/start.ts';
import { goldenImage, type GoldenPrompt } from './golden-prompts.ts';
import { chatCompletion, checkStream, errorResponse } from './openai-wire.ts';

export const QUESTION: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'What is it?' }];

export interface EndpointClient {
  readonly endpoint: RunningEndpoint;
  readonly openai: OpenAI;
  /** A whole answer, by OpenAI's schema and as the openai package reads it; greedy, to QUESTION, unless told otherwise. */
  ask(body: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>): Promise<OpenAI.ChatCompletion>;
  /** The same answer streamed: checked chunk by chunk, and put together by the openai package. */
  stream(body: Partial<OpenAI.ChatCompletionCreateParamsStreaming>): Promise<OpenAI.ChatCompletion>;
  /** How a request is refused, by OpenAI's schema. */
  refusal(body: object): Promise<{ status: number; param: string | null; code: string | null; message: string }>;
}

/** An endpoint of the random model, and who asks it. */
export async function startEndpointClient(
  options: Pick<EndpointOptions, 'prefixCacheBytes'> = {},
): Promise<EndpointClient> {
  const model = 'vora-random';
  const endpoint = await startEndpoint({ ...options, model: inject('artifacts').onnx, host: '127.0.0.1', port: 0 });
  const openai = new OpenAI({ baseURL: `${endpoint.url}/v1`, apiKey: 'none', maxRetries: 0 });
  const asked = (body: object) => ({ model, messages: QUESTION, temperature: 0, ...body });
  const post = (body: object): Promise<Response> =>
    fetch(`${endpoint.url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(asked(body)) });
  return {
    endpoint,
    openai,
    async ask(body) {
      const answer = await openai.chat.completions.create({ ...asked(body), stream: false });
      const { _request_id: _, ...wire } = answer as typeof answer & { _request_id?: string };
      chatCompletion.parse(wire);
      return answer;
    },
    async stream(body) {
      const raw = await post({ ...body, stream: true, stream_options: { include_usage: true } });
      checkStream(await raw.text(), { choices: body.n ?? 1, usage: true });
      return openai.chat.completions.stream(asked(body)).finalChatCompletion();
    },
    async refusal(body) {
      const response = await post(body);
      const { error } = errorResponse.parse(await response.json());
      return { status: response.status, ...error };
    },
  };
}

/** A golden picture as clients send it. */
export function goldenPart(file: string): OpenAI.ChatCompletionContentPartImage {
  return { type: 'image_url', image_url: { url: `data:image/any;base64,${goldenImage(file).toString('base64')}` } };
}

/** The messages of a golden prompt with its pictures in them. */
export function goldenMessages({ messages }: GoldenPrompt): OpenAI.ChatCompletionMessageParam[] {
  return messages.map(({ role, content }) => ({
    role,
    content:
      typeof content === 'string'
        ? content
        : content.map((part) => {
            switch (part.type) {
              case 'text':
                return part;
              case 'image_url':
                return goldenPart(part.image_url.url);
              case 'video':
                return { ...part, video: part.video.map((file) => goldenPart(file).image_url.url) };
            }
          }),
  })) as OpenAI.ChatCompletionMessageParam[];
}

/** The functions that a choice calls, their arguments parsed. */
export function callsOf(answer: OpenAI.ChatCompletion, choice = 0): { name: string; arguments: unknown }[] {
  return (answer.choices[choice]?.message.tool_calls ?? []).flatMap((call) =>
    call.type === 'function'
      ? [{ name: call.function.name, arguments: JSON.parse(call.function.arguments) as unknown }]
      : [],
  );
}
