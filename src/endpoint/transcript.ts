import type { AnswerDelta } from '../core/protocol/answer-delta.ts';
import { createStopMatcher } from './stop-matcher.ts';
import { readCalls } from './tools/call-reader.ts';
import type { ToolCallSyntax } from './tools/tool-syntax.ts';

/** What a client sees of a sequence, token by token. */
export interface Transcript {
  /** Takes the bytes of the next token. `stopped`: a stop string was completed, and the deltas end before it. */
  push(bytes: Uint8Array): { deltas: AnswerDelta[]; stopped: boolean };
  /** What was still held back, when the answer ends here. */
  end(): AnswerDelta[];
  /** Characters decoded so far. */
  decoded(): number;
  /** Characters at the end of those that were not given out. */
  held(): number;
  /** Tool calls begun. */
  calls(): number;
}

export interface TranscriptOptions {
  /** Stop strings, none empty; they are looked for in text, not in tool calls. */
  stop: readonly string[];
  /** How the model writes tool calls; null where it may make none. */
  toolCalls: { syntax: ToolCallSyntax; newId: () => string } | null;
}

/**
 * Bytes of tokens to text and tool calls. Three things are held back: bytes that are the beginning of a character (a token
 * border can lie inside an emoji), text that is the beginning of a stop string, and text that is the beginning of a call.
 * Invalid bytes become U+FFFD as soon as they are certain to be invalid, so the pieces always concatenate to the whole.
 */
export function createTranscript({ stop, toolCalls }: TranscriptOptions): Transcript {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const reader = toolCalls === null ? null : readCalls(toolCalls.syntax, toolCalls.newId);
  const matcher = createStopMatcher(stop);
  let decoded = 0;
  let calls = 0;

  function split(text: string): AnswerDelta[] {
    if (reader === null) {
      return text === '' ? [] : [{ kind: 'text', text }];
    }
    return reader.push(text);
  }

  function match(deltas: readonly AnswerDelta[]): { deltas: AnswerDelta[]; stopped: boolean } {
    const given: AnswerDelta[] = [];
    for (const delta of deltas) {
      if (delta.kind === 'text') {
        const { text, stopped } = matcher.push(delta.text);
        given.push(...textDelta(text));
        if (stopped) {
          return { deltas: given, stopped };
        }
      } else {
        // What looked like a stop string was the end of the text.
        given.push(...textDelta(matcher.flush()), delta);
        calls += delta.kind === 'call' ? 1 : 0;
      }
    }
    return { deltas: given, stopped: false };
  }

  return {
    push(bytes) {
      const text = decoder.decode(bytes, { stream: true });
      decoded += text.length;
      return match(split(text));
    },
    end() {
      const text = decoder.decode();
      decoded += text.length;
      const { deltas, stopped } = match([...split(text), ...(reader?.end() ?? [])]);
      return stopped ? deltas : [...deltas, ...textDelta(matcher.flush())];
    },
    decoded: () => decoded,
    held: () => (reader?.held() ?? 0) + matcher.held(),
    calls: () => calls,
  };
}

function textDelta(text: string): AnswerDelta[] {
  return text === '' ? [] : [{ kind: 'text', text }];
}
