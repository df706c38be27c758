import type { Automaton } from './automaton.ts';
import { childrenOf, type Expression, type Members } from './expression.ts';

/**
 * Fewest bytes of a text of each expression. Those that no text ever matches, such as an object that must hold itself,
 * are absent: they are never entered, so that every text that has been begun can be ended.
 */
export function findShortest(root: Expression): ReadonlyMap<Expression, number> {
  const all = new Set([root]);
  const users = new Map<Expression, Expression[]>();
  for (const expression of all) {
    for (const child of childrenOf(expression)) {
      all.add(child);
      const known = users.get(child);
      if (known === undefined) {
        users.set(child, [expression]);
      } else {
        known.push(expression);
      }
    }
  }
  // From what has a text for certain to whatever gets one by that, or a shorter one.
  const shortest = new Map<Expression, number>();
  const toLookAt = new Set(all);
  for (const expression of toLookAt) {
    toLookAt.delete(expression);
    const bytes = textBytes(expression, shortest);
    if (bytes < (shortest.get(expression) ?? Infinity)) {
      shortest.set(expression, bytes);
      for (const user of users.get(expression) ?? []) {
        toLookAt.add(user);
      }
    }
  }
  return shortest;
}

/** Infinite where no text is known yet. */
function textBytes(expression: Expression, shortest: ReadonlyMap<Expression, number>): number {
  const of = (part: Expression): number => shortest.get(part) ?? Infinity;
  switch (expression.kind) {
    case 'literal':
      return expression.bytes.length;
    case 'automaton':
      return distancesOf(expression.automaton)[0] ?? Infinity;
    case 'sequence':
      return expression.parts.reduce((sum, part) => sum + of(part), 0);
    case 'choice':
      return Math.min(...expression.options.map(of));
    case 'repeat':
      return expression.min === 0 ? 0 : of(expression.item) + times(expression.min - 1, of(expression.next));
    case 'members': {
      const required = expression.members.filter((member) => member.required);
      const bytes = required.reduce((sum, member) => sum + of(member.expression), 0);
      return bytes + times(required.length - 1, of(expression.separator));
    }
    case 'rule':
      return of(expression.body);
  }
}

/**
 * Fewest bytes from a position in an expression to its end.
 *
 * @param position as a frame of the machine counts it.
 */
export type BytesLeft = (expression: Expression, position: number) => number;

/** @param shortest of all expressions that are asked about. */
export function createBytesLeft(shortest: ReadonlyMap<Expression, number>): BytesLeft {
  const of = (part: Expression): number => shortest.get(part) ?? Infinity;
  const sequences = new Map<Expression, Float64Array>();
  const members = new Map<Expression, { bytes: Float64Array; count: Float64Array }>();

  /** For each part of a sequence, what it and those behind it take. */
  function partsLeft(expression: Extract<Expression, { kind: 'sequence' }>): Float64Array {
    let left = sequences.get(expression);
    if (left === undefined) {
      left = suffixSums(expression.parts.map(of));
      sequences.set(expression, left);
    }
    return left;
  }

  /** For each member, what the required ones from it on take, and how many they are. */
  function membersLeft(expression: Members): { bytes: Float64Array; count: Float64Array } {
    let left = members.get(expression);
    if (left === undefined) {
      left = {
        bytes: suffixSums(expression.members.map((member) => (member.required ? of(member.expression) : 0))),
        count: suffixSums(expression.members.map((member) => (member.required ? 1 : 0))),
      };
      members.set(expression, left);
    }
    return left;
  }

  return (expression, position) => {
    switch (expression.kind) {
      case 'literal':
        return expression.bytes.length - position;
      case 'automaton':
        return distancesOf(expression.automaton)[position] ?? Infinity;
      case 'sequence':
        return partsLeft(expression)[position] ?? 0;
      case 'repeat':
        return position === 0 ? of(expression) : times(expression.min - position, of(expression.next));
      case 'members': {
        const { bytes, count } = membersLeft(expression);
        const passed = Math.floor(position / 2);
        const separators = (count[passed] ?? 0) - (position % 2 === 1 ? 0 : 1);
        return (bytes[passed] ?? 0) + times(separators, of(expression.separator));
      }
      case 'choice':
      case 'rule':
        return of(expression);
    }
  };
}

const distances = new WeakMap<Automaton, readonly number[]>();

/** From each state, the fewest steps to one that accepts. */
function distancesOf(automaton: Automaton): readonly number[] {
  let known = distances.get(automaton);
  if (known === undefined) {
    known = measure(automaton);
    distances.set(automaton, known);
  }
  return known;
}

function measure({ edges, accepts }: Automaton): number[] {
  const backwards: number[][] = edges.map(() => []);
  for (const [from, out] of edges.entries()) {
    for (const { to } of out) {
      backwards[to]?.push(from);
    }
  }
  const found = accepts.map((accepting) => (accepting ? 0 : Infinity));
  // Breadth first; a set that grows while it is walked visits what is added.
  const reached = new Set(accepts.flatMap((accepting, state) => (accepting ? [state] : [])));
  for (const state of reached) {
    for (const before of backwards[state] ?? []) {
      if (!reached.has(before)) {
        found[before] = (found[state] ?? 0) + 1;
        reached.add(before);
      }
    }
  }
  return found;
}

/** Without the case of nothing times infinity. */
function times(count: number, bytes: number): number {
  return count <= 0 ? 0 : count * bytes;
}

function suffixSums(values: readonly number[]): Float64Array {
  const sums = new Float64Array(values.length + 1);
  for (let index = values.length - 1; index >= 0; index--) {
    sums[index] = (sums[index + 1] ?? 0) + (values[index] ?? 0);
  }
  return sums;
}
