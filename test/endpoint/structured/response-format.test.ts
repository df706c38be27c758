import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EndpointClient, QUESTION, startEndpointClient } from '../../support/endpoint-client.ts';
import { biasToClose } from '../../support/random-model-tokens.ts';
import { TOOLS } from '../../support/tools.ts';

const ajv = new Ajv2020();

let client: EndpointClient;

beforeAll(async () => {
  client = await startEndpointClient();
});

afterAll(() => client?.endpoint.stop(0));

describe('response_format', () => {
  const schema = {
    type: 'object',
    properties: {
      colour: { enum: ['red', 'green', 'blue'] },
      count: { type: 'integer', minimum: 0, maximum: 20 },
      words: { type: 'array', items: { type: 'string', pattern: '^[a-z]{1,4}$' }, maxItems: 2 },
      note: { type: ['string', 'null'], maxLength: 5 },
    },
    required: ['colour', 'count', 'words', 'note'],
    additionalProperties: false,
  };
  const format = { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } } as const;

  it.each([0, 0.7, 2])('gives JSON by its schema at temperature %d, whole and streamed', async (temperature) => {
    for (let seed = 0; seed < 5; seed++) {
      const body = { response_format: format, temperature, seed, max_tokens: 400 };
      const whole = await client.ask(body);
      const text = whole.choices[0]?.message.content ?? '';
      expect(ajv.validate(schema, JSON.parse(text)), text).toBe(true);
      expect(whole.choices[0]?.finish_reason).toBe('stop');
      expect((await client.stream(body)).choices[0]?.message.content).toBe(text);
    }
  });

  it('is parsed by the client’s own helper', async () => {
    const { choices } = await client.openai.chat.completions.parse({
      model: 'vora-random',
      messages: QUESTION,
      response_format: format,
      max_tokens: 400,
      temperature: 1,
      seed: 1,
    });
    expect(ajv.validate(schema, choices[0]?.message.parsed)).toBe(true);
  });

  it('is ended within its length where that has room for the shortest, and says so', async () => {
    const open = { type: 'object', properties: { a: { type: 'string' }, b: { type: 'number' } }, required: ['a', 'b'] };
    const response_format = { type: 'json_schema', json_schema: { name: 'x', strict: true, schema: open } } as const;
    for (let seed = 0; seed < 8; seed++) {
      const answer = await client.ask({ response_format, temperature: 2, seed, max_tokens: 24 });
      const [choice] = answer.choices;
      expect(ajv.validate(open, JSON.parse(choice?.message.content ?? ''))).toBe(true);
      expect([choice?.finish_reason, (answer.usage?.completion_tokens ?? 0) <= 24]).toEqual(['length', true]);
    }
  });

  it('ends as length when there is no room, and only then is incomplete', async () => {
    const whole = await client.ask({ response_format: format, max_tokens: 400 });
    const tokens = whole.usage?.completion_tokens ?? 0;
    const exact = await client.ask({ response_format: format, max_tokens: tokens });
    expect(exact.choices).toEqual(whole.choices);
    const short = await client.ask({ response_format: format, max_tokens: tokens - 1 });
    expect(short.choices[0]?.finish_reason).toBe('length');
  });

  it('gives some JSON object by json_object', async () => {
    const answer = await client.ask({
      response_format: { type: 'json_object' },
      temperature: 1,
      seed: 4,
      max_tokens: 300,
      logit_bias: biasToClose(),
    });
    expect(answer.choices[0]?.finish_reason).toBe('stop');
    expect(JSON.parse(answer.choices[0]?.message.content ?? '')).toBeTypeOf('object');
  });

  it('shapes the text beside tools that need not be called', async () => {
    const answer = await client.ask({
      response_format: format,
      tools: TOOLS,
      temperature: 1,
      seed: 1,
      max_tokens: 400,
    });
    const { content, tool_calls: made } = answer.choices[0]?.message ?? {};
    expect(made === undefined ? ajv.validate(schema, JSON.parse(content ?? '')) : made.length > 0).toBe(true);
  });

  it.each([
    [{ oneOf: [] }, 'response_format.json_schema.schema.oneOf'],
    [
      { type: 'object', properties: { a: { type: 'string', pattern: '(?=x)' } } },
      'response_format.json_schema.schema.properties.a.pattern',
    ],
    [
      { type: 'object', properties: { a: { $ref: '#/$defs/b' } }, $defs: {} },
      'response_format.json_schema.schema.properties.a.$ref',
    ],
    [{ type: 'integer', minimum: 2, maximum: 1 }, 'response_format.json_schema.schema'],
    [{ enum: [] }, 'response_format.json_schema.schema'],
  ])('refuses %j and names %s', async (bad, param) => {
    const body = { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: bad } } };
    expect(await client.refusal(body)).toMatchObject({ status: 400, param, code: 'unsupported_parameter' });
  });
});
