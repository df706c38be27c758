import { ENDPOINT_BODY_MAX_BYTES } from '../core/limits.ts';
import { assemblePrompt } from '../core/prompt/assemble.ts';
import { type ChatMessage, type ChatRequest, parseChatRequest, partPath } from '../core/protocol/chat-request.ts';
import { RequestError } from '../core/protocol/failure.ts';
import { SSE_HEADERS } from '../core/protocol/sse.ts';
import { type Answer, collectAnswer, streamAnswer } from './answer.ts';
import type { Engine } from './engine.ts';
import type { ImageReader } from './image-reader.ts';
import type { Artifact } from './load-artifact.ts';
import { createRandom, unpredictableSeed } from './random.ts';
import { readJson } from './read-json.ts';
import { createPrompt, type GenerationParams, type Prompt } from './sequence.ts';
import { startStopwatch } from './stopwatch.ts';
import type { createTurnstile } from './turnstile.ts';

export interface ChatParts {
  readonly artifact: Artifact;
  /** Null for a model of text only. */
  readonly images: ImageReader | null;
  readonly engine: Engine;
  /** Bounds how many requests are read at once. */
  readonly reading: ReturnType<typeof createTurnstile>;
}

/** Header in which a worker says with which vision weights it made its embeddings. */
export const VISION_HEADER = 'x-vora-vision';

/** POST /v1/chat/completions: read → images → prompt → engine → answer. */
export async function completeChat(request: Request, requestId: string, parts: ChatParts): Promise<Response> {
  const { artifact, engine } = parts;
  const stopwatch = startStopwatch();
  const { chat, prompt } = await parts.reading(() => readRequest(request, parts));
  const outputs = engine.add(prompt, generationParams(chat, prompt, artifact));
  stopwatch.prepared();

  const identity = {
    id: `chatcmpl-${crypto.randomUUID().replaceAll('-', '')}`,
    created: Math.floor(Date.now() / 1000),
    model: artifact.manifest.name,
  };
  const answer: Answer = { identity, promptTokens: prompt.length, outputs, stopwatch };
  if (chat.stream) {
    return new Response(streamAnswer(answer, { includeUsage: chat.includeUsage, requestId }), { headers: SSE_HEADERS });
  }
  const completion = await collectAnswer(answer, request.signal);
  return Response.json(completion, { headers: { 'server-timing': stopwatch.serverTiming() } });
}

async function readRequest(request: Request, parts: ChatParts): Promise<{ chat: ChatRequest; prompt: Prompt }> {
  const { manifest } = parts.artifact;
  const chat = parseChatRequest(await readJson(request, ENDPOINT_BODY_MAX_BYTES), { parts: 'endpoint' });
  requireModel(chat, manifest.name);
  requireVision(chat, request.headers.get(VISION_HEADER), manifest.vision?.sha256 ?? null);
  return { chat, prompt: await readPrompt(chat.messages, parts, request.signal) };
}

function requireModel({ model }: ChatRequest, name: string): void {
  if (model !== name) {
    throw new RequestError({ kind: 'model-not-found', model });
  }
}

/** Embeddings of other vision weights have the right shape and no meaning. */
function requireVision({ messages }: ChatRequest, found: string | null, expected: string | null): void {
  const ready = messages.some(({ content }) => content.some((part) => part.type === 'image_embeds'));
  if (ready && expected !== null && found !== expected) {
    throw new RequestError({
      kind: 'vision-mismatch',
      expected,
      found: found ?? `unknown (no ${VISION_HEADER} header)`,
    });
  }
}

/** Dropped, an image would get an answer about nothing. */
function refuseImages(messages: readonly ChatMessage[]): void {
  for (const [m, { content }] of messages.entries()) {
    const p = content.findIndex((part) => part.type !== 'text');
    if (p >= 0) {
      const message = 'This model reads text only; found an image';
      throw new RequestError({ kind: 'unsupported-image', param: partPath(m, p), message });
    }
  }
}

async function readPrompt(
  messages: readonly ChatMessage[],
  { artifact: { manifest, template, tokenizer }, images }: ChatParts,
  signal: AbortSignal,
): Promise<Prompt> {
  const { vision } = manifest;
  if (images === null) {
    refuseImages(messages);
  }
  // The cheap part first: a prompt that cannot be is refused before any image is decoded.
  const segments = assemblePrompt(messages, template, tokenizer, vision?.imageToken ?? null);
  const embeddings: Float32Array[] = [];
  for (const [m, { content }] of messages.entries()) {
    for (const [p, part] of content.entries()) {
      signal.throwIfAborted();
      if (part.type !== 'text' && images !== null) {
        embeddings.push(await images.read(part, partPath(m, p)));
      }
    }
  }
  signal.throwIfAborted();
  return createPrompt(segments, embeddings, {
    hiddenSize: manifest.llm.hiddenSize,
    attentionMask: vision?.attentionMask ?? 'causal',
  });
}

/** The request's own wishes over the model's defaults. More tokens than the context has left end as `length`. */
function generationParams(
  chat: ChatRequest,
  prompt: Prompt,
  { manifest: { llm }, sampling }: Artifact,
): GenerationParams {
  const left = llm.maxPositions - prompt.length;
  if (left < 1) {
    throw new RequestError({
      kind: 'context-too-long',
      promptTokens: prompt.length,
      limitTokens: llm.maxPositions,
    });
  }
  return {
    maxTokens: Math.min(chat.maxTokens ?? left, left),
    sampling: {
      temperature: chat.temperature ?? sampling.temperature,
      topK: chat.topK ?? sampling.topK,
      topP: chat.topP ?? sampling.topP,
    },
    random: createRandom(chat.seed ?? unpredictableSeed()),
    stop: chat.stop,
  };
}
