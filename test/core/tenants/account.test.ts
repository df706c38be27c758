import { describe, expect, it } from 'vitest';
import { type Call, record, reserve, settle, tokensOf } from '../../../src/core/tenants/account.ts';
import { quotaWindow } from '../../../src/core/tenants/quota-window.ts';
import type { Quota } from '../../../src/core/tenants/settings.ts';
import { createRandom } from '../../attacks/random.ts';
import { memoryAccount } from './memory-account.ts';

const SCHEDULES = 10_000;
const T0 = 1_700_000_000;

/** One request on its way, as the client, the worker and the model server see it. */
interface Flight {
  id: string;
  most: number;
  /** What the worker will report, part by part; the model server has counted it already. */
  reports: Call[][];
}

/** A schedule: requests that succeed, fail, are retried, hedged, left or sent twice; reports that come late, or twice. */
function play(seed: number) {
  const random = createRandom(seed, 0);
  const quotas: Quota[] = [
    { of: 'tokens', per: 'minute', limit: 200 + random.below(800) },
    { of: 'tokens', per: 'day', limit: 500 + random.below(3000) },
    { of: 'requests', per: 'minute', limit: 1 + random.below(12) },
  ];
  const store = memoryAccount();
  const flights: Flight[] = [];
  let now = T0 + random.below(100);
  let given = 0;
  let answered = 0;
  let refused = 0;

  function call(most: number, billed: boolean, whole: boolean): Call {
    const promptTokens = random.below(Math.floor(most / 2));
    const completionTokens = whole ? random.below(Math.floor(most / 2)) : random.below(3);
    given += promptTokens + completionTokens;
    answered += billed ? promptTokens + completionTokens : 0;
    return { upstream: 'a', model: 'm', outcome: whole ? 'ok' : 'dropped', promptTokens, completionTokens, billed };
  }

  function start(n: number): void {
    const most = 10 + random.below(150);
    const id = `e${n}`;
    const reserved = reserve(store, quotas, { id, requests: 1, tokens: most, leaseSeconds: 50 }, now);
    if (reserved.kind !== 'reserved') {
      refused++;
      return;
    }
    // Retries and hedges whose answer nobody got, then perhaps one that a client did, whole or until it left.
    const wasted = Array.from({ length: random.below(3) }, () => call(most, false, random.chance(0.5)));
    const last = random.chance(0.8) ? [call(most, true, random.chance(0.7))] : [];
    const calls = [...wasted, ...last];
    const cut = random.below(calls.length + 1);
    flights.push({ id, most, reports: [calls.slice(0, cut), calls.slice(cut)] });
  }

  function report(flight: Flight): void {
    for (const [part, calls] of flight.reports.entries()) {
      record(store, flight.id, `p${part}`, calls, now);
    }
    settle(store, flight.id);
  }

  function checkQuotas(): void {
    for (const quota of quotas) {
      const used = store.use(quotaWindow(quota, now));
      if (used > quota.limit || used < 0) {
        throw new Error(`seed ${seed}: ${used} of ${quota.limit} ${quota.of} per ${quota.per}`);
      }
    }
  }

  const pending: Flight[] = [];
  for (let n = 0; n < 20; n++) {
    start(n);
    if (random.chance(0.2)) {
      // The same submission again: known, and counted once.
      const [id] = [...store.entries.keys()].slice(random.below(store.entries.size));
      reserve(store, quotas, { id: id ?? '', requests: id === undefined ? 1000 : 1, tokens: 1 }, now);
    }
    now += random.below(20);
    pending.push(...flights.splice(0));
    while (pending.length > 0 && random.chance(0.6)) {
      const [flight] = pending.splice(random.below(pending.length), 1);
      if (flight !== undefined) {
        report(flight);
        if (random.chance(0.3)) {
          report(flight);
        }
      }
    }
    checkQuotas();
  }
  // Reports that were held up come in the end, some after their lease.
  now += random.below(200);
  for (const flight of pending) {
    report(flight);
    report(flight);
    checkQuotas();
  }
  return { store, given, answered, refused, now, quotas };
}

describe('an account', () => {
  it(`counts what the model server gave out, over ${SCHEDULES} random schedules, and never overshoots a quota`, () => {
    let refusals = 0;
    let wasted = 0;
    for (let seed = 1; seed <= SCHEDULES; seed++) {
      const { store, given, answered, refused } = play(seed);
      const calls = store.allCalls();
      expect(tokensOf(calls), `seed ${seed}`).toBe(given);
      expect(tokensOf(calls.filter(({ billed }) => billed)), `seed ${seed}`).toBe(answered);
      refusals += refused;
      wasted += given - answered;
    }
    expect(refusals).toBeGreaterThan(SCHEDULES);
    expect(wasted).toBeGreaterThan(SCHEDULES);
  });

  const quotas: Quota[] = [{ of: 'tokens', per: 'hour', limit: 100 }];
  const spend = (completionTokens: number): Call => ({
    upstream: 'a',
    model: 'm',
    outcome: 'ok',
    promptTokens: 0,
    completionTokens,
    billed: true,
  });
  const used = (store: ReturnType<typeof memoryAccount>) =>
    store.use(quotaWindow({ of: 'tokens', per: 'hour', limit: 100 }, T0));

  it('says when there is room again, and makes room when a request cost less than it could', () => {
    const store = memoryAccount();
    expect(reserve(store, quotas, { id: 'a', requests: 1, tokens: 80 }, T0).kind).toBe('reserved');
    const refused = reserve(store, quotas, { id: 'b', requests: 1, tokens: 21 }, T0);
    expect(refused).toMatchObject({ kind: 'refused', retryAfterSeconds: 3600 - (T0 % 3600) });
    record(store, 'a', 'p', [spend(10)], T0);
    settle(store, 'a');
    expect(used(store)).toBe(10);
    expect(reserve(store, quotas, { id: 'b', requests: 1, tokens: 90 }, T0).kind).toBe('reserved');
  });

  it('keeps what was reserved by a request of which nothing was heard, until something is', () => {
    const store = memoryAccount();
    reserve(store, quotas, { id: 'a', requests: 1, tokens: 80, leaseSeconds: 10 }, T0);
    reserve(store, quotas, { id: 'b', requests: 1, tokens: 5 }, T0 + 11);
    expect(store.entry('a')?.state).toBe('lost');
    expect(used(store)).toBe(85);
    record(store, 'a', 'p', [spend(30)], T0 + 60);
    settle(store, 'a');
    expect(used(store)).toBe(35);
  });

  it('bills one answer of an entry, and none that comes after its end', () => {
    const store = memoryAccount();
    reserve(store, quotas, { id: 'a', requests: 1, tokens: 80 }, T0);
    record(store, 'a', 'try 1', [spend(10)], T0);
    record(store, 'a', 'try 2', [spend(20)], T0);
    settle(store, 'a');
    record(store, 'a', 'try 3', [spend(40)], T0);
    settle(store, 'a');
    expect(store.allCalls().map(({ billed }) => billed)).toEqual([true, false, false]);
    expect(used(store)).toBe(10);
  });

  it('ends its windows with the clock', () => {
    const store = memoryAccount();
    reserve(store, quotas, { id: 'a', requests: 1, tokens: 100 }, T0);
    expect(reserve(store, quotas, { id: 'b', requests: 1, tokens: 100 }, T0 + 3600).kind).toBe('reserved');
  });
});
