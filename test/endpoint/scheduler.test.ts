import { describe, expect, it } from 'vitest';
import { RequestError } from '../../src/core/protocol/failure.ts';
import { createScheduler, type Scheduler } from '../../src/endpoint/scheduler.ts';
import { createSequence, type Prompt, type Sequence } from '../../src/endpoint/sequence.ts';
import { generationParams } from '../support/generation-params.ts';

function sequence(length: number, runs: Prompt['runs'] = []): Sequence {
  return createSequence({ segments: [], images: [], runs, length }, generationParams());
}

/** Runs what is scheduled and reports it as [start, length]. */
function turn(scheduler: Scheduler): [number, number][] {
  return scheduler.schedule().map(({ sequence: { ...before }, sequence: running, start, length }) => {
    expect(before.computed).toBe(start);
    running.computed += length;
    return [start, length];
  });
}

describe('createScheduler', () => {
  it('runs the prompt in pieces, then one token at a time', () => {
    const scheduler = createScheduler({ maxRunning: 1, maxWaiting: 1, prefillTokens: 4 });
    const one = sequence(10);
    scheduler.add([one]);
    expect([turn(scheduler), turn(scheduler), turn(scheduler)]).toEqual([[[0, 4]], [[4, 4]], [[8, 2]]]);
    one.tokens.push(5);
    expect(turn(scheduler)).toEqual([[10, 1]]);
  });

  it.each([
    [
      'a run that fits',
      [{ start: 1, length: 3 }],
      [
        [0, 4],
        [4, 4],
        [8, 2],
      ],
    ],
    [
      'a run across the border',
      [{ start: 2, length: 3 }],
      [
        [0, 2],
        [2, 4],
        [6, 4],
      ],
    ],
    [
      'a run longer than a piece',
      [{ start: 1, length: 7 }],
      [
        [0, 1],
        [1, 7],
        [8, 2],
      ],
    ],
    [
      'a run from the start',
      [{ start: 0, length: 9 }],
      [
        [0, 9],
        [9, 1],
      ],
    ],
    [
      'a run to the end',
      [{ start: 3, length: 7 }],
      [
        [0, 3],
        [3, 7],
      ],
    ],
  ])('never cuts %s', (_name, runs, pieces) => {
    const scheduler = createScheduler({ maxRunning: 1, maxWaiting: 1, prefillTokens: 4 });
    scheduler.add([sequence(10, runs)]);
    expect(pieces.map(() => turn(scheduler)).flat()).toEqual(pieces);
  });

  it('takes turns: first come, first served', () => {
    const scheduler = createScheduler({ maxRunning: 1, maxWaiting: 2, prefillTokens: 8 });
    const [first, second] = [sequence(3), sequence(5)];
    scheduler.add([first]);
    scheduler.add([second]);
    expect(scheduler.schedule().map((work) => work.sequence)).toEqual([first]);
    expect(scheduler.counts()).toEqual({ running: 1, waiting: 1 });
    scheduler.remove(first);
    expect(scheduler.schedule().map((work) => work.sequence)).toEqual([second]);
    scheduler.remove(second);
    expect(scheduler.schedule()).toEqual([]);
  });

  it('batches prefill and decode as soon as it may run more than one', () => {
    const scheduler = createScheduler({ maxRunning: 2, maxWaiting: 0, prefillTokens: 8 });
    const first = sequence(3);
    scheduler.add([first]);
    expect(turn(scheduler)).toEqual([[0, 3]]);
    first.tokens.push(1);
    scheduler.add([sequence(20)]);
    expect(turn(scheduler)).toEqual([
      [3, 1],
      [0, 8],
    ]);
    expect(() => scheduler.add([sequence(1)])).toThrow(RequestError);
  });

  it('drops a sequence that waits', () => {
    const scheduler = createScheduler({ maxRunning: 1, maxWaiting: 2, prefillTokens: 8 });
    const [first, second] = [sequence(3), sequence(5)];
    scheduler.add([first]);
    scheduler.add([second]);
    scheduler.remove(first);
    expect(scheduler.schedule().map((work) => work.sequence)).toEqual([second]);
  });

  it('refuses more than may wait, and only then', () => {
    const scheduler = createScheduler({ maxRunning: 1, maxWaiting: 1, prefillTokens: 8 });
    const [first, second] = [sequence(1), sequence(1)];
    scheduler.add([first]);
    scheduler.schedule();
    scheduler.add([second]);
    expect(() => scheduler.add([sequence(1)])).toThrow(RequestError);
    scheduler.remove(second);
    scheduler.add([sequence(1)]);
  });
});
