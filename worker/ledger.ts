import type { FinishReason, Usage } from '../src/core/protocol/answer-delta.ts';
import { groupAttempts } from '../src/core/upstream/attempts-header.ts';
import type { Run } from '../src/core/upstream/attempt.ts';
import type { Upstream } from './upstream-config.ts';

/** What one attempt has brought so far. */
export interface Tally {
  /** Pieces of the answer; a token or a few each. What is left to count by where upstream gives no count. */
  pieces: number;
  /** Upstream's own last count, or null where it has given none. */
  usage: Usage | null;
  /** When the first piece came, or null. */
  firstMs: number | null;
  /** Of each choice, once the answer is whole. */
  finishReasons: readonly FinishReason[];
}

export function emptyTally(): Tally {
  return { pieces: 0, usage: null, firstMs: null, finishReasons: [] };
}

/** What one request cost upstream. Names and counts only, so that it may be kept. */
export interface Ledger {
  readonly calls: readonly LedgerCall[];
  /** Which of the calls is billed: the one whose answer the client got, all of it or up to where it broke off or left. */
  readonly billed: number | null;
}

/** The tally is of a whole answer, or of what came until it ended. */
export interface LedgerCall extends Readonly<Tally> {
  readonly upstream: string;
  /** The model that answered, as our clients know it. */
  readonly model: string;
  /** `ok`, `dropped`, `pending`, a status, or how it failed; as in the header of attempts. */
  readonly outcome: string;
  /** Polls of a server that starts are one entry, as are others side by side that brought nothing. */
  readonly times: number;
}

export const NO_CALLS: Ledger = { calls: [], billed: null };

/** @param tallies one for each attempt. */
export function ledgerOf(run: Pick<Run<Upstream>, 'attempts' | 'bound'>, tallies: readonly Tally[]): Ledger {
  // What an attempt has brought has an entry of its own: no token is lost to a group.
  const groups = groupAttempts(run, (at) => isCounted(tallies[at] ?? emptyTally()));
  const calls = groups.map(({ at, candidate, word, times }) => ({
    upstream: candidate.name,
    model: candidate.serves,
    outcome: word,
    times,
    ...(tallies[at] ?? emptyTally()),
  }));
  const billed = groups.findIndex(({ at }) => at === run.bound);
  return { calls, billed: billed < 0 ? null : billed };
}

function isCounted({ pieces, usage }: Tally): boolean {
  return pieces > 0 || usage !== null;
}
