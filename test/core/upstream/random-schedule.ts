import { CIRCUIT_OPEN_MAX_MS } from '../../../src/core/limits.ts';
import type { Plan } from '../../../src/core/upstream/attempt.ts';
import type { Candidate } from '../../../src/core/upstream/choice.ts';
import { ANYWHERE } from '../../../src/core/upstream/region.ts';
import { FAULTS, type Outage, type SimulatedRequest } from './simulated-upstreams.ts';

export const NAMES = ['a', 'b', 'c'];
const MINUTE = 60_000;
/** Requests come while upstreams break and recover; a second lot comes when all have recovered and had their rest. */
const OUTAGES_MS = 5 * MINUTE;
const RECOVERED_MS = OUTAGES_MS + 3 * MINUTE + CIRCUIT_OPEN_MAX_MS * 1.25;

export interface Schedule {
  requests: SimulatedRequest[];
  outages: Outage[];
  hedges: boolean;
}

/**
 * Three upstreams, of which some break now and then in one of the eight ways.
 *
 * @param during how many requests come meanwhile, and how many `after` all have recovered.
 * @param isOneSound one upstream is never broken; else all may be, also at once, and some requests may go to one alone.
 */
export function randomSchedule(random: () => number, { during = 30, after = 9, isOneSound = true } = {}): Schedule {
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  const candidates: Candidate[] = NAMES.map((name) => ({
    name,
    weight: pick([1, 1, 5]),
    near: random() < 0.3 ? { ...ANYWHERE, continents: [pick(['EU', 'NA'])] } : ANYWHERE,
    firstByteMs: pick([5_000, 30_000]),
    coldStartMs: 0,
  }));
  const [a, b, c] = candidates as [Candidate, Candidate, Candidate];
  const alone = isOneSound ? [] : [[[a]]];
  const chain = pick([[[a, b, c]], [[a, b], [c]], [[a], [b], [c]], [[c], [a, b]], ...alone]);
  const sound = isOneSound ? pick(NAMES) : null;
  const broken = NAMES.filter((name) => name !== sound).slice(random() < 0.5 ? 1 : 0);
  const outages = broken.flatMap((upstream) =>
    Array.from({ length: 1 + Math.floor(random() * 3) }, () => {
      const from = random() * OUTAGES_MS * 0.9;
      return { upstream, from, to: Math.min(from + random() * 3 * MINUTE, OUTAGES_MS), fault: pick(FAULTS) };
    }),
  );
  const hedges = random() < 0.3;
  const plan: Plan = {
    chain,
    place: { colo: null, country: null, continent: pick(['EU', 'NA', 'AS']) },
    bindsAt: 'first',
    hedgeAfterMs: hedges ? 1_000 : null,
    patienceMs: 10 * MINUTE,
  };
  const request = (at: number, leaves: boolean, more: Partial<Plan> = {}): SimulatedRequest => ({
    at,
    leavesAt: leaves ? at + random() * 10_000 : null,
    plan: { ...plan, bindsAt: pick(['first', 'whole']), ...more },
  });
  // Without regions and fallbacks every upstream is wanted again.
  const anyOf = { chain: [candidates.map((candidate) => ({ ...candidate, near: ANYWHERE }))] };
  return {
    hedges,
    outages,
    requests: [
      ...Array.from({ length: during }, () => request(random() * OUTAGES_MS, random() < 0.15)),
      // One after another, so that each upstream's probe has come back before the next is due.
      ...Array.from({ length: after }, (_, i) => request(RECOVERED_MS + i * MINUTE, false, anyOf)),
    ],
  };
}
