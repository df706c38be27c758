import { RETRY_PATIENCE_MS, UPSTREAM_ATTEMPTS_MAX, UPSTREAM_RETRIES_MAX } from '../limits.ts';
import type { Failure } from '../protocol/failure.ts';
import type { Attempt, Run } from './attempt.ts';
import { type Candidate, choose } from './choice.ts';
import { standing } from './circuit.ts';
import { canRetry, circuitOf, type Fleet } from './fleet.ts';

/** What a request does while none of its attempts is running. */
export type Next<C extends Candidate> =
  | { kind: 'call'; candidate: C; isRetry: boolean }
  | { kind: 'wait'; until: number }
  /** @property attempt whose failure it is; null where none was made. */
  | { kind: 'refuse'; attempt: number | null; failure: Failure };

/**
 * In this order: an upstream of the model that has not failed this request and stands ready; the same for each model to
 * fall back on; then whatever can be called soonest (an upstream that is open but may be tried as the last resort, the
 * same one again, one that rests or starts), if that is within the request's patience.
 */
export function nextCall<C extends Candidate>(run: Run<C>, fleet: Fleet, now: number, random: number): Next<C> {
  const { place, chain } = run.plan;
  const failed = new Map(run.attempts.flatMap((attempt) => failedAttempt(attempt)));
  if (callsMade(run) < UPSTREAM_ATTEMPTS_MAX) {
    for (const candidates of chain) {
      const fresh = candidates.filter(({ name }) => !failed.has(name));
      const candidate = choose(fresh, { place, fleet, now, random });
      if (candidate !== null) {
        return { kind: 'call', candidate, isRetry: false };
      }
    }
  }
  const later = chain.flat().flatMap((candidate) => {
    const last = failed.get(candidate.name);
    const at = last === undefined ? freshAt(candidate, run, fleet, now) : againAt(candidate, last, run, fleet, now);
    return at === null || at > Math.max(now, patienceEnd(candidate, run, fleet, now)) ? [] : [{ candidate, at, last }];
  });
  const soonest = later.toSorted((a, b) => a.at - b.at)[0];
  if (soonest === undefined) {
    return refusal(run, fleet, now);
  }
  if (soonest.at > now) {
    return { kind: 'wait', until: soonest.at };
  }
  const isRetry = soonest.last !== undefined && !isStarting(soonest.candidate, soonest.last);
  return { kind: 'call', candidate: soonest.candidate, isRetry };
}

type Failed = Extract<Attempt['end'], { kind: 'failed' }>;

function failedAttempt({ candidate, end }: Attempt): [string, Failed][] {
  return end.kind === 'failed' ? [[candidate.name, end]] : [];
}

/** Polls of an upstream that starts from zero are not counted: their end is the time it may take. */
function callsMade({ attempts }: Run): number {
  return attempts.filter(({ candidate, end }) => end.kind !== 'failed' || !isStarting(candidate, end)).length;
}

function isStarting({ coldStartMs }: Candidate, { fault }: Failed): boolean {
  return coldStartMs > 0 && fault.kind === 'busy';
}

/** A probe has its outcome when its first piece is due at the latest, and those who wait for it would fare no better. */
function patienceEnd(candidate: Candidate, { startedAt, plan }: Run, fleet: Fleet, now: number): number {
  const { coldStartMs, firstByteMs, name } = candidate;
  const isProbed = standing(circuitOf(fleet, name), now).kind === 'probed';
  return startedAt + Math.min(Math.max(RETRY_PATIENCE_MS, coldStartMs, isProbed ? firstByteMs : 0), plan.patienceMs);
}

/** When an upstream that has not failed this request can be called, or null. */
function freshAt({ name }: Candidate, run: Run, fleet: Fleet, now: number): number | null {
  return callsMade(run) < UPSTREAM_ATTEMPTS_MAX ? openAt(name, fleet, now) : null;
}

/** When one that has failed this request can be called again, or null. */
function againAt(candidate: Candidate, last: Failed, run: Run, fleet: Fleet, now: number): number | null {
  if (isStarting(candidate, last)) {
    return openAt(candidate.name, fleet, now);
  }
  const { fault } = last;
  const mayRepeat = fault.kind === 'busy' || (fault.kind === 'failing' && fault.again);
  const mayRetry = run.retries < UPSTREAM_RETRIES_MAX && callsMade(run) < UPSTREAM_ATTEMPTS_MAX && canRetry(fleet);
  if (!mayRepeat || !mayRetry || circuitOf(fleet, candidate.name).state === 'open') {
    return null;
  }
  return Math.max(last.againAt, openAt(candidate.name, fleet, now));
}

function openAt(name: string, fleet: Fleet, now: number): number {
  const stands = standing(circuitOf(fleet, name), now);
  return 'until' in stands ? stands.until : now;
}

/** Who is told to come back can do something about it, so the upstream that is merely busy speaks first. */
function refusal(run: Run, fleet: Fleet, now: number): Extract<Next<Candidate>, { kind: 'refuse' }> {
  const failures = run.attempts.flatMap(({ end }, attempt) =>
    end.kind === 'failed' ? [{ kind: 'refuse' as const, attempt, failure: end.fault.failure, of: end.fault.kind }] : [],
  );
  const told = failures.findLast(({ of }) => of === 'busy') ?? failures.at(-1);
  if (told !== undefined) {
    return { kind: 'refuse', attempt: told.attempt, failure: told.failure };
  }
  const opens = Math.min(...run.plan.chain.flat().map(({ name }) => openAt(name, fleet, now)));
  const retryAfterSeconds = Math.max(1, Math.ceil((opens - now) / 1000));
  return { kind: 'refuse', attempt: null, failure: { kind: 'upstream-unavailable', retryAfterSeconds } };
}
