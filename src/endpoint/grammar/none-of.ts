import { type Automaton, AutomatonBuilder } from './automaton.ts';
import { complement, LAST_CODE_POINT } from './pattern-syntax.ts';

/** All texts but the given ones, over code points: what leaves the tree of these, or stops where none of them ends. */
export function noneOf(names: readonly string[]): Automaton | null {
  const builder = new AutomatonBuilder();
  const taken = new Set(names);
  const nodes = new Map([['', builder.add(!taken.has(''))]]);
  const children = new Map<number, { low: number; high: number }[]>();
  const other = builder.add(true);
  builder.connect(other, 0, LAST_CODE_POINT, other);
  for (const name of taken) {
    let prefix = '';
    for (const character of name) {
      const from = nodes.get(prefix) ?? 0;
      prefix += character;
      if (!nodes.has(prefix)) {
        const point = character.codePointAt(0) ?? 0;
        const node = builder.add(!taken.has(prefix));
        nodes.set(prefix, node);
        builder.connect(from, point, point, node);
        children.set(from, [...(children.get(from) ?? []), { low: point, high: point }]);
      }
    }
  }
  for (const node of nodes.values()) {
    for (const { low, high } of complement(children.get(node) ?? [])) {
      builder.connect(node, low, high, other);
    }
  }
  return builder.build();
}
