import type { ByteSource } from '../../../src/core/bytes/byte-source.ts';
import { IMAGES_PER_REQUEST_MAX, STOP_STRINGS_MAX } from '../../../src/core/limits.ts';
import { type AnswerForm, chatForm } from '../../../src/core/protocol/answer-form.ts';
import { type ChatRequest, parseChatRequest } from '../../../src/core/protocol/chat-request.ts';
import { imageTaskForm } from '../../../src/core/protocol/image-task-answer.ts';
import { parseImageTask } from '../../../src/core/protocol/image-task-request.ts';
import { parseMultipart } from '../../../src/core/protocol/multipart.ts';
import { responsesForm } from '../../../src/core/protocol/responses-answer.ts';
import { parseResponsesRequest } from '../../../src/core/protocol/responses-request.ts';
import { consumeJson } from '../../../worker/read-body.ts';
import { relayAnswer } from '../../../worker/relay-stream.ts';
import { type Expected, readAnswer } from '../../../worker/upstream-answer.ts';
import { upstreamBody } from '../../../worker/upstream-body.ts';
import { mutateBytes, mutateJson } from '../../attacks/mutate.ts';
import type { Random } from '../../attacks/random.ts';
import type { Target } from '../../attacks/target.ts';
import { conformanceFaults } from '../../conformance/openai-schemas.ts';
import { CALLS_STREAM, CHATS, FORM, FORM_TYPE, IMAGE_TASKS, RESPONSES, STREAM } from './seeds.ts';

const utf8 = new TextEncoder();
/** What the fuzzed stream must hold to be whole: the prompt had an image. */
const WORDS: Expected = { imageTokens: 10, usage: true, choices: 1, logprobs: false, tools: false };
const CALLS: Expected = { ...WORDS, choices: 2, logprobs: true, tools: true };
const ECHO = {
  instructions: null,
  maxOutputTokens: null,
  temperature: null,
  topP: null,
  metadata: {},
  user: null,
  safetyIdentifier: null,
  promptCacheKey: null,
};
const CHAT: [string, AnswerForm] = ['/v1/chat/completions', chatForm];
const FORMS: [string, AnswerForm][] = [
  CHAT,
  ['/v1/responses', responsesForm(ECHO, 0, () => 1)],
  ['/v1/ocr', imageTaskForm('ocr', 'json')],
];

/** Doors of the worker, behind which a request or an upstream's stream becomes something else. */
export const TARGETS: readonly Target[] = [
  {
    name: 'chat',
    make: (random) => mutated(CHATS, random),
    read: async (source) => isSound(parseChatRequest(consumeJson(await bytesOf(source)), { parts: 'client' })),
  },
  {
    name: 'responses',
    make: (random) => mutated(RESPONSES, random),
    async read(source) {
      const { chat, inputOffset } = parseResponsesRequest(consumeJson(await bytesOf(source)));
      return inputOffset < chat.messages.length && isSound(chat);
    },
  },
  {
    name: 'image-task',
    make: (random) => mutated(IMAGE_TASKS, random),
    async read(source) {
      const fields = consumeJson(await bytesOf(source));
      const options = { defaultModel: 'm', prompts: () => ({ caption: 'c', ocr: 'o' }), stream: false };
      const task = JSON.stringify(fields).includes('"question"') ? 'vqa' : 'ocr';
      const chat = parseImageTask(task, fields, options);
      return chat.messages.length === 1 && isSound(chat);
    },
  },
  {
    name: 'form',
    make: (random) => mutateBytes(latin1(FORM), latin1(FORM), random),
    async read(source) {
      const bytes = await bytesOf(source);
      const parts = parseMultipart(bytes, FORM_TYPE);
      return parts.every(({ data }) => data.buffer === bytes.buffer && !textOf(data).includes('\r\n--b0undary'));
    },
  },
  {
    name: 'stream',
    make: (random) => mutatedStream(STREAM, random),
    async read(source) {
      const bytes = await bytesOf(source);
      return isTold(bytes, FORMS[bytes.length % FORMS.length] ?? CHAT, WORDS);
    },
  },
  {
    name: 'calls-stream',
    make: (random) => mutatedStream(CALLS_STREAM, random),
    read: async (source) => isTold(await bytesOf(source), CHAT, CALLS),
  },
];

