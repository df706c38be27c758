import { RequestError } from '../core/protocol/failure.ts';
import { type Sequence, sequenceLength } from './sequence.ts';

/** Positions of one sequence that the next run computes; the last one's logits give the next token. */
export interface Work {
  readonly sequence: Sequence;
  readonly start: number;
  readonly length: number;
}

export interface SchedulerLimits {
  /** Sequences in one run. */
  maxRunning: number;
  /** Sequences that may wait for a place; more are refused. */
  maxWaiting: number;
  /** Prompt positions of one sequence in one run, unless an image run is longer. */
  prefillTokens: number;
  /** How many positions of a prompt need not be computed; asked as it gets its place. None by default. */
  resume?: (sequence: Sequence) => number;
}

export interface Scheduler {
  /**
   * Takes all sequences of one request, or none.
   *
   * @throws RequestError `overloaded` when too many wait already, `invalid-request` when there is never room for so many.
   */
  add(sequences: readonly Sequence[]): void;
  /** What to run next: at most one piece for each running sequence, empty when there is nothing to do. */
  schedule(): Work[];
  /** Takes a finished or aborted sequence out, wherever it is. */
  remove(sequence: Sequence): void;
  counts(): { running: number; waiting: number };
}

const RETRY_AFTER_SECONDS = 1;

/**
 * Decides which sequences run and how far; first come, first served. It knows counts and positions only: no tensors,
 * no clock. Prefill and decode are one case: a sequence is behind by some positions, and those are what it runs.
 */
export function createScheduler({
  maxRunning,
  maxWaiting,
  prefillTokens,
  resume = () => 0,
}: SchedulerLimits): Scheduler {
  const waiting: Sequence[] = [];
  const running: Sequence[] = [];

  function add(sequences: readonly Sequence[]): void {
    const places = maxRunning + maxWaiting;
    if (sequences.length > places) {
      const message = `n: found ${sequences.length}; this endpoint makes at most ${places} answers of one prompt`;
      throw new RequestError({ kind: 'invalid-request', param: 'n', message });
    }
    if (running.length + waiting.length + sequences.length > places) {
      throw new RequestError({ kind: 'overloaded', retryAfterSeconds: RETRY_AFTER_SECONDS });
    }
    waiting.push(...sequences);
  }

  function schedule(): Work[] {
    for (const sequence of waiting.splice(0, maxRunning - running.length)) {
      if (sequence.computed === 0) {
        sequence.reused = resume(sequence);
        sequence.computed = sequence.reused;
      }
      running.push(sequence);
    }
    return running.map((sequence) => {
      const start = sequence.computed;
      return { sequence, start, length: runEnd(sequence, prefillTokens) - start };
    });
  }

  function remove(sequence: Sequence): void {
    for (const queue of [waiting, running]) {
      const index = queue.indexOf(sequence);
      if (index !== -1) {
        queue.splice(index, 1);
      }
    }
  }

  return { add, schedule, remove, counts: () => ({ running: running.length, waiting: waiting.length }) };
}

/**
 * How far a sequence may run now. An image run is never cut: its first token attends to its last, whose key must be
 * there, so a run that does not fit begins the next piece and goes through whole.
 */
function runEnd(sequence: Sequence, prefillTokens: number): number {
  const end = Math.min(sequence.computed + prefillTokens, sequenceLength(sequence));
  const cut = sequence.prompt.runs.find((run) => run.start < end && end < run.start + run.length);
  if (cut === undefined) {
    return end;
  }
  return cut.start > sequence.computed ? cut.start : cut.start + cut.length;
}
