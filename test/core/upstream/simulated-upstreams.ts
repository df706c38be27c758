import type { Plan, Run } from '../../../src/core/upstream/attempt.ts';
import type { Candidate } from '../../../src/core/upstream/choice.ts';
import { begin, type RunEvent, type Step, step } from '../../../src/core/upstream/failover.ts';
import { type Fleet, NEW_FLEET } from '../../../src/core/upstream/fleet.ts';
import { faultOf } from '../../../src/core/upstream/fault.ts';
import type { Failure } from '../../../src/core/protocol/failure.ts';

/** What a broken upstream does. */
export const FAULTS = [
  'refuse',
  '5xx',
  'slow headers',
  'stall',
  'cut mid-token',
  'reset',
  'malformed JSON',
  'missing finish',
] as const;
export type FaultName = (typeof FAULTS)[number];

/** When an upstream is broken, and how. */
export interface Outage {
  upstream: string;
  from: number;
  to: number;
  fault: FaultName;
}

export interface SimulatedRequest {
  at: number;
  plan: Plan;
  /** When its client leaves, or never. */
  leavesAt: number | null;
}

/** A call as the upstream saw it. */
export interface Call {
  request: number;
  attempt: number;
  upstream: string;
  startedAt: number;
  /** Silent after its first piece. */
  isStalled: boolean;
  /** When its first piece came, or null. */
  begunAt: number | null;
  /** Pieces of an answer that it gave out until it ended; a token each. */
  pieces: number;
  /** Null while it runs. */
  end: { at: number; how: CallEnd } | null;
}

/** A call is `overdue` when it was cancelled because its first piece did not come in time. */
type CallEnd = 'whole' | 'failed' | 'overdue' | 'cancelled';

export interface Told {
  at: number;
  how: 'given' | 'refused';
  attempt: number | null;
}

export interface Play {
  calls: Call[];
  /** What each request's client was told. */
  told: (Told | null)[];
  /** Each request at its end. */
  runs: Run[];
  fleet: Fleet;
  endedAt: number;
}

/** Silence in the middle of an answer that counts as a failure; the worker's part, not the machine's. */
const IDLE_MS = 60_000;
/** Between two pieces of an answer. */
const PIECE_MS = 100;
/** An upstream that only delays its headers answers in the end, to whoever has not hung up. */
const SLOW_MS = 3_600_000;

