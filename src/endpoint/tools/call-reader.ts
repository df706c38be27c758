import type { AnswerDelta } from '../../core/protocol/answer-delta.ts';
import { begunLength, earliest } from '../stop-matcher.ts';
import type { ToolCallSyntax } from './tool-syntax.ts';

/** Splits what a model writes into text and tool calls, piece by piece. */
export interface CallReader {
  push(text: string): AnswerDelta[];
  /** What was held back, when the answer ends here: an opening that was none. The end of a call is no text. */
  end(): AnswerDelta[];
  /** Characters taken and not given out yet. */
  held(): number;
}

/** What is being read: each stage takes what it can from the front of `held` and names the next, or waits for more. */
type Stage = 'start' | 'text' | 'first' | 'name' | 'before arguments' | 'arguments' | 'after';

/**
 * Reads calls that sampling kept to the syntax, to the letter; an answer may be cut off anywhere.
 *
 * @throws Error in `push` for a call that is not of the syntax, which sampling would not have let through.
 */
export function readCalls(syntax: ToolCallSyntax, newId: () => string): CallReader {
  const { opening, first, beforeArguments, between, last } = syntax;
  // A line end before the opening belongs to it: templates write it between text and call.
  const openings = opening === '' ? [] : [`\n${opening}`, opening];
  let stage: Stage = 'start';
  let held = '';
  let calls = 0;
  let depth = 0;
  let inString = false;
  let escaped = false;
  let deltas: AnswerDelta[] = [];

  /** Takes a stage's part off `held`; null when more must come first. */
  function advance(): Stage | null {
    switch (stage) {
      case 'start':
        if (held === '') {
          return null;
        }
        return opening === '' && held.startsWith(first.slice(0, 1)) ? 'first' : 'text';
      case 'text':
        return takeText();
      case 'first':
        return takeLiteral(first) ? 'name' : null;
      case 'name': {
        const end = held.indexOf('"');
        if (end === -1) {
          return null;
        }
        deltas.push({ kind: 'call', call: calls, id: newId(), name: take(end) });
        calls += 1;
        depth = 0;
        return 'before arguments';
      }
      case 'before arguments':
        return takeLiteral(beforeArguments) ? 'arguments' : null;
      case 'arguments':
        return takeArguments();
      case 'after':
        if (between !== null && held.length >= between.length && takeLiteral(between)) {
          return 'name';
        }
        if (![between ?? last, last].some((literal) => literal.startsWith(held))) {
          throw new Error('a tool call that is followed by something else');
        }
        return null;
    }
  }

  function takeText(): Stage | null {
    const found = earliest(held, openings);
    const text = take(found ?? held.length - begunLength(held, openings));
    if (text !== '') {
      deltas.push({ kind: 'text', text });
    }
    if (found === undefined) {
      return null;
    }
    take(held.startsWith(opening) ? opening.length : opening.length + 1);
    return 'first';
  }

  /** The arguments end at the bracket that closes the call around them. */
  function takeArguments(): Stage | null {
    let end = 0;
    while (end < held.length && (inString || depth > 0 || held[end] !== '}')) {
      scan(held[end] ?? '');
      end += 1;
    }
    const text = take(end);
    if (text !== '') {
      deltas.push({ kind: 'arguments', call: calls - 1, text });
    }
    return held === '' ? null : 'after';
  }

  function scan(character: string): void {
    if (inString) {
      inString = escaped || character !== '"';
      escaped = !escaped && character === '\\';
      return;
    }
    inString = character === '"';
    depth += '{['.includes(character) ? 1 : '}]'.includes(character) ? -1 : 0;
  }

  function takeLiteral(literal: string): boolean {
    if (!literal.startsWith(held.slice(0, literal.length))) {
      throw new Error(`a tool call without ${JSON.stringify(literal)}`);
    }
    if (held.length < literal.length) {
      return false;
    }
    take(literal.length);
    return true;
  }

  function take(length: number): string {
    const text = held.slice(0, length);
    held = held.slice(length);
    return text;
  }

  return {
    push(text) {
      held += text;
      deltas = [];
      for (let next = advance(); next !== null; next = advance()) {
        stage = next;
      }
      return deltas;
    },
    end() {
      const text = take(held.length);
      return stage === 'text' && text !== '' ? [{ kind: 'text', text }] : [];
    },
    held: () => held.length,
  };
}
