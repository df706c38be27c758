import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EndpointClient, goldenMessages, startEndpointClient } from '../../support/endpoint-client.ts';
import { goldenPrompts } from '../../support/golden-prompts.ts';
import { idOf } from '../../support/random-model-tokens.ts';

let client: EndpointClient;

beforeAll(async () => {
  client = await startEndpointClient();
});

afterAll(() => client?.endpoint.stop(0));

describe('n', () => {
  it('gives as many choices, the first as if it were alone', async () => {
    const body = { temperature: 1.5, seed: 11, max_tokens: 12 };
    const alone = await client.ask(body);
    const many = await client.ask({ ...body, n: 4 });
    expect(many.choices).toHaveLength(4);
    expect(many.choices[0]).toEqual(alone.choices[0]);
    expect(new Set(many.choices.map(({ message }) => message.content)).size).toBe(4);
    expect(many.usage?.prompt_tokens).toBe(alone.usage?.prompt_tokens);
    const streamed = await client.stream({ ...body, n: 4 });
    expect(streamed.choices.map(({ message }) => message.content)).toEqual(
      many.choices.map(({ message }) => message.content),
    );
  });

  it('gives the reference’s words to each at temperature 0, an image in the prompt', async () => {
    const [golden] = goldenPrompts.filter(({ name }) => name === 'one-image');
    const messages = golden === undefined ? [] : goldenMessages(golden);
    const answer = await client.ask({ messages, n: 3, max_tokens: 32 });
    expect(answer.choices.map(({ message }) => message.content)).toEqual(Array(3).fill(golden?.text));
    expect(answer.usage).toMatchObject({ prompt_tokens: golden?.promptTokens, completion_tokens: 96 });
  });

  it('each ends by itself', async () => {
    const format = {
      type: 'json_schema',
      json_schema: { name: 'x', schema: { enum: ['a', 'z', 'q', '7 and more'] } },
    } as const;
    const body = { n: 6, temperature: 2, seed: 5, response_format: format };
    const answer = await client.ask(body);
    expect(answer.choices.every(({ finish_reason: reason }) => reason === 'stop')).toBe(true);
    expect(new Set(answer.choices.map(({ message }) => message.content)).size).toBeGreaterThan(1);
    expect((await client.stream(body)).choices.map(({ message }) => message.content)).toEqual(
      answer.choices.map(({ message }) => message.content),
    );
  });

  it('is refused by name beyond what the endpoint ever makes at once', async () => {
    expect(await client.refusal({ n: 100 })).toMatchObject({ status: 400, param: 'n' });
    expect(await client.refusal({ n: 129 })).toMatchObject({ status: 400, param: 'n' });
  });
});

describe('penalties and biases', () => {
  it('keep a token from coming, or make it come', async () => {
    const plain = await client.ask({ max_tokens: 1, logprobs: true });
    const tokens = (answer: OpenAI.ChatCompletion): string[] =>
      answer.choices[0]?.logprobs?.content?.map(({ token }) => token) ?? [];
    const wanted = await client.ask({ max_tokens: 3, logprobs: true, logit_bias: { 500: 100 } });
    expect(new Set(tokens(wanted)).size).toBe(1);
    const first = idOf(tokens(plain)[0] ?? '');
    const without = await client.ask({ max_tokens: 1, logprobs: true, logit_bias: { [first]: -100 } });
    expect(tokens(without)).not.toContain(tokens(plain)[0]);
  });

  it('take something off once, or each time', async () => {
    // Two tokens that the model likes about as much, and a bias that leaves it no other.
    const pair = { max_tokens: 6, logprobs: true, logit_bias: { 300: 100, 301: 100 } };
    const written = async (body: object): Promise<string> =>
      ((await client.ask({ ...pair, ...body })).choices[0]?.logprobs?.content ?? [])
        .map(({ token }) => idOf(token))
        .join();
    expect(await written({})).toBe('300,300,300,300,300,300');
    expect(await written({ presence_penalty: 2 })).toBe('300,301,300,300,300,300');
    expect(await written({ frequency_penalty: 2 })).toBe('300,301,300,301,300,301');
  });

  it('are refused for a token that the model does not have', async () => {
    expect(await client.refusal({ logit_bias: { 832: 1 } })).toMatchObject({ status: 400, param: 'logit_bias' });
  });
});
