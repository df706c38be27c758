import { ENDPOINT_BODY_MAX_BYTES } from '../core/limits.ts';
import { assemblePrompt } from '../core/prompt/assemble.ts';
import type { ChatMessage } from '../core/protocol/chat-message.ts';
import { type ChatRequest, imagePath, parseChatRequest, partPath } from '../core/protocol/chat-request.ts';
import { RequestError } from '../core/protocol/failure.ts';
import { FEATURES, requireFeatures } from '../core/protocol/request-feature.ts';
import { SSE_HEADERS } from '../core/protocol/sse.ts';
import { type Answer, collectAnswer, streamAnswer } from './answer.ts';
import type { AnswerGrammars } from './answer-grammar.ts';
import type { Engine } from './engine.ts';
import { generationParams } from './generation-params.ts';
import type { TokenGrammar } from './grammar/token-grammar.ts';
import type { ImageReader } from './image-reader.ts';
import type { Artifact } from './load-artifact.ts';
import { readJson } from './read-json.ts';
import { createPrompt, type Prompt } from './sequence.ts';
import { startStopwatch } from './stopwatch.ts';
import type { createTurnstile } from './turnstile.ts';

export interface ChatParts {
  readonly artifact: Artifact;
  /** Null for a model of text only. */
  readonly images: ImageReader | null;
  readonly engine: Engine;
  readonly grammars: AnswerGrammars;
  /** Bounds how many requests are read at once. */
  readonly reading: ReturnType<typeof createTurnstile>;
}

/** Header in which a worker says for which vision weights it made its images ready. */
export const VISION_HEADER = 'x-vora-vision';

/** POST /v1/chat/completions: read → images → prompt → engine → answer. */
export async function completeChat(request: Request, requestId: string, parts: ChatParts): Promise<Response> {
  const { artifact, engine } = parts;
  const stopwatch = startStopwatch();
  const { chat, prompt, grammar } = await parts.reading(() => readRequest(request, parts));
  const outputs = engine.add(prompt, generationParams(chat, prompt, grammar, artifact));
  stopwatch.prepared();

  const identity = {
    id: `chatcmpl-${crypto.randomUUID().replaceAll('-', '')}`,
    created: Math.floor(Date.now() / 1000),
    model: artifact.manifest.name,
  };
  const answer: Answer = {
    identity,
    promptTokens: prompt.length,
    choices: chat.choices ?? 1,
    logprobs: chat.topLogprobs !== undefined,
    outputs,
    stopwatch,
  };
  if (chat.stream) {
    return new Response(streamAnswer(answer, { includeUsage: chat.includeUsage, requestId }), { headers: SSE_HEADERS });
  }
  const completion = await collectAnswer(answer, request.signal);
  return Response.json(completion, { headers: { 'server-timing': stopwatch.serverTiming() } });
}

interface ReadRequest {
  chat: ChatRequest;
  prompt: Prompt;
  /** Null for answers that may be anything. */
  grammar: TokenGrammar | null;
}

async function readRequest(request: Request, parts: ChatParts): Promise<ReadRequest> {
  const { manifest, toolSyntax } = parts.artifact;
  const chat = parseChatRequest(await readJson(request, ENDPOINT_BODY_MAX_BYTES), { parts: 'endpoint' });
  requireModel(chat, manifest.name);
  const madeFor = request.headers.get(VISION_HEADER);
  requireVision(chat, madeFor, manifest.vision?.sha256 ?? null);
  requireFeatures(chat, toolSyntax === null ? WITHOUT_TOOLS : new Set(FEATURES));
  requireTokens(chat, manifest.llm.vocabSize);
  const grammar = parts.grammars(chat);
  return { chat, grammar, prompt: await readPrompt(chat, parts, madeFor !== null, request.signal) };
}

/** A chat template that knows no tools would drop them. */
const WITHOUT_TOOLS = new Set(FEATURES.filter((feature) => feature !== 'tools'));

function requireTokens({ logitBias = new Map() }: ChatRequest, vocabSize: number): void {
  for (const token of logitBias.keys()) {
    if (token >= vocabSize) {
      const message = `logit_bias: found token ${token}; this model has ${vocabSize}`;
      throw new RequestError({ kind: 'invalid-request', param: 'logit_bias', message });
    }
  }
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
      expected: `vision weights ${expected}`,
      found: found === null ? `unknown vision weights (no ${VISION_HEADER} header)` : `vision weights ${found}`,
    });
  }
}

/** Dropped, an image would get an answer about nothing. */
function refuseImages(messages: readonly ChatMessage[]): void {
  for (const [m, { content }] of messages.entries()) {
    for (const [p, part] of content.entries()) {
      if (part.type !== 'text') {
        const message = 'This model reads text only; found an image';
        throw new RequestError({ kind: 'unsupported-image', param: imagePath(part, m, p), message });
      }
    }
  }
}

async function readPrompt(
  { messages, tools = [], toolChoice, cacheSalt }: ChatRequest,
  { artifact: { manifest, template, tokenizer, toolSyntax }, images }: ChatParts,
  isReady: boolean,
  signal: AbortSignal,
): Promise<Prompt> {
  const { vision } = manifest;
  if (images === null) {
    refuseImages(messages);
  }
  // The cheap part first: a prompt that cannot be is refused before any image is decoded.
  const segments = assemblePrompt(messages, template, tokenizer, vision?.imageToken ?? null, {
    // What may not be called is not shown either.
    tools: toolChoice === 'none' ? [] : tools,
    markers: toolSyntax?.markers ?? [],
  });
  const embeddings: Float32Array[] = [];
  for (const [m, { content }] of messages.entries()) {
    for (const [p, part] of content.entries()) {
      signal.throwIfAborted();
      if (part.type !== 'text' && images !== null) {
        embeddings.push(await images.read(part, partPath(m, p), isReady));
      }
    }
  }
  signal.throwIfAborted();
  return createPrompt(segments, embeddings, {
    hiddenSize: manifest.llm.hiddenSize,
    attentionMask: vision?.attentionMask ?? 'causal',
    ...(cacheSalt === undefined ? {} : { cacheSalt }),
  });
}
