import type { Expression } from '../../src/endpoint/grammar/expression.ts';
import { type Configuration, createMachine } from '../../src/endpoint/grammar/machine.ts';
import { utf8 } from './run-automaton.ts';

/** Whether a text is one of a grammar; `begun` when it only begins one. */
export function matches(grammar: Expression, text: string): 'whole' | 'begun' | 'no' {
  const { start, step } = createMachine(grammar);
  let at: Configuration | null = start;
  for (const byte of utf8(text)) {
    at = at === null ? null : step(at, byte);
  }
  return at === null ? 'no' : at.accepts ? 'whole' : 'begun';
}
