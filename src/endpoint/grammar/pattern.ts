import { PATTERN_STATES_MAX } from '../../core/limits.ts';
import { type Automaton, AutomatonBuilder, type Edge } from './automaton.ts';
import { LAST_CODE_POINT, parsePattern, type Pattern } from './pattern-syntax.ts';
import { UnsupportedSchema } from './unsupported-schema.ts';
import type { WorkBudget } from './work-budget.ts';

/**
 * The texts in which a pattern is found, as a deterministic automaton over code points. A pattern without anchors may
 * stand anywhere in the text, as in JSON Schema.
 *
 * @returns null when no text matches.
 * @throws UnsupportedSchema for what cannot be read, and for patterns of too many states.
 */
export function patternAutomaton(source: string, budget: WorkBudget): Automaton | null {
  return determine(buildNfa(parsePattern(source)), budget);
}

/** Thompson's construction: edges over code points, steps for nothing, and steps only at the text's start or end. */
interface Nfa {
  readonly edges: Edge[][];
  readonly free: number[][];
  readonly atStart: number[][];
  readonly atEnd: number[][];
  readonly final: number;
}

function buildNfa(pattern: Pattern): Nfa {
  const nfa = { edges: [] as Edge[][], free: [] as number[][], atStart: [] as number[][], atEnd: [] as number[][] };

  function add(): number {
    if (nfa.edges.length >= PATTERN_STATES_MAX) {
      throw new UnsupportedSchema('', `a pattern of over ${PATTERN_STATES_MAX} states`);
    }
    nfa.free.push([]);
    nfa.atStart.push([]);
    nfa.atEnd.push([]);
    return nfa.edges.push([]) - 1;
  }

  /** Everything that `part` matches from a state on; returns the state behind it. Each call adds a state. */
  function append(part: Pattern, from: number): number {
    const to = add();
    switch (part.kind) {
      case 'set':
        nfa.edges[from]?.push(...part.ranges.map(({ low, high }) => ({ low, high, to })));
        break;
      case 'start':
        nfa.atStart[from]?.push(to);
        break;
      case 'end':
        nfa.atEnd[from]?.push(to);
        break;
      case 'sequence': {
        const last = part.parts.reduce((state, inner) => append(inner, state), from);
        nfa.free[last]?.push(to);
        break;
      }
      case 'choice':
        for (const option of part.options) {
          nfa.free[append(option, from)]?.push(to);
        }
        break;
      case 'repeat':
        appendRepeat(part, from, to);
    }
    return to;
  }

  function appendRepeat({ item, min, max }: Pattern & { kind: 'repeat' }, from: number, to: number): void {
    let state = from;
    for (let count = 0; count < min; count++) {
      state = append(item, state);
    }
    if (max === Infinity) {
      // A state of its own: what comes back here must not take edges that begin elsewhere.
      const loop = add();
      nfa.free[state]?.push(loop);
      nfa.free[append(item, loop)]?.push(loop);
      state = loop;
    }
    const optional = max === Infinity ? 0 : max - min;
    for (let count = 0; count < optional; count++) {
      nfa.free[state]?.push(to);
      state = append(item, state);
    }
    nfa.free[state]?.push(to);
  }

  const anything: Pattern = {
    kind: 'repeat',
    item: { kind: 'set', ranges: [{ low: 0, high: LAST_CODE_POINT }] },
    min: 0,
    max: Infinity,
  };
  const final = append({ kind: 'sequence', parts: [anything, pattern, anything] }, add());
  return { ...nfa, final };
}

