import {
  IMAGE_EMBEDDINGS_MAX_BYTES,
  SELF_TEST_ANSWER_TOKENS,
  SELF_TEST_PROOF_MS,
  SELF_TEST_RETRY_MS,
  SELF_TEST_TIMEOUT_MS,
} from '../src/core/limits.ts';
import { encodeBase64 } from '../src/core/bytes/base64.ts';
import type { Rgb } from '../src/core/image/rgb.ts';
import type { ChatRequest } from '../src/core/protocol/chat-request.ts';
import { serverFields } from '../src/core/upstream/capability.ts';
import { chooseWire } from '../src/core/upstream/wire-choice.ts';
import { judgeSight, type KnownSight, type Look, type SightReport } from '../src/core/upstream/sight.ts';
import type { Deps } from './deps.ts';
import { encodePng } from '../src/core/image/encode-png.ts';
import { NOTHING_ENCLOSED } from './enclosed-files.ts';
import { failureOf } from './error-response.ts';
import { sightOfModel } from './named-bundles.ts';
import { ALWAYS_ROOM, prepareImage } from './prepare-image.ts';
import type { PreparedImage } from './prepared-image.ts';
import { startStopwatch } from './stopwatch.ts';
import { TEST_PICTURES } from './test-pictures.ts';
import { noUploads } from './uploads.ts';
import { callUpstream } from './upstream.ts';
import { readAnswer } from './upstream-answer.ts';
import { upstreamBody } from './upstream-body.ts';
import { broke } from './upstream-chunk.ts';
import type { Upstream } from './upstream-config.ts';
import { visionOf } from './vision-header.ts';

const QUESTION = 'Describe the picture.';
/** One for each token, and room for a server that cuts them up. */
const PIECES_MAX = 4 * SELF_TEST_ANSWER_TOKENS;

type TestDeps = Pick<
  Deps,
  'bundle' | 'embedder' | 'fetch' | 'namedBundle' | 'newId' | 'now' | 'rooms' | 'trace' | 'unixSeconds'
>;

/**
 * Whether the images that are sent to an upstream reach its model, as far as this isolate knows; found out first where it
 * does not, or not any more.
 *
 * Four short answers at temperature 0 (see sight.ts), by the same code and over the same way as any request. A proof
 * holds for an hour, anything else for a minute. Never rejects: who cannot be asked is not proven.
 *
 * @param waitUntil the test is shared by requests, and must outlive the one that began it.
 */
export async function sightOf(
  deps: TestDeps & Pick<Deps, 'sights'>,
  upstream: Upstream,
  waitUntil: (work: Promise<unknown>) => void,
): Promise<SightReport> {
  const { sights, now } = deps;
  const known = sights.get(upstream.name);
  if (known !== undefined && now() < known.until) {
    return known.report;
  }
  const report = testSight(deps, upstream).catch((error: unknown) => notAsked(error));
  // Should the runtime drop the test with its request, it is made again all the same.
  const entry = { report, until: now() + 4 * SELF_TEST_TIMEOUT_MS };
  sights.set(upstream.name, entry);
  waitUntil(keepFor(entry, now));
  return report;
}

async function keepFor(entry: KnownSight, now: () => number): Promise<void> {
  const { sight } = await entry.report;
  entry.until = now() + (sight === 'seen' ? SELF_TEST_PROOF_MS : SELF_TEST_RETRY_MS);
}

async function testSight(deps: TestDeps, upstream: Upstream): Promise<SightReport> {
  const [one, other] = TEST_PICTURES;
  let logprobs = upstream.can.has('logprobs');
  const none = await ask(deps, upstream, null, logprobs).catch((error: unknown) => {
    // Most servers that speak the protocol refuse logprobs or drop them, and nobody declares everything that a server lacks.
    if (!logprobs || !['invalid-request', 'upstream-broke'].includes(failureOf(error).kind)) {
      throw error;
    }
    logprobs = false;
    return ask(deps, upstream, null, logprobs);
  });
  const first = await ask(deps, upstream, one, logprobs);
  const again = await ask(deps, upstream, one, logprobs);
  const second = await ask(deps, upstream, other, logprobs);
  return judgeSight({ none: none.look, first: first.look, again: again.look, second: second.look }, first.imageTokens);
}

async function ask(
  deps: TestDeps,
  upstream: Upstream,
  picture: Rgb | null,
  logprobs: boolean,
): Promise<{ look: Look; imageTokens: number }> {
  const signal = AbortSignal.timeout(SELF_TEST_TIMEOUT_MS);
  const url = picture === null ? null : await dataUrl(picture);
  const context = {
    wire: chooseWire(upstream, null).wire,
    stopwatch: startStopwatch(deps.now, deps.trace),
    signal,
    enclosed: NOTHING_ENCLOSED,
    uploads: noUploads,
    reuse: null,
    room: IMAGE_EMBEDDINGS_MAX_BYTES,
    made: ALWAYS_ROOM,
    seen: null,
  };
  const sight = sightOfModel(deps, upstream);
  const asked = url === null ? [] : [{ url, detail: 'auto' as const, param: 'the self-test' }];
  const images = await Promise.all(
    asked.map((image) =>
      prepareImage(image, { ...sight, fetch: deps.fetch, convert: null, rooms: deps.rooms }, context),
    ),
  );
  const more = { ...serverFields(upstream), ...(logprobs ? { logprobs: true, top_logprobs: 1 } : {}) };
  const body = await callUpstream(deps, {
    upstream,
    body: upstreamBody(question(url), upstream.model, images, deps.newId(), more),
    visionSha256: await visionOf(images, sight),
    requestId: `self-test-${deps.newId()}`,
    signal,
  });
  return { look: await readLook(body, logprobs), imageTokens: tokensOf(images) };
}

function question(url: string | null): ChatRequest {
  const image = url === null ? [] : [{ type: 'image_url' as const, url, detail: 'auto' as const }];
  return {
    model: '',
    messages: [{ role: 'user', content: [...image, { type: 'text', text: QUESTION }] }],
    stream: true,
    includeUsage: true,
    maxTokens: SELF_TEST_ANSWER_TOKENS,
    temperature: 0,
    stop: [],
  };
}

/** @throws RequestError `upstream-broke` for an answer without an end: half of one differs from the whole, and proves nothing. */
async function readLook(body: ReadableStream<Uint8Array<ArrayBuffer>>, logprobs: boolean): Promise<Look> {
  const listed: number[] = [];
  let text = '';
  let pieces = 0;
  // What the counts mean is judged over all answers.
  for await (const event of readAnswer(body, { imageTokens: 0, usage: false, choices: 1, logprobs, tools: false })) {
    if (event.kind === 'end') {
      return { promptTokens: event.usage?.promptTokens ?? null, text, logprobs: listed };
    }
    if (pieces++ > PIECES_MAX) {
      break;
    }
    text += 'text' in event ? event.text : '';
    listed.push(...event.logprobs.map(({ logprob }) => logprob));
  }
  throw broke('The answer was cut off before its end');
}

function tokensOf(images: readonly PreparedImage[]): number {
  return images.reduce((sum, { tokens }) => sum + tokens, 0);
}

async function dataUrl(picture: Rgb): Promise<string> {
  return `data:image/png;base64,${new TextDecoder().decode(encodeBase64(await encodePng(picture)))}`;
}

function notAsked(error: unknown): SightReport {
  return { sight: 'unproven', why: `it could not be asked: ${error instanceof Error ? error.message : 'unknown'}` };
}
