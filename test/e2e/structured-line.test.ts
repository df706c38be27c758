import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { RunningServer } from '../../examples/processes.ts';
import { startEndpoint, startWorker } from '../../examples/whole-line.ts';
import { callsOf, goldenMessages } from '../support/endpoint-client.ts';
import { goldenPrompts } from '../support/golden-prompts.ts';
import { chatCompletion, checkStream } from '../support/openai-wire.ts';
import { TOOLS } from '../support/tools.ts';

const MODEL = 'vora-random';
const [golden] = goldenPrompts.filter(({ name }) => name === 'one-image');
const messages = golden === undefined ? [] : goldenMessages(golden);

let endpoint: RunningServer;
let worker: RunningServer;
let client: OpenAI;

beforeAll(async () => {
  const { onnx, edge } = inject('artifacts');
  endpoint = await startEndpoint(onnx);
  worker = await startWorker({ model: MODEL, edgeFolder: edge, upstreamUrl: endpoint.url, wire: 'image_embeds' });
  client = new OpenAI({ baseURL: `${worker.url}/v1`, apiKey: 'none', maxRetries: 0 });
});

afterAll(async () => {
  await worker?.stop();
  await endpoint?.stop();
});

/** A whole answer through worker and endpoint by OpenAI's schema, and the same one streamed. */
async function both(body: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>): Promise<OpenAI.ChatCompletion[]> {
  const request = { model: MODEL, messages, temperature: 0, ...body, stream: false } as const;
  const whole = await client.chat.completions.create(request);
  const { _request_id: _, ...wire } = whole as typeof whole & { _request_id?: string };
  chatCompletion.parse(wire);
  const raw = await fetch(`${worker.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ ...request, stream: true, stream_options: { include_usage: true } }),
  });
  checkStream(await raw.text(), { choices: body.n ?? 1, usage: true });
  const { stream: _stream, ...streamed } = request;
  return [whole, await client.chat.completions.stream(streamed).finalChatCompletion()];
}

describe('worker → endpoint, about a picture', () => {
  it('calls a tool', async () => {
    for (const answer of await both({ tools: TOOLS, tool_choice: { type: 'function', function: { name: 'zoom' } } })) {
      expect(answer.choices[0]?.finish_reason).toBe('tool_calls');
      expect(callsOf(answer)).toMatchObject([{ name: 'zoom', arguments: { where: expect.any(String) as string } }]);
    }
  });

  it('answers in a form', async () => {
    const schema = { type: 'object', properties: { n: { type: 'integer', maximum: 9, minimum: 0 } }, required: ['n'] };
    const format = { type: 'json_schema', json_schema: { name: 'x', schema } } as const;
    for (const answer of await both({ response_format: format })) {
      expect(answer.choices[0]?.message.content).toMatch(/^\{"n": ?\d\}$/);
    }
  });

  it('gives the reference’s words three times, and lists their tokens', async () => {
    for (const answer of await both({ n: 3, max_tokens: 32, logprobs: true, top_logprobs: 2 })) {
      for (const { message, logprobs } of answer.choices) {
        expect(message.content).toBe(golden?.text);
        expect(logprobs?.content?.map(({ token }) => token).join('')).toBe(golden?.text);
        expect(logprobs?.content?.every(({ top_logprobs: top }) => top.length === 2)).toBe(true);
      }
    }
  });

  it('passes on what the endpoint refuses, by name', async () => {
    const response_format = { type: 'json_schema', json_schema: { name: 'x', schema: { not: {} } } } as const;
    await expect(both({ response_format })).rejects.toMatchObject({
      status: 400,
      code: 'unsupported_parameter',
      param: 'response_format.json_schema.schema.not',
    });
  });
});
