/**
 * A visual agent with the openai package: it looks at a picture, calls a tool that gives it another one, looks at that,
 * and finishes. `node examples/agent-loop.ts` runs it on the local line; every request goes through the worker.
 *
 * Who decides what, with a demo model that never learnt about tools: what it sees, the model says in words of its own, in
 * a conversation of one picture, as it was trained. The form of a call, and which tool it is of, are decided by the
 * constraint: `tool_choice` names the tool, and the schema admits the values that the model's words name, so that the
 * call it writes is always one that can be run. Should its words name none, the schema admits all, and the model's guess
 * among them is worth as much as a guess. A model that learnt to call tools would need neither: `tool_choice: 'auto'`.
 */
import OpenAI from 'openai';
import { DEMO_MODEL, pictureUrl, startDemoLine } from './demo-line.ts';

type Message = OpenAI.ChatCompletionMessageParam;
type ImagePart = OpenAI.ChatCompletionContentPartImage;

const TASK = 'Open the picture that the highest bar names, and say what price it shows.';
/** What lies behind each letter. */
const PICTURES: Record<string, string> = {
  A: 'word.png',
  B: 'scene.webp',
  C: 'word.png',
  D: 'scene.webp',
  E: 'word.png',
  F: 'price.jpg',
  G: 'scene.webp',
  H: 'word.png',
};
const WORDS_MAX_TOKENS = 32;
const CALL_MAX_TOKENS = 200;

const line = await startDemoLine();
try {
  const client = new OpenAI({ baseURL: `${line.url}/v1`, apiKey: 'none' });
  const answer = await runAgent(client, await imagePart('chart.png'));
  console.log(`\nFinished: ${answer}`);
} finally {
  await line.stop();
}

/** The loop: look, act, and do what was called for, until the agent calls `finish`. */
async function runAgent(client: OpenAI, first: ImagePart): Promise<string> {
  const messages: Message[] = [{ role: 'user', content: [first, { type: 'text', text: TASK }] }];
  let picture = first;
  const plan = [
    { question: 'Which bar is the highest?', toolFor: openPicture },
    { question: 'What is the price?', toolFor: finish },
  ];
  for (const { question, toolFor } of plan) {
    const words = await look(client, picture, question);
    console.log(`\nLook: ${question}\n  the model says: ${words}`);

    const call = await act(client, messages, toolFor(words));
    console.log(`  the constraint makes it: ${call.function.name}(${call.function.arguments})`);
    messages.push({ role: 'assistant', content: words, tool_calls: [call] });

    const given = JSON.parse(call.function.arguments) as { picture?: string; answer?: string };
    if (given.answer !== undefined) {
      return given.answer;
    }
    // A tool's message is text; the picture that it gives follows as the user's.
    picture = await imagePart(PICTURES[given.picture ?? ''] ?? '');
    messages.push(
      { role: 'tool', tool_call_id: call.id, content: 'The picture follows.' },
      { role: 'user', content: [picture] },
    );
  }
  throw new Error('the agent did not finish');
}

/** One picture and one question: what the demo model was trained for. */
async function look(client: OpenAI, picture: ImagePart, question: string): Promise<string> {
  const { choices } = await client.chat.completions.create({
    model: DEMO_MODEL,
    messages: [{ role: 'user', content: [picture, { type: 'text', text: question }] }],
    temperature: 0,
    max_tokens: WORDS_MAX_TOKENS,
  });
  return choices[0]?.message.content ?? '';
}

/** The next call, with the whole history before it. */
async function act(
  client: OpenAI,
  messages: Message[],
  tool: OpenAI.ChatCompletionFunctionTool,
): Promise<OpenAI.ChatCompletionMessageFunctionToolCall> {
  const { choices } = await client.chat.completions.create({
    model: DEMO_MODEL,
    messages,
    tools: [tool],
    tool_choice: { type: 'function', function: { name: tool.function.name } },
    temperature: 0,
    max_tokens: CALL_MAX_TOKENS,
  });
  const [call] = choices[0]?.message.tool_calls ?? [];
  if (call?.type !== 'function' || choices[0]?.finish_reason !== 'tool_calls') {
    throw new Error(`no whole call: ${JSON.stringify(choices[0])}`);
  }
  return call;
}

/** Opens one of the pictures whose letters the words name; any where they name none. */
function openPicture(words: string): OpenAI.ChatCompletionFunctionTool {
  const named = [...new Set(words.match(/\b[A-H]\b/g) ?? [])];
  const letters = named.length === 0 ? Object.keys(PICTURES) : named;
  return functionTool('open_picture', 'Opens the picture behind a letter.', { picture: { enum: letters } });
}

/** Ends the task with the words, which are the model's own. */
function finish(words: string): OpenAI.ChatCompletionFunctionTool {
  return functionTool('finish', 'Ends the task.', { answer: { const: words } });
}

function functionTool(
  name: string,
  description: string,
  properties: Record<string, object>,
): OpenAI.ChatCompletionFunctionTool {
  const required = Object.keys(properties);
  const parameters = { type: 'object', properties, required, additionalProperties: false };
  return { type: 'function', function: { name, description, strict: true, parameters } };
}

async function imagePart(name: string): Promise<ImagePart> {
  return { type: 'image_url', image_url: { url: await pictureUrl(name) } };
}
