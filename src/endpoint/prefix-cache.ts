import { byteSize, firstPositions, type KeysValues, positionsOf } from './keys-values.ts';
import { type PromptUnit, promptUnits } from './prompt-units.ts';
import type { Sequence } from './sequence.ts';

/** Keys and values of what was read lately, so that the next turn of a chat reads only what is new in it. */
export interface PrefixCache {
  /**
   * Those of the longest beginning that a prompt has in common with a sequence of its own salt; null where there is none.
   * At least one unit is left to read: its logits give the next token.
   */
  find(sequence: Sequence): KeysValues | null;
  /** Keeps what a sequence leaves behind; the longest unused go where there is no room. */
  keep(sequence: Sequence, cache: KeysValues): void;
}

interface Entry {
  readonly salt: string;
  readonly units: readonly PromptUnit[];
  readonly cache: KeysValues;
  readonly bytes: number;
}

/** @param maxBytes of all keys and values together; 0 keeps none. */
export function createPrefixCache({ maxBytes, hiddenSize }: { maxBytes: number; hiddenSize: number }): PrefixCache {
  /** The latest used last. */
  let entries: Entry[] = [];

  return {
    find({ prompt }) {
      if (entries.length === 0) {
        return null;
      }
      const units = promptUnits(prompt, [], hiddenSize).slice(0, -1);
      let best: { entry: Entry; shared: number } | null = null;
      for (const entry of entries) {
        const shared = entry.salt === saltOf(prompt) ? countShared(entry.units, units) : 0;
        if (shared > (best?.shared ?? 0)) {
          best = { entry, shared };
        }
      }
      if (best === null) {
        return null;
      }
      const { entry, shared } = best;
      entries = [...entries.filter((one) => one !== entry), entry];
      return firstPositions(entry.cache, lengthOf(units.slice(0, shared)));
    },

    keep({ prompt, tokens }, cache) {
      const bytes = byteSize(cache);
      if (bytes > maxBytes) {
        return;
      }
      const units = withinPositions(promptUnits(prompt, tokens, hiddenSize), positionsOf(cache));
      const salt = saltOf(prompt);
      // What the new one begins with is in it.
      const others = entries.filter((one) => one.salt !== salt || countShared(one.units, units) < one.units.length);
      entries = [...others, { salt, units, cache, bytes }];
      while (entries.reduce((sum, entry) => sum + entry.bytes, 0) > maxBytes) {
        entries = entries.slice(1);
      }
    },
  };
}

function saltOf({ cacheSalt = '' }: Sequence['prompt']): string {
  return cacheSalt;
}

/** How many units two lists begin with alike. */
function countShared(a: readonly PromptUnit[], b: readonly PromptUnit[]): number {
  const end = Math.min(a.length, b.length);
  let shared = 0;
  while (shared < end && a[shared]?.key === b[shared]?.key) {
    shared++;
  }
  return shared;
}

function lengthOf(units: readonly PromptUnit[]): number {
  return units.reduce((sum, { length }) => sum + length, 0);
}

/** The units that end within so many positions. */
function withinPositions(units: readonly PromptUnit[], positions: number): PromptUnit[] {
  let end = 0;
  return units.filter(({ length }) => (end += length) <= positions);
}
