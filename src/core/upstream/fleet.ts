import { RETRY_BUDGET_MAX, RETRY_BUDGET_PER_REQUEST } from '../limits.ts';
import { type Circuit, CLOSED } from './circuit.ts';

/** What all requests of an isolate know together: each upstream's circuit, and how many retries may still be made. */
export interface Fleet {
  readonly circuits: ReadonlyMap<string, Circuit>;
  /**
   * Retries are paid from what requests have earned, so that an overload is not answered by more load. Going on to an
   * upstream that this request has not called is no retry: circuits and the number of upstreams bound that.
   */
  readonly budget: number;
}

export const NEW_FLEET: Fleet = { circuits: new Map(), budget: RETRY_BUDGET_MAX };

export function circuitOf({ circuits }: Fleet, upstream: string): Circuit {
  return circuits.get(upstream) ?? CLOSED;
}

export function withCircuit(fleet: Fleet, upstream: string, circuit: Circuit): Fleet {
  return { ...fleet, circuits: new Map(fleet.circuits).set(upstream, circuit) };
}

export function earnRetries(fleet: Fleet): Fleet {
  return { ...fleet, budget: Math.min(fleet.budget + RETRY_BUDGET_PER_REQUEST, RETRY_BUDGET_MAX) };
}

export function canRetry({ budget }: Fleet): boolean {
  return budget >= 1;
}

export function payRetry(fleet: Fleet): Fleet {
  return { ...fleet, budget: fleet.budget - 1 };
}
