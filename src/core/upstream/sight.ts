/** What one answer of a self-test showed. */
export interface Look {
  /** Null where upstream counts nothing. */
  promptTokens: number | null;
  text: string;
  /** Natural logarithms of the answer's tokens; empty where upstream does not tell. */
  logprobs: readonly number[];
}

/** The same question at temperature 0: without a picture, about one, about the same one again, about another. */
export interface Looks {
  none: Look;
  first: Look;
  again: Look;
  second: Look;
}

/**
 * `seen`: another picture gives another answer, though the same one gives the same. `blind`: the picture became no prompt
 * tokens, or another picture changes nothing. `unproven`: neither is certain.
 */
export type Sight = 'seen' | 'blind' | 'unproven';

/** How far an answer moves by itself, at most, to count as the same; batching on a GPU moves logprobs by some 0.01. */
const NOISE_FACTOR = 4;
/** Least difference of a logprob that is no rounding; servers write four digits or more. */
const LEAST_DIFFERENCE = 1e-3;
/** Below this a token was certain, and would be with any picture. */
const CERTAIN_LOGPROB = -1e-3;

export interface SightReport {
  sight: Sight;
  why: string;
}

/** The report of an isolate's last test of an upstream, and when it is to be made again. */
export interface KnownSight {
  report: Promise<SightReport>;
  until: number;
}

/**
 * What four answers prove.
 *
 * Counts prove that the picture's tokens are in the prompt, not that they are the picture's. Logprobs prove that: a
 * picture that reaches the model moves them, if only in the third digit, whatever the model makes of it. Without them
 * there is the text alone: two texts prove sight, one text proves nothing, since a weak model may call everything a dog.
 *
 * @param imageTokens prompt tokens that a picture must become, at least.
 */
export function judgeSight({ none, first, again, second }: Looks, imageTokens: number): SightReport {
  const wanted = Math.max(1, imageTokens);
  if (none.promptTokens !== null && first.promptTokens !== null) {
    const added = first.promptTokens - none.promptTokens;
    if (added < wanted) {
      return { sight: 'blind', why: `a picture added ${added} prompt tokens, and must add at least ${wanted}` };
    }
  }
  const noise = difference(first, again);
  const signal = difference(first, second);
  if (noise === Infinity) {
    return { sight: 'unproven', why: 'the same picture got two different answers at temperature 0' };
  }
  if (signal > Math.max(NOISE_FACTOR * noise, LEAST_DIFFERENCE)) {
    return { sight: 'seen', why: 'two pictures got two answers' };
  }
  const isTelling = [first, second].every(({ logprobs }) => logprobs.some((logprob) => logprob < CERTAIN_LOGPROB));
  return signal === 0 && isTelling
    ? { sight: 'blind', why: 'two pictures got the same answer with the same logprobs' }
    : { sight: 'unproven', why: 'two pictures got the same answer' };
}

/** The largest difference of a token's logprob; infinite where the texts differ. */
function difference(a: Look, b: Look): number {
  if (a.text !== b.text || a.logprobs.length !== b.logprobs.length) {
    return Infinity;
  }
  return Math.max(0, ...a.logprobs.map((logprob, i) => Math.abs(logprob - (b.logprobs[i] ?? 0))));
}
