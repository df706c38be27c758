import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EndpointClient, goldenMessages, startEndpointClient } from '../../support/endpoint-client.ts';
import { goldenPrompts, goldenTensors } from '../../support/golden-prompts.ts';
import { TOOLS } from '../../support/tools.ts';

let client: EndpointClient;

beforeAll(async () => {
  // What is reused was computed in pieces of other sizes, whose sums round otherwise in the last bits.
  client = await startEndpointClient({ prefixCacheBytes: 0 });
});

afterAll(() => client?.endpoint.stop(0));

describe('logprobs', () => {
  const CASES = goldenPrompts.filter(({ name }) => ['text-only', 'one-image', 'adjacent-images'].includes(name));

  it.each(CASES)('are those of PyTorch: $name', async (golden) => {
    const { name, greedy, text } = golden;
    const messages = goldenMessages(golden);
    const answer = await client.ask({ messages, max_tokens: greedy.length, logprobs: true, top_logprobs: 5 });
    const content = answer.choices[0]?.logprobs?.content ?? [];
    expect(content.map(({ token }) => token).join('')).toBe(text);
    expect(content).toHaveLength(greedy.length);
    const logprobs = (await goldenTensors(`prompt-${name}.safetensors`))['greedy_logprobs'];
    const vocabulary = (logprobs?.length ?? 0) / greedy.length;
    for (const [step, { logprob, top_logprobs: top }] of content.entries()) {
      const row = [...(logprobs?.slice(step * vocabulary, (step + 1) * vocabulary) ?? [])];
      expect(Math.abs(logprob - (row[greedy[step] ?? 0] ?? NaN))).toBeLessThan(1e-4);
      const best = row.toSorted((a, b) => b - a).slice(0, 5);
      for (const [rank, { logprob: likely }] of top.entries()) {
        expect(Math.abs(likely - (best[rank] ?? NaN))).toBeLessThan(1e-4);
      }
    }
    const streamed = await client.stream({
      messages,
      max_tokens: greedy.length,
      logprobs: true,
      top_logprobs: 5,
    });
    expect(streamed.choices[0]?.logprobs?.content).toEqual(content);
  });

  it('spell the answer by their bytes, and leave out what a stop string took away', async () => {
    const whole = await client.ask({ max_tokens: 12, logprobs: true });
    const text = whole.choices[0]?.message.content ?? '';
    const stop = text.slice(6, 9);
    const cut = await client.ask({ max_tokens: 12, logprobs: true, stop });
    const listed = cut.choices[0]?.logprobs?.content ?? [];
    const spelled = new TextDecoder().decode(Uint8Array.from(listed.flatMap(({ bytes }) => bytes ?? [])));
    // The last token may reach into the stop string; none begins in it.
    expect(spelled.startsWith(cut.choices[0]?.message.content ?? '')).toBe(true);
    expect(listed.length).toBeLessThan(whole.choices[0]?.logprobs?.content?.length ?? 0);
    expect(listed[0]?.top_logprobs).toEqual([]);
  });

  it('show how unlikely a token was that a schema forced', async () => {
    const schema = { type: 'object', properties: {}, additionalProperties: false };
    const answer = await client.ask({
      logprobs: true,
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
    });
    expect(answer.choices[0]?.message.content).toBe('{}');
    const content = answer.choices[0]?.logprobs?.content ?? [];
    expect(content.map(({ token }) => token).join('')).toBe('{}');
    expect(Math.min(...content.map(({ logprob }) => logprob))).toBeLessThan(-2);
  });

  it('are listed with tool calls, too', async () => {
    const body = {
      tools: TOOLS,
      tool_choice: 'required' as const,
      parallel_tool_calls: false,
      logprobs: true,
      max_tokens: 200,
    };
    const tokens = (answer: OpenAI.ChatCompletion) =>
      answer.choices[0]?.logprobs?.content?.map(({ token }) => token).join('');
    const whole = await client.ask(body);
    expect(tokens(whole)).toMatch(/^<tool_call>\n\{"name": "\w+", "arguments": \{.*\}\}\n<\/tool_call>$/);
    expect(tokens(await client.stream(body))).toBe(tokens(whole));
  });
});
