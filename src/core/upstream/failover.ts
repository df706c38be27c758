import { RETRY_BACKOFF_MS } from '../limits.ts';
import type { Failure } from '../protocol/failure.ts';
import { type Attempt, type AttemptEnd, isRunning, type Plan, type Run } from './attempt.ts';
import { type Candidate, choose } from './choice.ts';
import { type Circuit, onAccepted, onCall, onDropped, onFault, onFirst, onWhole } from './circuit.ts';
import { type Fault, faultOf } from './fault.ts';
import { canRetry, circuitOf, earnRetries, type Fleet, payRetry, withCircuit } from './fleet.ts';
import { nextCall } from './next-call.ts';

/**
 * One request among several upstreams, as a state machine: what has happened goes in, what is to be done comes out. Until
 * a request is bound to an attempt, a failed attempt is followed by another; from then on its failure is the client's.
 *
 * A request is billed once: every attempt but the one it is bound to is cancelled before that one is given, so that no
 * second answer runs to its end (see docs/upstreams.md).
 */
export type RunEvent =
  /** Headers with status 200. */
  | { kind: 'accepted'; attempt: number }
  /** The first piece of an answer. */
  | { kind: 'first'; attempt: number }
  /** The proven end of an answer. */
  | { kind: 'whole'; attempt: number }
  | { kind: 'failed'; attempt: number; fault: Fault }
  /** The time of {@link Step.wakeAt} has come. */
  | { kind: 'wake' }
  | { kind: 'client-left' };

export type Command<C extends Candidate> =
  | { kind: 'call'; attempt: number; candidate: C }
  | { kind: 'cancel'; attempt: number }
  /** The client gets this attempt's answer. */
  | { kind: 'give'; attempt: number }
  /** The client gets an error; the attempt is the one whose failure it is. */
  | { kind: 'refuse'; attempt: number | null; failure: Failure };

export interface Step<C extends Candidate> {
  run: Run<C>;
  fleet: Fleet;
  commands: readonly Command<C>[];
  /** When to send `wake`, replacing any earlier time; null: not at all. */
  wakeAt: number | null;
}

/** Milliseconds on a clock that never goes back, and random numbers from 0 to 1. */
export interface Surroundings {
  now: number;
  random: () => number;
}

type State<C extends Candidate> = Omit<Step<C>, 'wakeAt'>;

export function begin<C extends Candidate>(plan: Plan<C>, fleet: Fleet, around: Surroundings): Step<C> {
  const run: Run<C> = {
    plan,
    startedAt: around.now,
    attempts: [],
    bound: null,
    over: false,
    hedged: false,
    retries: 0,
    waitUntil: null,
  };
  return toStep(advance({ run, fleet: earnRetries(fleet), commands: [] }, around));
}

export function step<C extends Candidate>(run: Run<C>, fleet: Fleet, event: RunEvent, around: Surroundings): Step<C> {
  return toStep(advance(react({ run, fleet, commands: [] }, event, around), around));
}

function react<C extends Candidate>(state: State<C>, event: RunEvent, around: Surroundings): State<C> {
  if (event.kind === 'client-left') {
    return over(dropOthers(state, null));
  }
  if (event.kind === 'wake') {
    return expire(state, around);
  }
  const { attempt } = event;
  const found = state.run.attempts[attempt];
  if (found === undefined || !isRunning(found)) {
    // It was cancelled, and what it did in the meantime has no meaning any more.
    return state;
  }
  switch (event.kind) {
    case 'accepted':
      return move(state, attempt, found.end, onAccepted);
    case 'first': {
      const answering = move(state, attempt, { kind: 'answering' }, (circuit, isProbe) =>
        onFirst(circuit, isProbe, around.now),
      );
      const leading = dropOthers(answering, attempt);
      return state.run.plan.bindsAt === 'first' ? bind(leading, attempt) : leading;
    }
    case 'whole': {
      const whole = dropOthers(move(state, attempt, { kind: 'whole' }, onWhole), attempt);
      return over(state.run.bound === null ? bind(whole, attempt) : whole);
    }
    case 'failed':
      return fail(state, attempt, event.fault, around);
  }
}

/** Calls, waits or refuses, where nothing is running and nothing is decided. */
function advance<C extends Candidate>(state: State<C>, { now, random }: Surroundings): State<C> {
  const { run, fleet } = state;
  if (run.over || run.bound !== null || run.attempts.some(isRunning)) {
    return state;
  }
  const next = nextCall(run, fleet, now, random());
  switch (next.kind) {
    case 'call':
      return call(next.isRetry ? countRetry(state) : state, next.candidate, now);
    case 'wait':
      return { ...state, run: { ...run, waitUntil: next.until } };
    case 'refuse':
      return over({ ...state, commands: [...state.commands, next] });
  }
}

function call<C extends Candidate>({ run, fleet, commands }: State<C>, candidate: C, now: number): State<C> {
  const { circuit, isProbe } = onCall(circuitOf(fleet, candidate.name), now);
  const attempt: Attempt<C> = { candidate, startedAt: now, isProbe, end: { kind: 'asked' } };
  return {
    run: { ...run, attempts: [...run.attempts, attempt], waitUntil: null },
    fleet: withCircuit(fleet, candidate.name, circuit),
    commands: [...commands, { kind: 'call', attempt: run.attempts.length, candidate }],
  };
}

