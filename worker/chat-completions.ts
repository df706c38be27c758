import { REQUEST_BODY_MAX_BYTES, STREAM_GRACE_MS } from '../src/core/limits.ts';
import { type AnswerForm, chatForm } from '../src/core/protocol/answer-form.ts';
import { type ChatRequest, parseChatRequest, partPath } from '../src/core/protocol/chat-request.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import { inTermsOf } from '../src/core/protocol/request-field.ts';
import { SSE_HEADERS } from '../src/core/protocol/sse.ts';
import { collectAnswer } from './collect-answer.ts';
import type { Deps } from './deps.ts';
import { orTimeout } from './or-timeout.ts';
import { type ImageContext, prepareImage, type PreparedImage } from './prepare-image.ts';
import { parseJson } from './read-body.ts';
import { relayAnswer } from './relay-stream.ts';
import type { RequestContext } from './request-context.ts';
import type { RequestRecord } from './request-record.ts';
import { jsonResponse, textResponse } from './sized-response.ts';
import { callUpstream } from './upstream.ts';
import { type AnswerEvent, readAnswer } from './upstream-answer.ts';
import { upstreamBody } from './upstream-body.ts';

/** A question to the model, wherever it came from, and how its answer is to be written. */
export interface ChatTask {
  chat: ChatRequest;
  form: AnswerForm;
  /** Images that came beside the request; see {@link ImageContext}. */
  enclosed?: ImageContext['enclosed'];
}

/** POST /v1/chat/completions */
export async function chatCompletions(deps: Deps, context: RequestContext): Promise<Response> {
  startLoading(deps, context);
  const chat = parseChatRequest(parseJson(await context.receive(REQUEST_BODY_MAX_BYTES)), { parts: 'client' });
  return answerChat({ chat, form: chatForm }, deps, context);
}

/** The recipe of every route that asks the model, from a valid chat request to the last token. */
export async function answerChat(task: ChatTask, deps: Deps, context: RequestContext): Promise<Response> {
  try {
    return await answer(task, deps, context);
  } catch (error) {
    throw inTermsOf(task.form.fieldName, error);
  }
}

async function answer(
  { chat, form, enclosed = new Map() }: ChatTask,
  deps: Deps,
  { requestId, stopwatch, record, signal: left }: RequestContext,
): Promise<Response> {
  const { config } = deps;
  if (chat.model !== config.model) {
    throw new RequestError({ kind: 'model-not-found', model: chat.model });
  }
  record.note({ model: chat.model, stream: chat.stream });

  const stop = new AbortController();
  const signal = AbortSignal.any([left, stop.signal]);
  const images = await prepareImages(chat, deps, { stopwatch, signal, enclosed });
  record.note({ images: images.length });
  const identity = { id: `chatcmpl-${deps.newId()}`, created: deps.unixSeconds(), model: config.model };
  record.called(chat, identity.id);
  const answer = stopwatch.time('upstream', async () =>
    callUpstream(deps, {
      body: upstreamBody(chat, config.upstream.model, images, deps.newId()),
      visionSha256: await visionOf(images, deps),
      requestId,
      signal,
    }),
  );
  const events = readWhenOpen(
    answer,
    images.reduce((sum, image) => sum + image.tokens, 0),
    record,
  );

  if (!chat.stream) {
    const body = form.whole(await collectAnswer(events, identity));
    const headers = { 'server-timing': stopwatch.header() };
    return typeof body === 'string' ? textResponse(body, { headers }) : jsonResponse(body, { headers });
  }
  // A failure within the grace keeps its real HTTP status; later ones can only be told in-band.
  await orTimeout(answer, STREAM_GRACE_MS);
  const stream = relayAnswer(events, {
    identity,
    includeUsage: chat.includeUsage,
    writer: form.stream(identity),
    stop,
    signal,
    onEnd: (end, bytesOut) => record.close(end, bytesOut),
  });
  return new Response(stream, { headers: { ...SSE_HEADERS, 'server-timing': stopwatch.header() } });
}

/** The runtime and the patch embedding load while the body is still arriving. Who needs them sees a failure again. */
export function startLoading({ config, embedder }: Deps, { waitUntil }: RequestContext): void {
  if (config.upstream.wire === 'image_embeds') {
    waitUntil(embedder.warm().catch(() => undefined));
  }
}

/** One image after another: the peak is that of the largest photo, not of their sum. */
async function prepareImages(chat: ChatRequest, deps: Deps, context: ImageContext): Promise<PreparedImage[]> {
  const images: PreparedImage[] = [];
  for (const [m, { content }] of chat.messages.entries()) {
    for (const [p, part] of content.entries()) {
      if (part.type === 'image_url') {
        images.push(await prepareImage(part.url, `${partPath(m, p)}.image_url.url`, deps, context));
      }
    }
  }
  return images;
}

async function visionOf(images: PreparedImage[], { bundle }: Deps): Promise<string | null> {
  const embedded = images.some((image) => image.part === 'image_embeds');
  return embedded ? (await bundle.manifest()).vision.sha256 : null;
}

async function* readWhenOpen(
  answer: Promise<ReadableStream<Uint8Array<ArrayBuffer>>>,
  imageTokens: number,
  record: RequestRecord,
): AsyncGenerator<AnswerEvent, void> {
  for await (const event of readAnswer(await answer, imageTokens)) {
    record.saw(event);
    yield event;
  }
}
