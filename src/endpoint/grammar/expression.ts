import type { Automaton } from './automaton.ts';

/** A grammar over bytes, as a graph: rules may stand inside themselves. */
export type Expression =
  | { readonly kind: 'literal'; readonly bytes: Uint8Array }
  | { readonly kind: 'automaton'; readonly automaton: Automaton }
  | { readonly kind: 'sequence'; readonly parts: readonly Expression[] }
  | { readonly kind: 'choice'; readonly options: readonly Expression[] }
  | Repeat
  | Members
  | Rule;

/** `item` from `min` to `max` times; `next` is a later one, with what separates it from the one before. */
export interface Repeat {
  readonly kind: 'repeat';
  readonly item: Expression;
  readonly next: Expression;
  readonly min: number;
  readonly max: number;
}

/** Members in a fixed order, each at most once and some left out; after them any number of `rest`. */
export interface Members {
  readonly kind: 'members';
  readonly members: readonly { readonly expression: Expression; readonly required: boolean }[];
  readonly rest: Expression | null;
  readonly separator: Expression;
}

/** A name for an expression that is known later. */
export interface Rule {
  readonly kind: 'rule';
  body: Expression;
}

const utf8 = new TextEncoder();

export function literal(text: string): Expression {
  return { kind: 'literal', bytes: utf8.encode(text) };
}

export function sequence(...parts: readonly Expression[]): Expression {
  return { kind: 'sequence', parts };
}

export function choice(...options: readonly Expression[]): Expression {
  return { kind: 'choice', options };
}

/** What nothing can be. */
export const NOTHING: Expression = choice();

/** An automaton's texts; null is none. */
export function texts(automaton: Automaton | null): Expression {
  return automaton === null ? NOTHING : { kind: 'automaton', automaton };
}

export function repeat(item: Expression, min: number, max: number, separator?: Expression): Expression {
  return { kind: 'repeat', item, next: separator === undefined ? item : sequence(separator, item), min, max };
}

/** A rule whose body may mention the rule itself. */
export function rule(bodyOf: (self: Rule) => Expression): Rule {
  const self: Rule = { kind: 'rule', body: NOTHING };
  self.body = bodyOf(self);
  return self;
}

/**
 * The expressions that no text ever matches, such as an object that must hold itself. They are never entered, so that
 * every text that has been begun can be ended.
 */
export function findDead(root: Expression): ReadonlySet<Expression> {
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
  // From what can be for certain to whatever that makes possible.
  const alive = new Set<Expression>();
  const toLookAt = new Set(all);
  for (const expression of toLookAt) {
    toLookAt.delete(expression);
    if (!alive.has(expression) && canBe(expression, alive)) {
      alive.add(expression);
      for (const user of users.get(expression) ?? []) {
        toLookAt.add(user);
      }
    }
  }
  return new Set([...all].filter((expression) => !alive.has(expression)));
}

function childrenOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'literal':
    case 'automaton':
      return [];
    case 'sequence':
      return expression.parts;
    case 'choice':
      return expression.options;
    case 'repeat':
      return [expression.item, expression.next];
    case 'members':
      return [
        ...expression.members.map((member) => member.expression),
        ...(expression.rest === null ? [] : [expression.rest]),
        expression.separator,
      ];
    case 'rule':
      return [expression.body];
  }
}

function canBe(expression: Expression, alive: ReadonlySet<Expression>): boolean {
  switch (expression.kind) {
    case 'literal':
    case 'automaton':
      return true;
    case 'sequence':
      return expression.parts.every((part) => alive.has(part));
    case 'choice':
      return expression.options.some((option) => alive.has(option));
    case 'repeat':
      return (
        expression.min === 0 || (alive.has(expression.item) && (expression.min === 1 || alive.has(expression.next)))
      );
    case 'members':
      return expression.members.every((member) => !member.required || alive.has(member.expression));
    case 'rule':
      return alive.has(expression.body);
  }
}
