import type { ChatRequest } from '../src/core/protocol/chat-request.ts';
import type { ChatCompletion, ResponseIdentity } from '../src/core/protocol/chat-response.ts';
import type { Plan } from '../src/core/upstream/attempt.ts';
import type { WireReport } from '../src/core/upstream/wire-header.ts';
import type { Place } from '../src/core/upstream/region.ts';
import { type AttemptHooks, callUpstreams, type UpstreamRun } from './call-upstreams.ts';
import { collectAnswer } from './collect-answer.ts';
import type { Deps } from './deps.ts';
import { type RequestImages, type ShownImages, wireReport } from './request-images.ts';
import { emptyTally, type Ledger, ledgerOf, type Tally } from './ledger.ts';
import type { AnswerEvent } from './upstream-answer.ts';
import { askUpstream } from './upstream-attempt.ts';
import type { Upstream } from './upstream-config.ts';

/** A valid request, and all that answering it takes. */
export interface Question {
  chat: ChatRequest;
  /** Who may answer: see model-chain.ts. */
  chain: readonly (readonly Upstream[])[];
  images: RequestImages;
  /** For servers that keep what they read: whose prompts it may share that with. */
  cacheSalt: string | null;
  place: Place;
  /** How long the client waits for an upstream that starts from zero. */
  patienceMs: number;
  requestId: string;
  /** Its `model` is set to the one that answers, before the first piece of the answer. */
  identity: ResponseIdentity;
  /** Aborted when the client leaves. */
  signal: AbortSignal;
  /** Keeps work alive that other requests share, though this one's client may leave. */
  waitUntil: (work: Promise<unknown>) => void;
}

/** A question on its way. */
export interface ModelRun<Answer> extends UpstreamRun<Answer> {
  /** What it has cost so far; final when the run is over. */
  ledger: () => Ledger;
  /** How images went to the upstream that was called last; null before any was. */
  shown: () => WireReport | null;
}

/** The answer for a client that streams; bound to an upstream at its first piece. */
export function askForStream(deps: Deps, question: Question): ModelRun<AsyncGenerator<AnswerEvent, void>> {
  return ask(deps, question, 'first', async (events, upstream, hooks) => {
    const first = await events.next();
    hooks.happened('first');
    question.identity.model = upstream.serves;
    // It is this upstream's to answer from here on.
    question.images.release();
    return passOn(first, events, hooks);
  });
}

/** The answer for a client that does not: until it is whole, another upstream can still take over. */
export function askForWhole(deps: Deps, question: Question): ModelRun<ChatCompletion> {
  return ask(deps, question, 'whole', async (events, upstream, hooks) => {
    const first = await events.next();
    hooks.happened('first');
    const identity = { ...question.identity, model: upstream.serves };
    return collectAnswer(passOn(first, events, hooks), identity, { logprobs: question.chat.topLogprobs !== undefined });
  });
}

function ask<Answer>(
  deps: Deps,
  question: Question,
  bindsAt: Plan['bindsAt'],
  read: (events: AsyncGenerator<AnswerEvent, void>, upstream: Upstream, hooks: AttemptHooks) => Promise<Answer>,
): ModelRun<Answer> {
  const { chat, chain, images, cacheSalt, place, patienceMs, requestId, identity, signal, waitUntil } = question;
  const plan: Plan<Upstream> = { chain, place, patienceMs, bindsAt, hedgeAfterMs: deps.config.hedgeAfterMs };
  const tallies: Tally[] = [];
  let shown: WireReport | null = null;
  const run = callUpstreams(
    plan,
    (upstream, hooks) => {
      const tally = emptyTally();
      tallies.push(tally);
      const onAccepted = () => hooks.happened('accepted');
      const { signal: stopped } = hooks;
      const request = {
        chat,
        images,
        cacheSalt,
        requestId,
        responseId: identity.id,
        signal: stopped,
        waitUntil,
        tally,
        onAccepted,
        onShown: (images: ShownImages) => {
          shown = wireReport(images);
        },
      };
      return read(askUpstream(deps, upstream, request), upstream, hooks);
    },
    deps,
    signal,
  );
  return { ...run, ledger: () => ledgerOf(run.state(), tallies), shown: () => shown };
}

/** The same events, from one that was taken already; the attempt hears of its end. */
async function* passOn(
  first: IteratorResult<AnswerEvent, void>,
  events: AsyncGenerator<AnswerEvent, void>,
  hooks: AttemptHooks,
): AsyncGenerator<AnswerEvent, void> {
  try {
    for (let result = first; result.done !== true; result = await events.next()) {
      if (result.value.kind === 'end') {
        hooks.happened('whole');
      }
      yield result.value;
    }
  } catch (error) {
    hooks.failed(error);
    throw error;
  }
}
