import type { Configuration, Machine } from './machine.ts';
import type { Vocabulary } from './vocabulary.ts';

/** Whether a text can be ended well with at most so many tokens more. */
export type Ending = (from: Configuration, tokens: number) => boolean;

/**
 * Counts the tokens of one shortest end, each the longest that fits: an upper bound of what it takes. Whoever takes the
 * first of them has an end that takes one less, so that a text which can be ended in time stays so.
 */
export function createEnding(machine: Machine, vocabulary: Vocabulary): Ending {
  const counts = new WeakMap<Configuration, number>();

  /** From here on along the shortest end, by the longest token. */
  function afterToken(from: Configuration): Configuration {
    let at = from;
    let node = 0;
    let reached: Configuration | null = null;
    while (at.bytesLeft > 0) {
      const byte = machine.byteToEnd(at);
      const child = childOf(node, byte, vocabulary);
      const next = child === null ? null : machine.step(at, byte);
      if (child === null || next === null) {
        break;
      }
      at = next;
      node = child;
      reached = (vocabulary.firsts[node] ?? 0) < (vocabulary.firsts[node + 1] ?? 0) ? at : reached;
    }
    if (reached === null) {
      throw new Error('a byte without a token of its own');
    }
    return reached;
  }

  return (from, tokens) => {
    // Each byte has a token of its own, and an end token may have to say that a text ends which could go on.
    if (from.bytesLeft + 1 <= tokens) {
      return true;
    }
    if (from.bytesLeft > tokens * vocabulary.deepest) {
      return false;
    }
    const path: Configuration[] = [];
    let at = from;
    let count = counts.get(at);
    for (; count === undefined && at.bytesLeft > 0 && path.length <= tokens; count = counts.get(at)) {
      path.push(at);
      at = afterToken(at);
    }
    if (count === undefined && at.bytesLeft > 0) {
      return false;
    }
    let behind = count ?? (at.frames.length === 0 ? 0 : 1);
    for (const before of path.toReversed()) {
      behind += 1;
      counts.set(before, behind);
    }
    return behind <= tokens;
  };
}

/** The node to which a byte leads, or null. */
function childOf(node: number, byte: number, { bytes, ends }: Vocabulary): number | null {
  const end = ends[node] ?? 0;
  for (let child = node + 1; child < end; child = ends[child] ?? end) {
    if (bytes[child] === byte) {
      return child;
    }
  }
  return null;
}