interface SentPart {
  type: string;
  image_embeds?: string;
}

function mutated(seeds: readonly [string, ...string[]], random: Random): Uint8Array {
  const text = mutateJson(random.pick(seeds), random);
  return random.chance(0.2) ? mutateBytes(utf8.encode(text), utf8.encode(seeds[0]), random) : utf8.encode(text);
}

function mutatedStream(stream: string, random: Random): Uint8Array {
  const bytes = utf8.encode(stream);
  return random.chance(0.5) ? utf8.encode(mutateJson(stream, random)) : mutateBytes(bytes, bytes, random);
}

/** The client hears either the proven end or an error, in OpenAI's words. */
async function isTold(
  bytes: Uint8Array<ArrayBuffer>,
  [path, form]: [string, AnswerForm],
  expected: Expected,
): Promise<boolean> {
  const text = await relayed(bytes, form, expected);
  const isWhole = text.includes('data: [DONE]\n\n');
  const isBroken = /^data: \{(?:"error":|"type":"error")/m.test(text);
  const received = { method: 'POST', path, status: 200, contentType: 'text/event-stream', text };
  return isWhole !== isBroken && conformanceFaults(received).length === 0;
}

/** What is accepted is within its limits, and goes upstream with every part in its place. */
async function isSound(chat: ChatRequest): Promise<boolean> {
  const images = chat.messages.flatMap(({ content }) => content).filter(({ type }) => type === 'image_url');
  const prepared = images.map(() => ({
    part: 'image_embeds' as const,
    prefix: '',
    payload: [utf8.encode('abc')],
    tokens: 1,
    from: 'made' as const,
  }));
  const body = upstreamBody(chat, 'm', prepared, 'marker-that-no-client-knows');
  const decoder = new TextDecoder();
  const text = Array.from(body.pieces(), (piece) => decoder.decode(piece, { stream: true })).join('');
  const sent = JSON.parse(text) as { messages: { content: SentPart[] | string | null }[] };
  // Beside tool calls a message's text is one string.
  const partwise = chat.messages.map(({ content }, m) => (Array.isArray(sent.messages[m]?.content) ? content : []));
  const parts = partwise.flat();
  const sentParts = sent.messages.flatMap(({ content }) => (Array.isArray(content) ? content : []));
  return (
    chat.messages.length > 0 &&
    sent.messages.length === chat.messages.length &&
    images.length <= IMAGES_PER_REQUEST_MAX &&
    chat.stop.length <= STOP_STRINGS_MAX &&
    utf8.encode(text).length === body.byteLength &&
    sentParts.filter(({ image_embeds: embeds }) => embeds !== undefined).length === images.length &&
    sentParts.length === parts.length &&
    sentParts.every(({ image_embeds: embeds }, i) => (parts[i]?.type === 'image_url') === (embeds === 'YWJj'))
  );
}

/** An upstream's bytes, in pieces, as the client of a route would read them. */
async function relayed(bytes: Uint8Array<ArrayBuffer>, form: AnswerForm, expected: Expected): Promise<string> {
  const pieceBytes = 1 + (bytes[0] ?? 0);
  const upstream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(out) {
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        out.enqueue(bytes.slice(at, at + pieceBytes));
      }
      out.close();
    },
  });
  const identity = { id: 'chatcmpl-1', created: 1, model: 'm' };
  const stop = new AbortController();
  const stream = relayAnswer(readAnswer(upstream, expected), {
    identity,
    includeUsage: true,
    writer: form.stream(identity),
    stop,
    signal: stop.signal,
    now: () => performance.now(),
    onEnd: () => {},
  });
  return new Response(stream).text();
}

async function bytesOf(source: ByteSource): Promise<Uint8Array<ArrayBuffer>> {
  return Uint8Array.from(await source.slice(0, source.byteLength));
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder('latin1').decode(bytes);
}
