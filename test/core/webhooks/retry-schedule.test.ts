import { describe, expect, it } from 'vitest';
import { judgeAnswer } from '../../../src/core/webhooks/attempt-result.ts';
import { eventBody } from '../../../src/core/webhooks/event.ts';
import { afterAttempt } from '../../../src/core/webhooks/retry-schedule.ts';

/** Plays a receiver that always answers so; gives the seconds at which it was called, on a simulated clock. */
function play(status: number, random: number, retryAfterSeconds: number | null = null) {
  const calls: number[] = [];
  let now = 0;
  for (let attempt = 1; ; attempt++) {
    calls.push(now);
    const next = afterAttempt(attempt, judgeAnswer(status, retryAfterSeconds), random);
    if (next.kind !== 'wait') {
      return { calls, end: next.kind };
    }
    now += next.seconds;
  }
}

describe('the retry schedule', () => {
  it('is Standard Webhooks’ ten attempts, the last 75 hours and 35 minutes after the first', () => {
    // https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, "Retry schedule"
    const { calls, end } = play(500, 0);
    const waits = calls.slice(1).map((at, i) => at - (calls[i] ?? 0));
    expect(waits).toEqual([5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]);
    expect(calls.at(-1)).toBe(75 * 3600 + 35 * 60 + 5);
    expect(end).toBe('exhausted');
  });

  it('adds a tenth at most at random, and never takes away', () => {
    const { calls } = play(500, 0.999_999);
    expect(calls[1]).toBe(6);
    expect(calls.at(-1)).toBeLessThanOrEqual(272_105 * 1.1 + 10);
    expect(calls.at(-1)).toBeGreaterThan(272_105 * 1.09);
  });

  it('honours Retry-After where it asks for more, up to a day', () => {
    expect(play(503, 0, 60).calls.slice(0, 3)).toEqual([0, 60, 360]);
    expect(play(429, 0, 1e9).calls[1]).toBe(86_400);
    expect(play(429, 0, 1).calls[1]).toBe(5);
  });

  it.each([200, 201, 204, 299])('ends with success at %i', (status) => {
    expect(play(status, 0)).toEqual({ calls: [0], end: 'delivered' });
  });

  it.each([301, 302, 303, 307, 308, 304, 400, 401, 404, 429, 500, 503])('goes on after %i', (status) => {
    expect(play(status, 0).calls).toHaveLength(10);
  });

  it('ends for good at 410', () => {
    expect(play(410, 0)).toEqual({ calls: [0], end: 'disabled' });
  });
});

describe('a payload', () => {
  const body = (payload: 'thin' | 'full', text: string) =>
    JSON.parse(
      eventBody('job.succeeded', '2026-11-25T00:00:00.000Z', payload, { id: 'job_1' }, { result: { text } }),
    ) as unknown;

  it('is thin or full', () => {
    const head = { type: 'job.succeeded', timestamp: '2026-11-25T00:00:00.000Z' };
    expect(body('thin', 'a cat')).toEqual({ ...head, data: { id: 'job_1' } });
    expect(body('full', 'a cat')).toEqual({ ...head, data: { id: 'job_1', result: { text: 'a cat' } } });
  });

  it('says so when the result is too large for it', () => {
    expect(body('full', 'x'.repeat(20_000))).toMatchObject({ data: { id: 'job_1', truncated: true } });
  });
});