/** Plays requests against upstreams that break and recover, on a clock that jumps from event to event. */
export function play(requests: SimulatedRequest[], outages: Outage[], random: () => number): Play {
  const events: { at: number; order: number; run: () => void }[] = [];
  const calls: Call[] = [];
  const told: Play['told'] = requests.map(() => null);
  const wakeTurns = requests.map(() => 0);
  const runs: (Run | undefined)[] = requests.map(() => undefined);
  let fleet = NEW_FLEET;
  let now = 0;
  let order = 0;

  function later(ms: number, run: () => void): void {
    events.push({ at: now + ms, order: order++, run });
  }

  function apply(request: number, taken: Step<Candidate>): void {
    runs[request] = taken.run;
    fleet = taken.fleet;
    for (const command of taken.commands) {
      switch (command.kind) {
        case 'call':
          answer(request, command.attempt, command.candidate.name);
          break;
        case 'cancel':
          cancel(request, command.attempt);
          break;
        case 'give':
          told[request] = { at: now, how: 'given', attempt: command.attempt };
          break;
        case 'refuse':
          told[request] = { at: now, how: 'refused', attempt: command.attempt };
      }
    }
    const turn = (wakeTurns[request] = (wakeTurns[request] ?? 0) + 1);
    if (taken.wakeAt !== null) {
      later(Math.max(0, taken.wakeAt - now), () => {
        if (wakeTurns[request] === turn) {
          send(request, { kind: 'wake' });
        }
      });
    }
  }

  function send(request: number, event: RunEvent): void {
    const run = runs[request];
    if (run !== undefined) {
      apply(request, step(run, fleet, event, { now, random }));
    }
  }

  function find(request: number, attempt: number): Call | undefined {
    return calls.find((call) => call.request === request && call.attempt === attempt);
  }

  function cancel(request: number, attempt: number): void {
    const { startedAt = now, begunAt = now } = find(request, attempt) ?? {};
    const { firstByteMs = Infinity } = runs[request]?.attempts[attempt]?.candidate ?? {};
    end(request, attempt, begunAt === null && now - startedAt >= firstByteMs ? 'overdue' : 'cancelled');
  }

  function end(request: number, attempt: number, how: CallEnd): boolean {
    const call = find(request, attempt);
    if (call === undefined || call.end !== null) {
      return false;
    }
    call.end = { at: now, how };
    if (call.begunAt !== null) {
      call.pieces = 1 + (call.isStalled ? 0 : Math.floor((now - call.begunAt) / PIECE_MS));
    }
    return true;
  }

  /** The upstream's side of a call. */
  function answer(request: number, attempt: number, upstream: string): void {
    const outage = outages.find(({ upstream: name, from, to }) => name === upstream && from <= now && now < to);
    const isStalled = outage?.fault === 'stall';
    const call: Call = { request, attempt, upstream, startedAt: now, isStalled, begunAt: null, pieces: 0, end: null };
    calls.push(call);
    const delay = () => 1 + random() * 200;
    const fail = (failure: Failure) => {
      if (end(request, attempt, 'failed')) {
        send(request, { kind: 'failed', attempt, fault: faultOf(failure) });
      }
    };
    const say = (kind: 'accepted' | 'first') => {
      if (call.end === null) {
        call.begunAt ??= kind === 'first' ? now : null;
        send(request, { kind, attempt });
      }
    };
    const finish = () => {
      if (end(request, attempt, 'whole')) {
        send(request, { kind: 'whole', attempt });
      }
    };
    const acceptedAt = delay();
    const firstAt = acceptedAt + delay() * 5;
    const wholeAt = firstAt + delay() * 50;
    const beforeFirst = random() < 0.5;
    const broke = () => fail({ kind: 'upstream-broke', message: outage?.fault ?? '' });
    switch (outage?.fault) {
      case undefined:
        later(acceptedAt, () => say('accepted'));
        later(firstAt, () => say('first'));
        later(wholeAt, finish);
        break;
      case 'refuse':
        later(acceptedAt, () => fail({ kind: 'upstream-unreachable', message: 'refused' }));
        break;
      case '5xx':
        later(acceptedAt, () => fail({ kind: 'upstream-rejected', status: 500, message: 'oops' }));
        break;
      case 'slow headers':
        later(SLOW_MS, () => say('accepted'));
        later(SLOW_MS + firstAt, () => say('first'));
        later(SLOW_MS + wholeAt, finish);
        break;
      case 'stall':
        later(acceptedAt, () => say('accepted'));
        if (!beforeFirst) {
          later(firstAt, () => say('first'));
          later(firstAt + IDLE_MS, () => fail({ kind: 'upstream-timeout', message: 'silent' }));
        }
        break;
      case 'missing finish':
        later(acceptedAt, () => say('accepted'));
        later(firstAt, () => say('first'));
        later(wholeAt, broke);
        break;
      case 'cut mid-token':
      case 'reset':
      case 'malformed JSON':
        later(acceptedAt, () => say('accepted'));
        if (!beforeFirst) {
          later(firstAt, () => say('first'));
        }
        later(wholeAt, broke);
    }
  }

  for (const [request, { at, plan, leavesAt }] of requests.entries()) {
    later(at, () => apply(request, begin(plan, fleet, { now, random })));
    if (leavesAt !== null) {
      later(leavesAt, () => send(request, { kind: 'client-left' }));
    }
  }
  while (events.length > 0) {
    const next = events.reduce((a, b) => (b.at < a.at || (b.at === a.at && b.order < a.order) ? b : a));
    events.splice(events.indexOf(next), 1);
    now = next.at;
    next.run();
  }
  return { calls, told, runs: runs.filter((run) => run !== undefined), fleet, endedAt: now };
}
