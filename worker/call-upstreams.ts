import { RequestError } from '../src/core/protocol/failure.ts';
import type { Plan, Run } from '../src/core/upstream/attempt.ts';
import { begin, type Command, type RunEvent, type Step, step } from '../src/core/upstream/failover.ts';
import { faultOf } from '../src/core/upstream/fault.ts';
import type { Deps } from './deps.ts';
import { failureOf } from './error-response.ts';
import type { Upstream } from './upstream-config.ts';

/** What one attempt tells of itself while it runs. */
export interface AttemptHooks {
  /** Aborted when the attempt is given up. */
  signal: AbortSignal;
  happened(event: 'accepted' | 'first' | 'whole'): void;
  /** For what fails after the attempt's promise was fulfilled; its rejection counts by itself. */
  failed(error: unknown): void;
}

export interface UpstreamRun<Answer> {
  /** What the attempt gave to which the request is bound. Rejects when no attempt is left, or the client has left. */
  answer: Promise<Answer>;
  /** How far it has come; changes until it is over. */
  state(): Run<Upstream>;
}

/**
 * Does what the state machine of src/core/upstream/failover.ts says: makes calls, cancels them, waits, and tells it what
 * came of that.
 *
 * @param attempt makes one call of one upstream.
 * @param signal aborted when the client leaves.
 */
export function callUpstreams<Answer>(
  plan: Plan<Upstream>,
  attempt: (upstream: Upstream, hooks: AttemptHooks) => Promise<Answer>,
  { fleet, now, random }: Pick<Deps, 'fleet' | 'now' | 'random'>,
  signal: AbortSignal,
): UpstreamRun<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const calls: { stop: AbortController; answer: Promise<Answer> }[] = [];
  const errors = new Map<number, unknown>();
  let timer: ReturnType<typeof setTimeout> | null = null;
  let wakeAt: number | null = null;
  let run: Run<Upstream>;

  function apply(taken: Step<Upstream>): void {
    run = taken.run;
    fleet.current = taken.fleet;
    for (const command of taken.commands) {
      execute(command);
    }
    if (taken.wakeAt !== wakeAt) {
      wakeUp(taken.wakeAt);
    }
    if (run.over) {
      signal.removeEventListener('abort', leave);
    }
  }

  function wakeUp(at: number | null): void {
    clearTimeout(timer);
    wakeAt = at;
    if (at !== null) {
      timer = setTimeout(wake, Math.max(0, at - now()));
    }
  }

  function wake(): void {
    wakeAt = null;
    send({ kind: 'wake' });
  }

  function execute(command: Command<Upstream>): void {
    switch (command.kind) {
      case 'call':
        calls[command.attempt] = startCall(command.attempt, command.candidate);
        break;
      case 'cancel':
        calls[command.attempt]?.stop.abort();
        break;
      case 'give':
        resolve(calls[command.attempt]?.answer ?? Promise.reject(new Error(`no attempt ${command.attempt}`)));
        break;
      case 'refuse':
        reject(errors.get(command.attempt ?? -1) ?? new RequestError(command.failure));
    }
  }

  function startCall(i: number, upstream: Upstream): { stop: AbortController; answer: Promise<Answer> } {
    const stop = new AbortController();
    const failed = (error: unknown) => {
      // What a cancelled attempt ends with is our own doing.
      if (!stop.signal.aborted) {
        errors.set(i, error);
      }
      // Whatever it was, the upstream may still be at work on it.
      stop.abort();
      send({ kind: 'failed', attempt: i, fault: faultOf(failureOf(error)) });
    };
    const answer = attempt(upstream, {
      // The client's leaving is told to the state machine, which cancels what is running.
      signal: stop.signal,
      happened: (event) => send({ kind: event, attempt: i }),
      failed,
    });
    answer.catch(failed);
    return { stop, answer };
  }

  function send(event: RunEvent): void {
    apply(step(run, fleet.current, event, { now: now(), random }));
  }

  function leave(): void {
    send({ kind: 'client-left' });
    reject(signal.reason);
  }

  // Whoever streams looks at it only when the grace is over.
  promise.catch(() => undefined);
  apply(begin(plan, fleet.current, { now: now(), random }));
  if (signal.aborted) {
    leave();
  } else {
    signal.addEventListener('abort', leave);
  }
  return { answer: promise, state: () => run };
}
