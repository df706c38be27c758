import { GRAMMARS_KEPT_MAX } from '../core/limits.ts';
import type { ChatRequest } from '../core/protocol/chat-request.ts';
import { RequestError } from '../core/protocol/failure.ts';
import type { Expression } from './grammar/expression.ts';
import { schemaExpression } from './grammar/json-schema.ts';
import { ANY_OBJECT } from './grammar/json-value.ts';
import { createTokenGrammar, type TokenGrammar } from './grammar/token-grammar.ts';
import { at, UnsupportedSchema } from './grammar/unsupported-schema.ts';
import { createVocabulary, type Vocabulary } from './grammar/vocabulary.ts';
import { toolGrammar } from './tools/tool-grammar.ts';
import type { ToolCallSyntax } from './tools/tool-syntax.ts';

export interface AnswerGrammarParts {
  /** Token ids of the model, and their bytes. */
  vocabularySize: number;
  bytesOf: (id: number) => Uint8Array;
  endTokens: ReadonlySet<number>;
  /** Null for a model without tools. */
  toolSyntax: ToolCallSyntax | null;
}

/**
 * What the answers to a request may be, null where they may be anything.
 *
 * @throws RequestError `invalid-request` naming the place in a schema that cannot be kept.
 */
export type AnswerGrammars = (chat: ChatRequest) => TokenGrammar | null;

/** Requests of the same form share a grammar, and with it all that was computed for those before them. */
export function createAnswerGrammars(parts: AnswerGrammarParts): AnswerGrammars {
  // By recency: a grammar that is asked for moves to the end.
  const grammars = new Map<string, TokenGrammar>();
  let vocabulary: Vocabulary | undefined;
  return (chat) => {
    const { format, tools, toolChoice, parallelToolCalls } = chat;
    if (format === undefined && (tools === undefined || toolChoice === 'none')) {
      return null;
    }
    // A second's work for 152k tokens, so not before it is needed.
    vocabulary ??= createVocabulary(parts.vocabularySize, parts.bytesOf);
    const ready = vocabulary;
    const key = JSON.stringify([format, tools, toolChoice, parallelToolCalls]);
    const grammar = grammars.get(key) ?? naming(() => createGrammar(chat, ready, parts));
    grammars.delete(key);
    grammars.set(key, grammar);
    const [oldest] = grammars.keys();
    if (grammars.size > GRAMMARS_KEPT_MAX && oldest !== undefined) {
      grammars.delete(oldest);
    }
    return grammar;
  };
}

function createGrammar(
  chat: ChatRequest,
  vocabulary: Vocabulary,
  { endTokens, toolSyntax }: AnswerGrammarParts,
): TokenGrammar {
  const text = formatExpression(chat);
  const { tools, toolChoice = 'auto', parallelToolCalls = true } = chat;
  let answer = text;
  if (tools !== undefined && toolChoice !== 'none' && toolSyntax !== null) {
    answer = toolGrammar(toolSyntax, { tools, choice: toolChoice, parallel: parallelToolCalls, text });
  }
  const grammar = answer === null ? null : createTokenGrammar(answer, vocabulary, endTokens);
  if (grammar === null) {
    throw new UnsupportedSchema(SCHEMA, 'a schema that no value follows');
  }
  return grammar;
}

const SCHEMA = 'response_format.json_schema.schema';

function formatExpression({ format }: ChatRequest): Expression | null {
  if (format === undefined) {
    return null;
  }
  const schema = format.type === 'json_schema' ? format.schema : undefined;
  return schema === undefined ? ANY_OBJECT : at(SCHEMA, () => schemaExpression(schema));
}

function naming<Result>(run: () => Result): Result {
  try {
    return run();
  } catch (cause) {
    if (!(cause instanceof UnsupportedSchema)) {
      throw cause;
    }
    const message = `${cause.place}: found ${cause.message}`;
    throw new RequestError(
      { kind: 'invalid-request', param: cause.place, message, code: 'unsupported_parameter' },
      { cause },
    );
  }
}
