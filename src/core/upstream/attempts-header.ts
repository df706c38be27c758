import type { Attempt, Run } from './attempt.ts';
import type { Fault } from './fault.ts';

/** Tells a client which upstreams its request went to: `eu-1=503, us-1=ok`. */
export const ATTEMPTS_HEADER = 'x-vora-attempts';

/** In the order of the calls; `pending` where the headers leave before the outcome is known. */
export function attemptsHeader({ attempts, bound }: Run): string {
  return attempts.map((attempt, i) => `${attempt.candidate.name}=${attemptWord(attempt, i === bound)}`).join(', ');
}

/** What became of an attempt, in one word. */
export function attemptWord({ end }: Attempt, isBound: boolean): string {
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
