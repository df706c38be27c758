import { COALESCE_PATIENCE_MS, COALESCE_POLL_MS } from '../../src/core/limits.ts';
import type { ChatRequest } from '../../src/core/protocol/chat-request.ts';
import { RequestError } from '../../src/core/protocol/failure.ts';
import type { PreparedImage } from '../prepared-image.ts';
import type { RequestContext } from '../request-context.ts';
import type { Begun } from './answer-register.ts';
import type { Tenant } from './identify-tenant.ts';
import { makeKept, readKept } from './kept-answer.ts';
import { sha256Hex } from './new-key.ts';
import type { Reply } from './reply.ts';
import type { Tenancy } from './tenancy.ts';

/** A request with `use` opts in; the answer says `hit`, `miss`, or `bypass` where it may come out differently each time. */
export const CACHE_HEADER = 'x-vora-cache';

export interface CacheQuestion {
  chat: ChatRequest;
  /** Of the model server: the model, or the adapter by its hash. */
  upstreamModel: string;
  /** As the model server would be sent them. */
  images: readonly PreparedImage[];
  /** Route, query and form of the answer. */
  form: string;
}

export interface CacheSeams {
  tenancy: Pick<Tenancy, 'data'>;
  tenant: Tenant;
  context: RequestContext;
  newId: () => string;
  /** Milliseconds; never goes back. */
  now: () => number;
}

/** Whether the client wants an exact answer that was given before. */
export function wantsCache({ headers }: Pick<RequestContext, 'headers'>): boolean {
  return headers.get(CACHE_HEADER) === 'use';
}

/**
 * Answers from the tenant's own cache, or answers and keeps. The same question while it is being answered waits for that
 * answer. A hit calls no model server and costs nothing.
 */
export async function answerCached(
  question: CacheQuestion,
  { tenancy, tenant, context, newId, now }: CacheSeams,
  answer: () => Promise<Response>,
): Promise<Response> {
  const { chat } = question;
  if (chat.temperature !== 0 && chat.seed === undefined) {
    context.header(CACHE_HEADER, 'bypass');
    return answer();
  }
  const hash = await questionHash(question);
  // No client's idempotency key has a space.
  const asked = { key: `cache ${hash}`, hash };
  const begun = await begin(() => tenant.stub.beginAnswer(asked, newId()), now);
  if (begun === null) {
    context.header(CACHE_HEADER, 'miss');
    return answer();
  }
  const place = { tenancy, tenant, key: asked.key, name: begun.name };
  const kept = begun.state === 'done' ? await readKept(place, context.record) : null;
  context.header(CACHE_HEADER, kept === null ? 'miss' : 'hit');
  return kept ?? makeKept(place, context.waitUntil, answer);
}

/** Waits while the same question is being answered; null when that takes too long. */
async function begin(ask: () => Promise<Reply<Begun>>, now: () => number): Promise<Begun | null> {
  const deadline = now() + COALESCE_PATIENCE_MS;
  for (;;) {
    const begun = await ask();
    if (begun.ok) {
      return begun.value;
    }
    if (begun.failure.kind !== 'in-progress') {
      throw new RequestError(begun.failure);
    }
    if (now() >= deadline) {
      return null;
    }
    await scheduler.wait(COALESCE_POLL_MS);
  }
}

/** Pixels instead of URLs: the same picture from elsewhere is the same question, another under the same URL is not. */
async function questionHash({ chat, upstreamModel, images, form }: CacheQuestion): Promise<string> {
  const pixels: string[] = [];
  for (const { part, payload } of images) {
    // The same bytes come in several pieces when they are made, and in one when they were kept.
    const bytes = new Uint8Array(await new Blob(payload).arrayBuffer());
    pixels.push(`${part} ${await sha256Hex(bytes)}`);
  }
  const rest = pixels.values();
  const messages = chat.messages.map((message) => ({
    ...message,
    content: message.content.map((part) => (part.type === 'text' ? part : { ...part, url: rest.next().value ?? null })),
  }));
  const logitBias = [...(chat.logitBias ?? [])].sort(([a], [b]) => a - b);
  return sha256Hex(JSON.stringify([form, upstreamModel, { ...chat, messages, logitBias }]));
}