/** The subset construction. */
function determine(nfa: Nfa, budget: WorkBudget): Automaton | null {
  const builder = new AutomatonBuilder();
  const sets = new Map<string, { state: number; members: readonly number[] }>();
  const queue: { state: number; members: readonly number[] }[] = [];

  function closure(from: Iterable<number>, ...steps: readonly (readonly number[][])[]): Set<number> {
    const found = new Set(from);
    for (const state of found) {
      for (const table of steps) {
        for (const next of table[state] ?? []) {
          found.add(next);
        }
      }
    }
    // A step of a set costs as much as a few plain ones.
    budget.spend(8 * found.size);
    return found;
  }

  function stateOf(members: Set<number>, first: boolean): number {
    const sorted = [...members].sort((a, b) => a - b);
    // The first state may step over `^` at its end still, so it is no other's equal.
    const key = `${first ? 'first' : ''}${sorted.join()}`;
    const known = sets.get(key);
    if (known !== undefined) {
      return known.state;
    }
    const ends = closure(members, nfa.free, nfa.atEnd, ...(first ? [nfa.atStart] : []));
    const entry = { state: builder.add(ends.has(nfa.final)), members: sorted };
    sets.set(key, entry);
    queue.push(entry);
    return entry.state;
  }

  stateOf(closure([0], nfa.free, nfa.atStart), true);
  for (const { state, members } of queue) {
    const edges = members.flatMap((member) => nfa.edges[member] ?? []);
    const borders = bordersOf(edges);
    budget.spend(borders.length * edges.length);
    for (const { low, high, targets } of pieces(edges, borders)) {
      builder.connect(state, low, high, stateOf(closure(targets, nfa.free), false));
    }
  }
  return builder.build();
}

/** Where any edge begins, or has ended. */
function bordersOf(edges: readonly Edge[]): number[] {
  return [...new Set(edges.flatMap(({ low, high }) => [low, high + 1]))].sort((a, b) => a - b);
}

/** Overlapping edges cut into ranges that do not overlap, each with all its targets. */
function pieces(
  edges: readonly Edge[],
  borders: readonly number[],
): { low: number; high: number; targets: number[] }[] {
  const found: { low: number; high: number; targets: number[] }[] = [];
  for (const [index, low] of borders.slice(0, -1).entries()) {
    const high = (borders[index + 1] ?? 0) - 1;
    const targets = [...new Set(edges.filter((edge) => edge.low <= low && high <= edge.high).map(({ to }) => to))];
    const last = found.at(-1);
    if (last !== undefined && last.high + 1 === low && last.targets.join() === targets.join()) {
      last.high = high;
    } else if (targets.length > 0) {
      found.push({ low, high, targets });
    }
  }
  return found;
}

/**
 * The texts that both automata accept.
 *
 * @returns null when there is none.
 * @throws UnsupportedSchema when the two together have too many states.
 */
export function intersect(a: Automaton, b: Automaton, budget: WorkBudget): Automaton | null {
  const builder = new AutomatonBuilder();
  const pairs = new Map<number, number>();
  const queue: [number, number, number][] = [];

  function stateOf(left: number, right: number): number {
    const key = left * b.edges.length + right;
    const known = pairs.get(key);
    if (known !== undefined) {
      return known;
    }
    budget.spend(64 * (a.edges[left]?.length ?? 0) * (b.edges[right]?.length ?? 0) + 64);
    const state = builder.add((a.accepts[left] ?? false) && (b.accepts[right] ?? false));
    pairs.set(key, state);
    queue.push([state, left, right]);
    return state;
  }

  stateOf(0, 0);
  for (const [state, left, right] of queue) {
    for (const one of a.edges[left] ?? []) {
      for (const other of b.edges[right] ?? []) {
        const low = Math.max(one.low, other.low);
        const high = Math.min(one.high, other.high);
        if (low <= high) {
          builder.connect(state, low, high, stateOf(one.to, other.to));
        }
      }
    }
  }
  return builder.build();
}

/** Texts of `min` to `max` characters. */
export function lengthAutomaton(min: number, max: number, budget: WorkBudget): Automaton | null {
  const builder = new AutomatonBuilder();
  const states = max === Infinity ? min : max;
  budget.spend(64 * states);
  for (let length = 0; length <= states; length++) {
    builder.add(length >= min);
    if (length > 0) {
      builder.connect(length - 1, 0, LAST_CODE_POINT, length);
    }
  }
  if (max === Infinity) {
    builder.connect(states, 0, LAST_CODE_POINT, states);
  }
  return builder.build();
}
