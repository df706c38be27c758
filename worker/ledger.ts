import type { Usage } from '../src/core/protocol/answer-delta.ts';
import { groupAttempts } from '../src/core/upstream/attempts-header.ts';
import type { Run } from '../src/core/upstream/attempt.ts';
import type { Upstream } from './upstream-config.ts';

/** What one attempt has brought so far. */
export interface Tally {
  /** Pieces of text; a token or a few each. What is left to count by where upstream gives no count. */
  pieces: number;
  /** Upstream's own last count, or null where it has given none. */
  usage: Usage | null;
}

/**
 * What one request cost upstream, written once: when its answer is whole, has broken off, or its client has left.
 * Names and counts only, so that it may be kept.
 */
export interface LedgerEntry {
  request: string;
  /** The model that was asked for. */
  model: string;
  calls: LedgerCall[];
  /** Which of the calls is billed: the one whose answer the client got, all of it or up to where it broke off or left. */
  billed: number | null;
}

/** The tally is of a whole answer, or of what came until it ended. */
export interface LedgerCall extends Tally {
  upstream: string;
  /** The model that answered, as our clients know it. */
  model: string;
  /** `ok`, `dropped`, `pending`, a status, or how it failed; as in the header of attempts. */
  outcome: string;
  /** Polls of a server that starts are one entry. */
  times: number;
}

/** @param tallies one for each attempt. */
export function ledgerEntry(
  request: string,
  model: string,
  run: Run<Upstream>,
  tallies: readonly Tally[],
): LedgerEntry {
  const groups = groupAttempts(run);
  const calls = groups.map(({ at, candidate, word, times }) => ({
    upstream: candidate.name,
    model: candidate.serves,
    outcome: word,
    times,
    pieces: tallies[at]?.pieces ?? 0,
    usage: tallies[at]?.usage ?? null,
  }));
  const billed = groups.findIndex(({ at }) => at === run.bound);
  return { request, model, calls, billed: billed < 0 ? null : billed };
}
