/**
 * A finite automaton over numbers: bytes, or the code points of text. It begins in state 0 and may be nondeterministic;
 * every state can be left towards an end (see `trim`), so that whoever follows it is never stuck.
 */
export interface Automaton {
  /** Edges out of each state. */
  readonly edges: readonly (readonly Edge[])[];
  /** Whether the automaton may end in a state. */
  readonly accepts: readonly boolean[];
}

/** Taken by every number from `low` to `high`, both included. */
export interface Edge {
  readonly low: number;
  readonly high: number;
  readonly to: number;
}

/** An automaton in the making: states are numbers, handed out in order. */
export class AutomatonBuilder {
  readonly #edges: Edge[][] = [];
  readonly #accepts: boolean[] = [];

  get states(): number {
    return this.#edges.length;
  }

  add(accepts = false): number {
    this.#edges.push([]);
    return this.#accepts.push(accepts) - 1;
  }

  accept(state: number): void {
    this.#accepts[state] = true;
  }

  connect(from: number, low: number, high: number, to: number): void {
    this.#edges[from]?.push({ low, high, to });
  }

  /** Null when no state that accepts can be reached. */
  build(): Automaton | null {
    return trim({ edges: this.#edges, accepts: this.#accepts });
  }
}

/** The same automaton without the states that are not on a way from the beginning to an end; null when none is. */
export function trim({ edges, accepts }: Automaton): Automaton | null {
  const reached = reach([0], (state) => (edges[state] ?? []).map(({ to }) => to));
  const backwards: number[][] = edges.map(() => []);
  for (const [from, out] of edges.entries()) {
    for (const { to } of out) {
      backwards[to]?.push(from);
    }
  }
  const ends = accepts.flatMap((accepting, state) => (accepting ? [state] : []));
  const alive = reach(ends, (state) => backwards[state] ?? []);
  if (!alive.has(0)) {
    return null;
  }
  const kept = [...reached].filter((state) => alive.has(state)).sort((a, b) => a - b);
  const renamed = new Map(kept.map((state, index) => [state, index]));
  return {
    edges: kept.map((state) =>
      (edges[state] ?? []).flatMap(({ low, high, to }) => {
        const target = renamed.get(to);
        return target === undefined ? [] : [{ low, high, to: target }];
      }),
    ),
    accepts: kept.map((state) => accepts[state] ?? false),
  };
}

function reach(from: readonly number[], neighbours: (state: number) => readonly number[]): Set<number> {
  const found = new Set(from);
  // A set that grows while it is walked visits what is added.
  for (const state of found) {
    for (const next of neighbours(state)) {
      found.add(next);
    }
  }
  return found;
}

/** One of the given byte strings, as a tree of their common beginnings. */
export function oneOf(texts: readonly Uint8Array[]): Automaton | null {
  const builder = new AutomatonBuilder();
  const children = new Map<string, number>();
  builder.add();
  for (const text of texts) {
    let state = 0;
    for (const byte of text) {
      const key = `${state} ${byte}`;
      let next = children.get(key);
      if (next === undefined) {
        next = builder.add();
        children.set(key, next);
        builder.connect(state, byte, byte, next);
      }
      state = next;
    }
    builder.accept(state);
  }
  return builder.build();
}
