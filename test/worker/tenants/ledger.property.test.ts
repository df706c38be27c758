import { expect, it } from 'vitest';
import { record, reserve, settle, tokensOf } from '../../../src/core/tenants/account.ts';
import { quotaWindow } from '../../../src/core/tenants/quota-window.ts';
import type { Quota } from '../../../src/core/tenants/settings.ts';
import { ledgerOf, type Tally } from '../../../worker/ledger.ts';
import { callsOf } from '../../../worker/tenants/admit.ts';
import { memoryAccount } from '../../core/tenants/memory-account.ts';
import { randomSchedule } from '../../core/upstream/random-schedule.ts';
import { seeded } from '../../core/upstream/seeded.ts';
import { type Call, play } from '../../core/upstream/simulated-upstreams.ts';
import { testUpstream } from '../test-app.ts';

const SCHEDULES = 10_000;
const REQUESTS = 12;
const TENANTS = 2;
const T0 = 1_700_000_000;
/** A prompt's tokens, which a server counts with a whole answer. */
const PROMPT_TOKENS = 150;
/** More than any answer of these upstreams. */
const MOST_TOKENS = 300;

/** What came of each kind of trouble, so that no kind is missing. */
const seen = { refused: 0, left: 0, hedged: 0, retried: 0, calledAgain: 0, unbilled: 0 };

it(
  `${SCHEDULES} schedules of faults, retries, hedges, clients that leave and submissions that come twice: each tenant's ` +
    'ledger is what the model servers gave out, and no quota is overshot',
  { timeout: 300_000 },
  () => {
    const faults = Array.from({ length: SCHEDULES }, (_, seed) =>
      faultsOf(seed).map((fault) => `seed ${seed}: ${fault}`),
    );
    expect(faults.flat()).toEqual([]);
    expect(Object.entries(seen).filter(([, times]) => times < SCHEDULES / 100)).toEqual([]);
  },
);

function faultsOf(seed: number): string[] {
  const random = seeded(seed);
  const { requests, outages } = randomSchedule(random, { during: REQUESTS, after: 0, isOneSound: random() < 0.5 });
  const { calls, told, runs } = play(requests, outages, random);
  const tenants = Array.from({ length: TENANTS }, () => newTenant(random));
  const faults: string[] = [];
  const events = requests.flatMap(({ at, leavesAt }, i) => {
    const tenant = tenants[i % TENANTS] ?? newTenant(random);
    const own = calls.filter(({ request }) => request === i);
    const run = runs[i];
    const reservation = { id: `e${i}`, requests: 1, tokens: MOST_TOKENS };
    const submit = (nowMs: number) => reserve(tenant.store, tenant.quotas, reservation, T0 + nowMs / 1000);

    function begin(nowMs: number): void {
      if (submit(nowMs).kind === 'refused') {
        seen.refused++;
        return;
      }
      const given = told[i]?.how === 'given' ? own.filter(({ attempt }) => attempt === told[i]?.attempt) : [];
      tenant.given += sum(own);
      tenant.billed += sum(given);
      seen.left += leavesAt !== null && own.some(({ end }) => end?.how === 'cancelled') ? 1 : 0;
      seen.hedged += run?.hedged === true ? 1 : 0;
      seen.retried += own.length > 1 && run?.hedged === false ? 1 : 0;
      seen.calledAgain += (run?.retries ?? 0) > 0 ? 1 : 0;
      seen.unbilled += sum(own) > sum(given) ? 1 : 0;
    }

    function report(nowMs: number): void {
      const attempts =
        run?.attempts.map((attempt) => ({ ...attempt, candidate: testUpstream(attempt.candidate) })) ?? [];
      const ledger = ledgerOf({ attempts, bound: run?.bound ?? null }, own.map(tallyOf));
      record(tenant.store, `e${i}`, `e${i}`, callsOf(ledger), T0 + nowMs / 1000);
      settle(tenant.store, `e${i}`);
    }

    const overAt = Math.max(at, told[i]?.at ?? 0, ...own.map(({ end }) => end?.at ?? 0)) + 60_000 * random();
    return [
      { at, happen: begin },
      { at: overAt, happen: report },
      ...(random() < 0.2 ? [{ at: at + random() * 1000, happen: submitAgain }] : []),
      ...(random() < 0.3 ? [{ at: overAt + random() * 60_000, happen: report }] : []),
    ];

    /** The same submission once more counts nothing, and one that was refused stays out. */
    function submitAgain(nowMs: number): void {
      if (tenant.store.entry(`e${i}`) !== null) {
        submit(nowMs);
      }
    }
  });
  for (const { at, happen } of events.toSorted((a, b) => a.at - b.at)) {
    happen(at);
    for (const [n, { store, quotas }] of tenants.entries()) {
      for (const quota of quotas) {
        const used = store.use(quotaWindow(quota, T0 + at / 1000));
        if (used > quota.limit || used < 0) {
          faults.push(`tenant ${n} used ${used} of ${quota.limit} ${quota.of} per ${quota.per}`);
        }
      }
    }
  }
  for (const [n, { store, given, billed }] of tenants.entries()) {
    const kept = store.allCalls();
    const [all, paid] = [tokensOf(kept), tokensOf(kept.filter((call) => call.billed))];
    if (all !== given || paid !== billed) {
      faults.push(`tenant ${n}: ${all} of ${given} tokens on record, ${paid} of ${billed} billed`);
    }
  }
  return faults;
}

function newTenant(random: () => number) {
  const quotas: Quota[] = [
    { of: 'tokens', per: 'hour', limit: MOST_TOKENS * (2 + Math.floor(random() * 6)) },
    { of: 'requests', per: 'minute', limit: 1 + Math.floor(random() * 4) },
  ];
  return { store: memoryAccount(), quotas, given: 0, billed: 0 };
}

function tallyOf({ pieces, begunAt, end }: Call): Tally {
  const usage = { promptTokens: PROMPT_TOKENS, completionTokens: pieces, totalTokens: PROMPT_TOKENS + pieces };
  return { pieces, usage: end?.how === 'whole' ? usage : null, firstMs: begunAt, finishReasons: [] };
}

/** What the servers' own books say of these calls. */
function sum(calls: readonly Call[]): number {
  return calls.reduce((tokens, { pieces, end }) => tokens + pieces + (end?.how === 'whole' ? PROMPT_TOKENS : 0), 0);
}
