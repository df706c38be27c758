import { describe, expect, it } from 'vitest';
import { responseSchema } from '../../src/core/protocol/responses-schema.ts';
import { fakeUpstream, finishEvent, goodAnswer, textEvent, usageEvent } from './fake-upstream.ts';
import { repositoryFile } from './repository-file.ts';
import { dataUrl, events, question, testApp } from './test-app.ts';

const url = dataUrl(await repositoryFile('test/fixtures/golden/images/png-rgb.png'));

async function create(body: object, script = goodAnswer()) {
  const upstream = fakeUpstream(script);
  const app = testApp(upstream);
  const init = { method: 'POST', body: JSON.stringify({ model: 'vora-random', ...body }) };
  return { response: await app.fetch('/v1/responses', init), upstream };
}

const user = (...content: object[]) => [{ role: 'user', content }];
const text = { type: 'input_text', text: 'What?' };
const image = { type: 'input_image', image_url: url };

describe('POST /v1/responses', () => {
  it('asks what a chat would ask', async () => {
    const chat = fakeUpstream(goodAnswer());
    const messages = [
      { role: 'system', content: 'Be short.' },
      { role: 'system', content: 'And kind.' },
      ...question('What?', url).messages,
      { role: 'assistant', content: 'A cat.' },
      { role: 'user', content: 'Sure?' },
    ];
    await testApp(chat).chat({ messages, temperature: 0, top_p: 0.5, max_tokens: 40 });
    const { upstream } = await create({
      instructions: 'Be short.',
      input: [
        { type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'And kind.' }] },
        { role: 'user', content: [image, text] },
        {
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          status: 'completed',
          phase: null,
          content: [{ type: 'output_text', text: 'A cat.', annotations: [], logprobs: [] }],
        },
        { role: 'user', content: 'Sure?' },
      ],
      temperature: 0,
      top_p: 0.5,
      max_output_tokens: 40,
    });
    expect(upstream.calls[0]?.body).toEqual(chat.calls[0]?.body);
  });

  it('answers with a response object that repeats the request', async () => {
    const { response } = await create({
      input: 'Hi',
      instructions: 'Be short.',
      metadata: { a: 'b' },
      user: 'u',
      store: false,
    });
    const body = responseSchema.parse(await response.json());
    expect(body).toMatchObject({
      status: 'completed',
      created_at: 1_700_000_000,
      completed_at: 1_700_000_000,
      instructions: 'Be short.',
      metadata: { a: 'b' },
      user: 'u',
      model: 'vora-random',
      temperature: null,
      output: [{ role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'Hello you' }] }],
      usage: { input_tokens: 1000, output_tokens: 2, total_tokens: 1002 },
    });
    expect(body.id).toMatch(/^resp_id/);
    expect(body.output[0]?.id).toBe(body.id.replace('resp_', 'msg_'));
  });

  it('says when the answer was cut', async () => {
    const { response } = await create({ input: 'Hi' }, [textEvent('Hel'), finishEvent('length'), usageEvent(9)]);
    const body = responseSchema.parse(await response.json());
    expect(body).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } });
    expect(body.completed_at).toBeNull();
  });

  it('streams the events of the API in their order', async () => {
    const { response } = await create({ input: user(image, text), stream: true });
    const data = await events(response);
    expect(data.pop()).toBe('[DONE]');
    const all = data.map((entry) => JSON.parse(entry) as Record<string, unknown>);
    expect(all.map(({ type }) => type)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    const whole = responseSchema.parse(all.at(-1)?.['response']);
    expect(whole).toMatchObject({ status: 'completed', output: [{ content: [{ text: 'Hello you' }] }] });
    const ids = all.map((entry) => entry['item_id'] ?? whole.output[0]?.id);
    expect(new Set(ids).size).toBe(1);
  });

  it('that breaks ends with response.failed and error, never with response.completed', async () => {
    const { response } = await create({ input: 'Hi', stream: true }, [textEvent('Hel')]);
    const types = (await events(response)).map((entry) => (JSON.parse(entry) as { type: string }).type);
    expect(types.slice(-2)).toEqual(['response.failed', 'error']);
  });

  it.each([
    ['previous_response_id', { previous_response_id: 'resp_1' }],
    ['conversation', { conversation: 'conv_1' }],
    ['store', { store: true }],
    ['background', { background: true }],
    ['tools', { tools: [{ type: 'function', name: 'f', parameters: {} }] }],
    ['tool_choice', { tool_choice: 'required' }],
    ['text', { text: { format: { type: 'json_schema', name: 'x', schema: {} } } }],
    ['reasoning', { reasoning: { effort: 'high' } }],
    ['include', { include: ['message.output_text.logprobs'] }],
    ['truncation', { truncation: 'auto' }],
    ['top_logprobs', { top_logprobs: 3 }],
    ['prompt', { prompt: { id: 'p' } }],
    ['metadata.a', { metadata: { a: 1 } }],
    ['max_output_tokens', { max_output_tokens: 0 }],
    ['messages', { messages: [] }],
    ['cache_salt', { cache_salt: 'x' }],
    ['input', { input: [] }],
    ['input[1].type', { input: [...user(text), { type: 'function_call_output', call_id: 'c', output: '' }] }],
    ['input[0].role', { input: [{ role: 'tool', content: 'x' }] }],
    ['input[0].content[1].type', { input: user(text, { type: 'input_file', file_id: 'f' }) }],
    ['input[0].content[0].file_id', { input: user({ ...image, file_id: 'f' }) }],
    ['input[0].content[0].image_url', { input: user({ type: 'input_image' }) }],
    ['input[0].content[0].image_url', { input: user({ type: 'input_image', image_url: 'http://a.example/a.png' }) }],
    [
      'input[0].content[0].image_url',
      { instructions: 'x', input: user({ type: 'input_image', image_url: 'data:,x' }) },
    ],
    ['input[0].content[8]', { input: user(...Array.from({ length: 9 }, () => image)) }],
  ])('refuses %s by name', async (param, body) => {
    const { response, upstream } = await create({ input: 'Hi', ...body });
    expect(upstream.calls).toEqual([]);
    const { error } = await response.json<{ error: { param: string } }>();
    expect([response.status, error.param]).toEqual([400, param]);
  });

  it('takes what asks for nothing', async () => {
    const neutral = {
      previous_response_id: null,
      tools: [],
      tool_choice: 'auto',
      parallel_tool_calls: true,
      include: [],
      text: { format: { type: 'text' } },
      reasoning: null,
      truncation: 'disabled',
      service_tier: 'auto',
      stream_options: { include_obfuscation: false },
      prompt_cache_key: 'k',
      safety_identifier: 's',
    };
    const { response } = await create({ input: 'Hi', stream: true, ...neutral });
    expect(response.status).toBe(200);
  });
});
