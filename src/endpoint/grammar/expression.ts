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

export function childrenOf(expression: Expression): readonly Expression[] {
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
