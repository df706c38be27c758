import { TOOL_CALLS_MAX } from '../../core/limits.ts';
import type { FunctionTool, ToolChoice } from '../../core/protocol/tool.ts';
import { type Automaton, AutomatonBuilder } from '../grammar/automaton.ts';
import { choice, type Expression, literal, repeat, sequence, texts } from '../grammar/expression.ts';
import { schemaExpression } from '../grammar/json-schema.ts';
import { ANY_OBJECT, object } from '../grammar/json-value.ts';
import { findShortest } from '../grammar/shortest.ts';
import { at, UnsupportedSchema } from '../grammar/unsupported-schema.ts';
import type { ToolCallSyntax } from './tool-syntax.ts';

export interface ToolCalls {
  tools: readonly FunctionTool[];
  /** `none` asks for no grammar. */
  choice: Exclude<ToolChoice, 'none'>;
  /** False: one call at most. */
  parallel: boolean;
  /** What an answer that calls nothing must be; null for any text. */
  text: Expression | null;
}

/**
 * Answers that call tools as the model writes calls: text or calls with `auto`, calls alone where they are required. A
 * call is always one of the tools, with arguments by its schema.
 *
 * @throws UnsupportedSchema for a strict tool whose schema cannot be kept, with its place in the request. What cannot be
 *   kept of a schema that is not strict is only shown to the model: OpenAI promises no more.
 */
export function toolGrammar(syntax: ToolCallSyntax, { tools, choice: wanted, parallel, text }: ToolCalls): Expression {
  const { opening, first, beforeArguments, between, last } = syntax;
  const named = typeof wanted === 'object' ? wanted.name : null;
  const callable = tools
    .map((tool, index) => ({ tool, index }))
    .filter(({ tool }) => named === null || tool.name === named)
    .map(({ tool, index }) => sequence(literal(tool.name + beforeArguments), argumentsOf(tool, index)));
  const many = parallel && named === null && between !== null;
  const calls = sequence(
    literal(first),
    repeat(choice(...callable), 1, many ? TOOL_CALLS_MAX : 1, literal(between ?? '')),
    literal(last),
  );
  if (wanted !== 'auto') {
    return sequence(literal(opening), calls);
  }
  if (text !== null) {
    if (opening === '') {
      throw new UnsupportedSchema('response_format', 'a form of text that this model’s tool calls have, too');
    }
    return choice(text, sequence(literal(opening), calls));
  }
  return opening === ''
    ? choice(texts(textNotFrom(first)), calls)
    : choice(texts(textWithout(opening)), sequence(texts(textUpTo(opening)), calls));
}

function argumentsOf({ parameters, strict }: FunctionTool, index: number): Expression {
  if (parameters === undefined) {
    return object([], null);
  }
  const expression = at(`tools[${index}].function.parameters`, () =>
    schemaExpression(parameters, { lenient: !strict }),
  );
  if (findShortest(expression).has(expression)) {
    return expression;
  }
  if (strict) {
    throw new UnsupportedSchema(`tools[${index}].function.parameters`, 'a schema that no value follows');
  }
  return ANY_OBJECT;
}

/** Bytes in which a mark does not occur. */
function textWithout(mark: string): Automaton | null {
  return search(mark, false);
}

/** Bytes up to and with the first occurrence of a mark. */
function textUpTo(mark: string): Automaton | null {
  return search(mark, true);
}

/** Knuth, Morris and Pratt's automaton: state i has read the first i bytes of the mark. */
function search(mark: string, found: boolean): Automaton | null {
  const bytes = new TextEncoder().encode(mark);
  const builder = new AutomatonBuilder();
  for (let state = 0; state <= bytes.length; state++) {
    builder.add((state === bytes.length) === found);
  }
  for (let state = 0; state < bytes.length; state++) {
    for (let byte = 0; byte < 256; byte++) {
      const next = overlap([...bytes.subarray(0, state), byte], bytes);
      if (found || next < bytes.length) {
        builder.connect(state, byte, byte, next);
      }
    }
  }
  return builder.build();
}

/** Length of the longest end of `text` that begins `mark`. */
function overlap(text: readonly number[], mark: Uint8Array): number {
  for (let length = text.length; length > 0; length--) {
    if (text.slice(-length).every((byte, index) => byte === mark[index])) {
      return length;
    }
  }
  return 0;
}

/** Any text, the empty one too, that does not begin with the first byte of a mark. */
function textNotFrom(mark: string): Automaton | null {
  const builder = new AutomatonBuilder();
  const start = builder.add(true);
  const rest = builder.add(true);
  const [byte = 0] = new TextEncoder().encode(mark);
  builder.connect(start, 0, byte - 1, rest);
  builder.connect(start, byte + 1, 255, rest);
  builder.connect(rest, 0, 255, rest);
  return builder.build();
}
