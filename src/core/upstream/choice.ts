import { standing } from './circuit.ts';
import { circuitOf, type Fleet } from './fleet.ts';
import { distance, type Near, type Place } from './region.ts';

/** What a choice must know of an upstream. */
export interface Candidate {
  /** Unique; told to clients in the header of attempts. */
  name: string;
  /** Share beside others of the same distance, over 0. */
  weight: number;
  near: Near;
  /** Longest wait for the first piece of an answer. */
  firstByteMs: number;
  /** How long it may take to start from zero; 0 where it is always up. */
  coldStartMs: number;
}

/**
 * Whom to call first: at the nearest distance where one stands ready, there the one that is due to be probed, else by
 * weight.
 *
 * @param candidates of one model; those that must not be called are left out.
 * @param random 0 to 1.
 */
export function choose<C extends Candidate>(
  candidates: readonly C[],
  { place, fleet, now, random }: { place: Place; fleet: Fleet; now: number; random: number },
): C | null {
  const ready = candidates.flatMap((candidate) => {
    const { kind } = standing(circuitOf(fleet, candidate.name), now);
    const far = distance(candidate.near, place);
    return kind === 'ready' || kind === 'due' ? [{ candidate, far, kind }] : [];
  });
  const nearest = Math.min(...ready.map(({ far }) => far));
  const near = ready.filter(({ far }) => far === nearest);
  const due = near.find(({ kind }) => kind === 'due');
  const all = near.map(({ candidate }) => candidate);
  return due?.candidate ?? byWeight(all, random);
}

function byWeight<C extends Candidate>(candidates: readonly C[], random: number): C | null {
  let rest = random * candidates.reduce((sum, { weight }) => sum + weight, 0);
  for (const candidate of candidates) {
    rest -= candidate.weight;
    if (rest < 0) {
      return candidate;
    }
  }
  // A random number that rounds up to all of the weight.
  return candidates.at(-1) ?? null;
}
