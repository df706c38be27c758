import type { Usage } from '../src/core/protocol/chat-response.ts';
import { attemptWord } from '../src/core/upstream/attempts-header.ts';
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
}

/** @param tallies one for each attempt. */
export function ledgerEntry(
  request: string,
  model: string,
  { attempts, bound }: Run<Upstream>,
  tallies: readonly Tally[],
): LedgerEntry {
  const calls = attempts.map((attempt, i) => ({
    upstream: attempt.candidate.name,
    model: attempt.candidate.serves,
    outcome: attemptWord(attempt, i === bound),
    pieces: tallies[i]?.pieces ?? 0,
    usage: tallies[i]?.usage ?? null,
  }));
  return { request, model, calls, billed: bound };
}
