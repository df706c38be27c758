import type { Candidate } from './choice.ts';
import type { Fault } from './fault.ts';
import type { Place } from './region.ts';

/** One call of one upstream for one request. */
export interface Attempt<C extends Candidate = Candidate> {
  readonly candidate: C;
  readonly startedAt: number;
  /** Its outcome decides whether the upstream's circuit closes; see circuit.ts. */
  readonly isProbe: boolean;
  readonly end: AttemptEnd;
}

/** How far an attempt has come. */
export type AttemptEnd =
  | { kind: 'asked' }
  /** Its first piece has come. */
  | { kind: 'answering' }
  | { kind: 'whole' }
  /** @property againAt when the same upstream may be called again at the earliest. */
  | { kind: 'failed'; fault: Fault; againAt: number }
  /** Cancelled: the client left, or another attempt was first. */
  | { kind: 'dropped' };

/** What a request wants of the upstreams; fixed for its whole life. */
export interface Plan<C extends Candidate = Candidate> {
  /** The candidates of the model asked for, then those of each model to fall back on. */
  readonly chain: readonly (readonly C[])[];
  readonly place: Place;
  /**
   * What binds the request to an attempt: its first piece, which a stream passes on, or the whole answer, up to which a
   * client that does not stream has seen nothing.
   */
  readonly bindsAt: 'first' | 'whole';
  /** Silence after which a second upstream is asked as well; null never. */
  readonly hedgeAfterMs: number | null;
  /** How long the client waits for an upstream that starts from zero. */
  readonly patienceMs: number;
}

/** One request on its way through the upstreams. */
export interface Run<C extends Candidate = Candidate> {
  readonly plan: Plan<C>;
  readonly startedAt: number;
  readonly attempts: readonly Attempt<C>[];
  /** The attempt whose answer the client gets. */
  readonly bound: number | null;
  /** Nothing more will be called. */
  readonly over: boolean;
  readonly hedged: boolean;
  /** Calls of upstreams that had failed this request before. */
  readonly retries: number;
  /** When to look again, while nothing is running. */
  readonly waitUntil: number | null;
}

export function isRunning({ end }: Attempt): boolean {
  return end.kind === 'asked' || end.kind === 'answering';
}