function countRetry<C extends Candidate>({ run, fleet, commands }: State<C>): State<C> {
  return { run: { ...run, retries: run.retries + 1 }, fleet: payRetry(fleet), commands };
}

function fail<C extends Candidate>(state: State<C>, attempt: number, fault: Fault, around: Surroundings): State<C> {
  const { now, random } = around;
  const { run } = state;
  // Full jitter: whoever failed together does not come back together.
  const againAt = now + random() * RETRY_BACKOFF_MS * 2 ** run.retries;
  const isKnown = hasFailedBefore(run, attempt);
  const failed = move(state, attempt, { kind: 'failed', fault, againAt }, (circuit, isProbe) =>
    isKnown && !isProbe ? circuit : onFault(circuit, isProbe, fault, now, random()),
  );
  if (run.bound === attempt) {
    return over(failed);
  }
  if (fault.kind === 'request') {
    const alone = dropOthers(failed, null);
    return over({ ...alone, commands: [...alone.commands, { kind: 'refuse', attempt, failure: fault.failure }] });
  }
  return failed;
}

/** One request that makes a server fail each time it is tried must not open the circuit for all the others. */
function hasFailedBefore({ attempts }: Run, attempt: number): boolean {
  const name = attempts[attempt]?.candidate.name;
  return attempts.some(({ candidate, end }) => {
    return candidate.name === name && end.kind === 'failed' && end.fault.kind === 'failing';
  });
}

/** Ends attempts whose first piece is overdue, and asks a second upstream when the first has been silent for long. */
function expire<C extends Candidate>(state: State<C>, around: Surroundings): State<C> {
  const { now } = around;
  let next = state;
  for (const [i, { candidate, startedAt, end }] of state.run.attempts.entries()) {
    if (end.kind === 'asked' && now >= startedAt + candidate.firstByteMs) {
      const message = `The model server sent nothing for ${candidate.firstByteMs} ms`;
      const failed = fail(next, i, faultOf({ kind: 'upstream-timeout', message }), around);
      next = { ...failed, commands: [...failed.commands, { kind: 'cancel', attempt: i }] };
    }
  }
  const at = hedgeAt(next.run);
  return at !== null && now >= at ? hedge(next, around) : next;
}

function hedge<C extends Candidate>(state: State<C>, { now, random }: Surroundings): State<C> {
  const { run, fleet } = state;
  const { chain, place } = run.plan;
  const called = new Set(run.attempts.map(({ candidate }) => candidate.name));
  const same = chain.find((candidates) => candidates.some(({ name }) => called.has(name))) ?? [];
  const others = same.filter(({ name }) => !called.has(name));
  const candidate = canRetry(fleet) ? choose(others, { place, fleet, now, random: random() }) : null;
  const hedged = { ...state, run: { ...run, hedged: true } };
  return candidate === null ? hedged : call({ ...hedged, fleet: payRetry(fleet) }, candidate, now);
}

function hedgeAt({ plan, attempts, hedged }: Run): number | null {
  const running = attempts.filter(isRunning);
  const [alone] = running;
  return plan.hedgeAfterMs !== null && !hedged && running.length === 1 && alone?.end.kind === 'asked'
    ? alone.startedAt + plan.hedgeAfterMs
    : null;
}

function bind<C extends Candidate>(state: State<C>, attempt: number): State<C> {
  return {
    ...state,
    run: { ...state.run, bound: attempt },
    commands: [...state.commands, { kind: 'give', attempt }],
  };
}

function over<C extends Candidate>(state: State<C>): State<C> {
  return { ...state, run: { ...state.run, over: true, waitUntil: null } };
}

/** Cancels what is running beside one attempt. */
function dropOthers<C extends Candidate>(state: State<C>, attempt: number | null): State<C> {
  return state.run.attempts.reduce((next, other, i) => {
    if (i === attempt || !isRunning(other)) {
      return next;
    }
    const dropped = move(next, i, { kind: 'dropped' }, onDropped);
    return { ...dropped, commands: [...dropped.commands, { kind: 'cancel' as const, attempt: i }] };
  }, state);
}

/** Brings one attempt and the circuit of its upstream on. */
function move<C extends Candidate>(
  { run, fleet, commands }: State<C>,
  attempt: number,
  end: AttemptEnd,
  onCircuit: (circuit: Circuit, isProbe: boolean) => Circuit,
): State<C> {
  const before = run.attempts[attempt];
  if (before === undefined) {
    throw new Error(`no attempt ${attempt}`);
  }
  const { name } = before.candidate;
  const circuit = onCircuit(circuitOf(fleet, name), before.isProbe);
  // A probe that has closed its circuit is one request among others.
  const isProbe = before.isProbe && circuit.state !== 'closed';
  const attempts = run.attempts.with(attempt, { ...before, isProbe, end });
  return { run: { ...run, attempts }, fleet: withCircuit(fleet, name, circuit), commands };
}

function toStep<C extends Candidate>(state: State<C>): Step<C> {
  return { ...state, wakeAt: wakeAt(state.run) };
}

function wakeAt(run: Run): number | null {
  if (run.over || run.bound !== null) {
    return null;
  }
  const deadlines = run.attempts.flatMap(({ candidate, startedAt, end }) =>
    end.kind === 'asked' ? [startedAt + candidate.firstByteMs] : [],
  );
  const times = [...deadlines, hedgeAt(run), run.waitUntil].filter((time) => time !== null);
  return times.length === 0 ? null : Math.min(...times);
}
