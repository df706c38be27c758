/** Requests that the worker takes, as text; mutations start from them. */

const IMAGE = { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'low' } };
const VIDEO = { type: 'video', video: ['https://a.example/1.jpg', 'data:image/png;base64,iVBORw0KGgo='] };
const TEXT = { type: 'text', text: 'What does it say?' };

export const CHATS = [
  JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Hello' }] }),
  JSON.stringify({
    model: 'org/model',
    messages: [
      { role: 'system', content: 'Be short.' },
      {
        role: 'user',
        content: [VIDEO, IMAGE, TEXT, { type: 'image_url', image_url: { url: 'https://a.example/b.png?c=d' } }],
      },
      { role: 'assistant', content: 'é😀"', refusal: null, tool_calls: [] },
      { role: 'user', content: [TEXT] },
    ],
    stream: true,
    stream_options: { include_usage: true, include_obfuscation: false },
    max_tokens: 5,
    temperature: 0.5,
    top_p: 0.9,
    top_k: -1,
    seed: 7,
    stop: ['a', 'b'],
    n: 1,
    user: 'u',
    metadata: { a: 'b' },
    response_format: { type: 'text' },
    tools: [],
    logprobs: false,
  }),
  JSON.stringify({
    model: 'm',
    messages: [
      { role: 'user', content: [IMAGE, TEXT] },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'zoom', arguments: '{"x":1}' } }],
      },
      { role: 'tool', tool_call_id: 'call_1', content: 'done' },
    ],
    tools: [
      {
        type: 'function',
        function: {
          name: 'zoom',
          description: 'Looks closer.',
          parameters: { type: 'object', properties: { x: { type: 'integer' } }, required: ['x'] },
          strict: true,
        },
      },
    ],
    tool_choice: { type: 'function', function: { name: 'zoom' } },
    parallel_tool_calls: false,
    n: 2,
    logprobs: true,
    top_logprobs: 2,
    frequency_penalty: 0.5,
    presence_penalty: -0.5,
    logit_bias: { '17': -100 },
  }),
  JSON.stringify({
    model: 'm',
    messages: [{ role: 'user', content: 'Hello' }],
    response_format: {
      type: 'json_schema',
      json_schema: { name: 'answer', schema: { type: 'object', properties: { a: { type: 'string' } } }, strict: true },
    },
  }),
] as const;

export const RESPONSES = [
  JSON.stringify({ model: 'm', input: 'Hello', instructions: 'Be short.', max_output_tokens: 16 }),
  JSON.stringify({
    model: 'm',
    input: [
      {
        role: 'user',
        content: [
          { type: 'input_image', image_url: 'data:image/png;base64,iVBORw0KGgo=' },
          { type: 'input_text', text: 'What?' },
        ],
      },
      {
        type: 'message',
        id: 'msg_1',
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text: 'A cat.', annotations: [], logprobs: [] }],
      },
      { role: 'developer', content: 'And kind.' },
    ],
    stream: true,
    temperature: 1,
    metadata: { a: 'b', c: 'd' },
    tools: [],
    text: { format: { type: 'text' } },
    store: false,
  }),
] as const;

export const IMAGE_TASKS = [
  JSON.stringify({
    image: 'https://a.example/b.png',
    question: 'What?',
    max_tokens: 8,
    temperature: 0.1,
    seed: 1,
    model: 'm',
  }),
  JSON.stringify({ image: 'data:image/png;base64,iVBORw0KGgo=' }),
] as const;

export const FORM_TYPE = 'multipart/form-data; boundary=b0undary';
export const FORM = [
  '--b0undary\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\r\n--b0\r\n',
  '--b0undary\r\nContent-Disposition: form-data; name="question"\r\n\r\nWhat?\r\n--b0undary--\r\n',
].join('');

/** An upstream's stream as vLLM writes it: role, text with any characters, finish, usage, end. */
export const STREAM = streamOf([
  { choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }] },
  { choices: [{ index: 0, delta: { content: 'Hé😀 "x"\n' }, logprobs: null, finish_reason: null }] },
  { choices: [{ index: 0, delta: { content: 'lo' }, finish_reason: null }], usage: null },
  { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
  { choices: [], usage: { prompt_tokens: 20, completion_tokens: 3, total_tokens: 23 } },
]);

const LISTED = { token: 'x', logprob: -0.5, bytes: [120], top_logprobs: [{ token: 'y', logprob: -1, bytes: null }] };
const CALL = { index: 0, id: 'call_1', type: 'function', function: { name: 'zoom', arguments: '' } };

/** Two choices, one of words with their tokens and one of calls. */
export const CALLS_STREAM = streamOf([
  { choices: [{ index: 0, delta: { content: 'x' }, logprobs: { content: [LISTED], refusal: null } }] },
  { choices: [{ index: 1, delta: { role: 'assistant', content: null, tool_calls: [CALL] } }] },
  { choices: [{ index: 1, delta: { tool_calls: [{ index: 0, function: { arguments: '{"x":' } }] } }] },
  { choices: [{ index: 1, delta: { tool_calls: [{ index: 0, function: { arguments: '1}' } }] } }] },
  { choices: [{ index: 0, delta: { refusal: 'No.' }, logprobs: { content: null, refusal: [LISTED] } }] },
  { choices: [{ index: 1, delta: {}, finish_reason: 'tool_calls' }] },
  { choices: [{ index: 0, delta: {}, finish_reason: 'length' }] },
  { choices: [], usage: { prompt_tokens: 20, completion_tokens: 9, total_tokens: 29 } },
]);

function streamOf(chunks: readonly object[]): string {
  const events = chunks.map((chunk) => ({
    id: 'x',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    ...chunk,
  }));
  return [...events.map((event) => `data: ${JSON.stringify(event)}\n\n`), ': ping\n\n', 'data: [DONE]\n\n'].join('');
}
