import type { Attempt, Run } from './attempt.ts';
import type { Candidate } from './choice.ts';
import type { Fault } from './fault.ts';

/** Tells a client which upstreams its request went to: `eu-1=503, us-1=ok`. */
export const ATTEMPTS_HEADER = 'x-vora-attempts';

/** Attempts side by side of one upstream with one outcome, as polls of a server that starts. */
export interface AttemptGroup<C extends Candidate = Candidate> {
  /** Index of the first of them. */
  at: number;
  candidate: C;
  word: string;
  times: number;
}

/**
 * In the order of the calls.
 *
 * @param standsAlone whether an attempt, by its index, joins no others; the one that the request is bound to never does.
 */
export function groupAttempts<C extends Candidate>(
  { attempts, bound }: Pick<Run<C>, 'attempts' | 'bound'>,
  standsAlone: (attempt: number) => boolean = () => false,
): AttemptGroup<C>[] {
  const groups: AttemptGroup<C>[] = [];
  const joins = (at: number): boolean => at !== bound && !standsAlone(at);
  for (const [at, attempt] of attempts.entries()) {
    const word = attemptWord(attempt, at === bound);
    const last = groups.at(-1);
    if (last?.candidate.name === attempt.candidate.name && last.word === word && joins(at) && joins(last.at)) {
      last.times++;
    } else {
      groups.push({ at, candidate: attempt.candidate, word, times: 1 });
    }
  }
  return groups;
}

/** `pending` where the headers leave before the outcome is known. */
export function attemptsHeader(run: Run): string {
  return groupAttempts(run)
    .map(({ candidate, word, times }) => `${candidate.name}=${word}${times === 1 ? '' : `;times=${times}`}`)
    .join(', ');
}

/** What became of an attempt, in one word. */
function attemptWord({ end }: Attempt, isBound: boolean): string {
  switch (end.kind) {
    case 'asked':
    case 'answering':
      return isBound ? 'ok' : 'pending';
    case 'whole':
      return 'ok';
    case 'dropped':
      return 'dropped';
    case 'failed':
      return faultWord(end.fault);
  }
}

function faultWord({ kind, failure }: Fault): string {
  if (kind !== 'failing') {
    return kind === 'request' ? 'refused' : kind;
  }
  return failure.kind === 'upstream-rejected' ? String(failure.status) : failure.kind.replace('upstream-', '');
}
