import { Ajv2020 } from 'ajv/dist/2020.js';
import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  callsOf,
  type EndpointClient,
  goldenPart,
  QUESTION,
  startEndpointClient,
} from '../../support/endpoint-client.ts';
import { biasToClose } from '../../support/random-model-tokens.ts';
import { NOTE, TOOLS, ZOOM } from '../../support/tools.ts';

const ajv = new Ajv2020();

let client: EndpointClient;

beforeAll(async () => {
  client = await startEndpointClient();
});

afterAll(() => client?.endpoint.stop(0));

describe('tool calls', () => {
  it.each([0, 1, 2])(
    'are of the tools and by their schema when they are required, at temperature %i',
    async (temperature) => {
      for (let seed = 0; seed < 4; seed++) {
        const body = {
          tools: TOOLS,
          tool_choice: 'required' as const,
          parallel_tool_calls: false,
          temperature,
          seed,
          max_tokens: 200,
        };
        const whole = await client.ask(body);
        expect(whole.choices[0]?.finish_reason).toBe('tool_calls');
        expect(whole.choices[0]?.message.content).toBeNull();
        const [call, ...more] = callsOf(whole);
        expect(more).toEqual([]);
        const tool = [ZOOM, NOTE].find(({ function: { name } }) => name === call?.name);
        expect(ajv.validate(tool?.function.parameters ?? false, call?.arguments), JSON.stringify(call)).toBe(true);
        expect(callsOf(await client.stream(body))).toEqual([call]);
      }
    },
  );

  it('are of the named tool', async () => {
    const body = {
      tools: TOOLS,
      tool_choice: { type: 'function', function: { name: 'zoom' } } as const,
      max_tokens: 100,
    };
    for (const answer of [await client.ask(body), await client.stream(body)]) {
      expect(callsOf(answer).map(({ name }) => name)).toEqual(['zoom']);
      expect(answer.choices[0]?.message.tool_calls?.[0]?.id).toMatch(/^call_[0-9a-f]{24}$/);
    }
  });

  it('may be several, each with an id of its own', async () => {
    // The model has no opinion: a bias makes it go on.
    const body = {
      tools: TOOLS,
      tool_choice: 'required' as const,
      temperature: 1,
      seed: 3,
      max_tokens: 300,
      logit_bias: { 780: -100, 778: -100 },
    };
    const answer = await client.ask(body);
    const ids = answer.choices[0]?.message.tool_calls?.map(({ id }) => id) ?? [];
    expect(ids.length).toBeGreaterThan(1);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('are not made where they are not wanted, and text stays text', async () => {
    const [none, auto, without] = [
      await client.ask({ tools: TOOLS, tool_choice: 'none', max_tokens: 8 }),
      await client.ask({ tools: TOOLS, max_tokens: 8 }),
      await client.ask({ max_tokens: 8 }),
    ];
    expect(none.choices).toEqual(without.choices);
    expect(none.usage?.prompt_tokens).toEqual(without.usage?.prompt_tokens);
    // The tools are part of the prompt.
    expect(auto.usage?.prompt_tokens).toBeGreaterThan(without.usage?.prompt_tokens ?? Infinity);
    expect(auto.choices[0]?.message.content).not.toBe('');
  });

  it('end within their length where it has room for them, and are cut off where it has not; both as length', async () => {
    // The client's own helper throws at a strict call that is cut.
    const loose = { ...ZOOM, function: { ...ZOOM.function, strict: false } } as unknown as OpenAI.ChatCompletionTool;
    const forced = { tools: [loose], tool_choice: { type: 'function', function: { name: 'zoom' } } as const };
    const complete = await client.ask({ ...forced, max_tokens: 100 });
    const tokens = complete.usage?.completion_tokens ?? 0;
    expect(complete.choices[0]?.finish_reason).toBe('tool_calls');
    const calls: string[] = [];
    for (const max_tokens of [tokens - 10, tokens - 26, 8]) {
      for (const answer of [
        await client.ask({ ...forced, max_tokens }),
        await client.stream({ ...forced, max_tokens }),
      ]) {
        expect(answer.choices[0]?.finish_reason).toBe('length');
        const [call] = answer.choices[0]?.message.tool_calls ?? [];
        calls.push(call?.type === 'function' ? `${call.function.name} ${call.function.arguments}` : '');
      }
    }
    for (const call of calls.slice(0, 4)) {
      const [name, json = ''] = call.split(/ (.*)/s);
      expect([name, JSON.parse(json)]).toEqual([
        'zoom',
        { where: expect.any(String) as string, factor: expect.any(Number) as number },
      ]);
    }
    expect(calls.slice(4).every((call) => !call.endsWith('}'))).toBe(true);
  });

  it('and their answers are part of the next prompt, an image after them too', async () => {
    const messages: OpenAI.ChatCompletionMessageParam[] = [
      ...QUESTION,
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'zoom', arguments: '{"where":"top left","factor":2}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'a', content: 'The part follows.' },
      {
        role: 'user',
        content: [goldenPart('images/sign.png')],
      },
    ];
    const answer = await client.ask({ messages, tools: TOOLS, max_tokens: 4 });
    const text = await client.ask({
      messages: [...messages.slice(0, 3), { role: 'user', content: 'x' }],
      tools: TOOLS,
      max_tokens: 4,
    });
    expect(answer.usage?.prompt_tokens).toBe((text.usage?.prompt_tokens ?? 0) - 1 + 64);
  });

  it.each([
    [
      {
        tools: [
          { ...ZOOM, function: { ...ZOOM.function, parameters: { type: 'object', properties: { a: { not: {} } } } } },
        ],
      },
      'tools[0].function.parameters.properties.a.not',
    ],
    [{ tools: [ZOOM, ZOOM] }, 'tools[1].function.name'],
    [{ tools: [{ type: 'custom', custom: { name: 'x' } }] }, 'tools[0].type'],
    [{ tools: TOOLS, tool_choice: { type: 'function', function: { name: 'other' } } }, 'tool_choice'],
    [{ tool_choice: 'required' }, 'tool_choice'],
    [{ messages: [...QUESTION, { role: 'tool', tool_call_id: 'a', content: 'x' }] }, 'messages[1].tool_call_id'],
  ])('refuses %j and names %s', async (body, param) => {
    expect(await client.refusal(body)).toMatchObject({ status: 400, param });
  });

  it('shows a schema that is not strict, though it could not be enforced', async () => {
    const parameters = { type: 'object', properties: { a: { type: 'string' } }, minProperties: 1 };
    const body = { tools: [{ type: 'function', function: { name: 'f', parameters } }] as OpenAI.ChatCompletionTool[] };
    const answer = await client.ask({
      ...body,
      tool_choice: { type: 'function', function: { name: 'f' } },
      temperature: 1,
      seed: 2,
      max_tokens: 60,
      logit_bias: biasToClose(),
    });
    expect(answer.choices[0]?.message.tool_calls?.[0]).toMatchObject({ function: { name: 'f' } });
    expect(
      await client.refusal({ tools: [{ type: 'function', function: { name: 'f', strict: true, parameters } }] }),
    ).toMatchObject({
      param: 'tools[0].function.parameters.minProperties',
      code: 'unsupported_parameter',
    });
  });
});
