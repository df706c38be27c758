import type { Automaton } from '../../src/endpoint/grammar/automaton.ts';

/** Whether an automaton accepts a sequence of numbers, by following all its ways. */
export function accepts({ edges, accepts: ends }: Automaton, input: Iterable<number>): boolean {
  let states = new Set([0]);
  for (const value of input) {
    const next = [...states]
      .flatMap((state) => edges[state] ?? [])
      .filter(({ low, high }) => low <= value && value <= high);
    states = new Set(next.map(({ to }) => to));
  }
  return [...states].some((state) => ends[state]);
}

export function codePoints(text: string): number[] {
  return Array.from(text, (character) => character.codePointAt(0) ?? 0);
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
