import { expect, it } from 'vitest';
import { CIRCUIT_OPEN_MS, CIRCUIT_WINDOW } from '../../../src/core/limits.ts';
import { standing } from '../../../src/core/upstream/circuit.ts';
import { circuitOf } from '../../../src/core/upstream/fleet.ts';
import { NAMES, randomSchedule, type Schedule } from './random-schedule.ts';
import { type Call, play, type Play } from './simulated-upstreams.ts';
import { seeded } from './seeded.ts';

const SCHEDULES = 10_000;

it(
  `${SCHEDULES} schedules: every request is answered, none billed twice, the broken left alone and taken back`,
  { timeout: 300_000 },
  () => {
    const faults = Array.from({ length: SCHEDULES }, (_, seed) => faultsOf(seed)).flat();
    expect(faults).toEqual([]);
  },
);

function faultsOf(seed: number): string[] {
  const random = seeded(seed);
  const plan = randomSchedule(random);
  const played = play(plan.requests, plan.outages, random);
  return [
    ...unanswered(plan, played),
    ...billedTwice(plan, played),
    ...crowded(plan, played),
    ...notLeftAlone(played),
    ...notTakenBack(played),
  ].map((fault) => `schedule ${seed}: ${fault}`);
}

/** A client that stays gets the first piece of an answer, or all of it, and never an error before its first byte. */
function unanswered({ requests }: Schedule, { told, calls }: Play): string[] {
  return requests.flatMap(({ leavesAt, plan }, i) => {
    const answer = told[i];
    if (leavesAt !== null) {
      return calls.some((call) => call.request === i && call.end === null) ? [`${i} left, a call runs on`] : [];
    }
    if (answer?.how !== 'given') {
      return [`${i} was not answered`];
    }
    const call = calls.find(({ request, attempt }) => request === i && attempt === answer.attempt);
    return plan.bindsAt === 'whole' && call?.end?.how !== 'whole' ? [`${i} was given half an answer`] : [];
  });
}

/** Billed: given to the client, or run to its end although another was given. */
function billedTwice({ requests }: Schedule, { told, calls }: Play): string[] {
  return requests.flatMap((_, i) => {
    const given = told[i]?.attempt ?? null;
    const billed = calls.filter(
      ({ request, attempt, end }) => request === i && (attempt === given || end?.how === 'whole' || end === null),
    );
    return billed.length > 1 ? [`${i} was billed ${billed.length} times`] : [];
  });
}

/** One call at a time; two while a hedge is out. */
function crowded({ requests, hedges }: Schedule, { calls }: Play): string[] {
  return requests.flatMap((_, i) => {
    const own = calls.filter(({ request }) => request === i);
    const most = Math.max(...own.map(({ startedAt }) => own.filter((other) => isRunningAt(other, startedAt)).length));
    return most > (hedges ? 2 : 1) ? [`${i} had ${most} calls at once`] : [];
  });
}

/**
 * After three failures on a clean record, and after each further one of a call that began when those were known, nobody
 * calls for a while.
 */
function notLeftAlone({ calls }: Play): string[] {
  return NAMES.flatMap((name) => {
    const own = calls.filter(({ upstream }) => upstream === name);
    const outcomes = own
      .flatMap(({ startedAt, end }) => (end === null || end.how === 'cancelled' ? [] : [{ startedAt, ...end }]))
      .toSorted((x, y) => x.at - y.at);
    const failed = (i: number): boolean => (outcomes[i]?.how ?? 'whole') !== 'whole';
    return outcomes.flatMap(({ at, startedAt }, i) => {
      const inARow = failed(i) && failed(i - 1) && failed(i - 2);
      const isThird =
        inARow && !Array.from({ length: CIRCUIT_WINDOW }, (_, back) => failed(i - 3 - back)).includes(true);
      const isProbe = inARow && startedAt > (outcomes[i - 1]?.at ?? 0);
      const tooSoon = own.filter((call) => at < call.startedAt && call.startedAt < at + CIRCUIT_OPEN_MS);
      return (isThird || isProbe) && tooSoon.length > 0 ? [`${name} failed at ${at} and was called at once`] : [];
    });
  });
}

/** Long after the last outage each upstream that had failed has answered again, and none is left out. */
function notTakenBack({ calls, fleet, endedAt }: Play): string[] {
  return NAMES.flatMap((name) => {
    const { kind } = standing(circuitOf(fleet, name), endedAt);
    return kind === 'ready' ? [] : [`${name} was not taken back in ${calls.length} calls: ${kind}`];
  });
}

function isRunningAt({ startedAt, end }: Call, at: number): boolean {
  return startedAt <= at && (end === null || end.at > at);
}
