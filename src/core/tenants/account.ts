import { RESERVATION_SECONDS } from '../limits.ts';
import { quotaWindow, type QuotaWindow, type WindowUse } from './quota-window.ts';
import type { Quota } from './settings.ts';

/**
 * A tenant's account: what it may use, has reserved, and has used.
 *
 * Each request is one entry. It reserves the most it can cost before any model server is called, so that requests side by
 * side never overshoot a quota together; what it did cost replaces the reservation when it is known. Every operation may
 * come twice, or late, or never.
 */
export interface Entry {
  id: string;
  /** `lost`: nobody told what became of it, and its reservation counts as used until somebody does. */
  state: 'open' | 'settled' | 'lost';
  /** Unix time in seconds at which it was reserved. */
  at: number;
  /** The windows in which it counts; a quota that is set later does not know of it. */
  windows: QuotaWindow[];
  reservedTokens: number;
  leaseUntil: number;
}

/** One call of a model server, as it is kept: names and counts only. */
export interface Call {
  upstream: string;
  model: string;
  outcome: string;
  promptTokens: number;
  completionTokens: number;
  /** Whether the client got its answer, whole or in part. At most one call of an entry is. */
  billed: boolean;
}

/** Where an account is kept; all of an operation's calls are one transaction. */
export interface AccountStore {
  entry(id: string): Entry | null;
  put(entry: Entry): void;
  /** Open entries whose lease ended at or before this time. */
  overdue(nowSeconds: number): Entry[];
  use(window: QuotaWindow): number;
  addUse(window: QuotaWindow, amount: number): void;
  /** All calls of an entry, whatever their part. */
  calls(id: string): Call[];
  hasPart(id: string, part: string): boolean;
  /** Keeps a part's calls; a part may have none. */
  addPart(id: string, part: string, atSeconds: number, calls: readonly Call[]): void;
}

export interface Reservation {
  id: string;
  requests: number;
  /** The most tokens it can cost. */
  tokens: number;
  leaseSeconds?: number;
}

export type Reserved =
  | { kind: 'reserved'; uses: WindowUse[] }
  /** The same entry was reserved before; nothing was counted again. */
  | { kind: 'known'; uses: WindowUse[] }
  | { kind: 'refused'; quota: Quota; retryAfterSeconds: number; uses: WindowUse[] };

/** Counts a request against every quota, or against none when one of them would be exceeded. */
export function reserve(store: AccountStore, quotas: readonly Quota[], asked: Reservation, now: number): Reserved {
  expire(store, now);
  const windows = quotas.map((quota) => quotaWindow(quota, now));
  const uses = (): WindowUse[] => windows.map((window) => ({ ...window, used: store.use(window) }));
  if (store.entry(asked.id) !== null) {
    return { kind: 'known', uses: uses() };
  }
  for (const window of windows) {
    if (store.use(window) + amountOf(window, asked) > window.limit) {
      const { of, per, limit } = window;
      return { kind: 'refused', quota: { of, per, limit }, retryAfterSeconds: window.endsAt - now, uses: uses() };
    }
  }
  for (const window of windows) {
    store.addUse(window, amountOf(window, asked));
  }
  const { id, tokens, leaseSeconds = RESERVATION_SECONDS } = asked;
  store.put({ id, state: 'open', at: now, windows, reservedTokens: tokens, leaseUntil: now + leaseSeconds });
  return { kind: 'reserved', uses: uses() };
}

/**
 * What one part of an entry's work has cost; a job that is tried again has several. A part that comes again is ignored.
 * One answer is billed, and none after the entry is settled: a cancelled job's goes to nobody.
 */
export function record(store: AccountStore, id: string, part: string, calls: readonly Call[], now: number): void {
  const entry = store.entry(id);
  if (entry === null || store.hasPart(id, part)) {
    return;
  }
  let billed = entry.state === 'settled' || store.calls(id).some((call) => call.billed);
  const once = calls.map((call) => {
    const counts = call.billed && !billed;
    billed ||= counts;
    return { ...call, billed: counts };
  });
  store.addPart(id, part, now, once);
}

/** The entry's work is over: what it did cost replaces what it had reserved. Settled twice, it stays as it is. */
export function settle(store: AccountStore, id: string): void {
  const entry = store.entry(id);
  if (entry === null || entry.state === 'settled') {
    return;
  }
  const cost = tokensOf(store.calls(id).filter(({ billed }) => billed));
  for (const window of entry.windows) {
    if (window.of === 'tokens') {
      store.addUse(window, cost - entry.reservedTokens);
    }
  }
  store.put({ ...entry, state: 'settled' });
}

/** Entries that nobody ended: they keep what they reserved, so that a lost report never makes room. */
export function expire(store: AccountStore, now: number): void {
  for (const entry of store.overdue(now)) {
    store.put({ ...entry, state: 'lost' });
  }
}

export function tokensOf(calls: readonly Pick<Call, 'promptTokens' | 'completionTokens'>[]): number {
  return calls.reduce((sum, { promptTokens, completionTokens }) => sum + promptTokens + completionTokens, 0);
}

function amountOf(window: QuotaWindow, { requests, tokens }: Reservation): number {
  return window.of === 'requests' ? requests : tokens;
}
