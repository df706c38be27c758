import { FINISH_WORD_MAX_CHARS, TOOL_CALLS_MAX } from '../src/core/limits.ts';
import type { AnswerDelta, FinishReason, TokenLogprob } from '../src/core/protocol/answer-delta.ts';
import { finishReasonOf } from '../src/core/upstream/finish-reason.ts';
import { broke, type UpstreamCall, type UpstreamChoice } from './upstream-chunk.ts';

/** A piece of a choice, and the tokens behind it where upstream lists them. */
export interface ChoicePiece {
  delta: AnswerDelta;
  logprobs: TokenLogprob[];
}

/** One of the choices of an answer, read chunk by chunk. */
export interface ChoiceReader {
  /** @throws RequestError `upstream-broke` for what cannot follow on what came before. */
  read(chunk: UpstreamChoice): ChoicePiece[];
  /** Null until the choice has ended. */
  finishReason(): FinishReason | null;
}

export function readChoice(): ChoiceReader {
  let finishReason: FinishReason | null = null;
  /** Ids of the calls that have begun. */
  const calls: string[] = [];

  function callDeltas({ index, id, function: fn }: UpstreamCall): AnswerDelta[] {
    const deltas: AnswerDelta[] = [];
    if (index > calls.length) {
      throw broke('The model server left out a tool call');
    }
    if (index === calls.length) {
      // Whoever answers a call names it by this id, so none can be made up here.
      if (!id || !fn?.name) {
        throw broke('The model server began a tool call without its id or name');
      }
      if (calls.length === TOOL_CALLS_MAX) {
        throw broke(`The model server made over ${TOOL_CALLS_MAX} tool calls`);
      }
      calls.push(id);
      deltas.push({ kind: 'call', call: index, id, name: fn.name });
    } else if (id && id !== calls[index]) {
      throw broke('The model server sent two tool calls as one');
    }
    if (fn?.arguments) {
      deltas.push({ kind: 'arguments', call: index, text: fn.arguments });
    }
    return deltas;
  }

  function deltasOf({ content, refusal, calls: wireCalls }: UpstreamChoice): AnswerDelta[] {
    return [
      ...(content === '' ? [] : [{ kind: 'text' as const, text: content }]),
      ...(refusal === '' ? [] : [{ kind: 'refusal' as const, text: refusal }]),
      ...wireCalls.flatMap(callDeltas),
    ];
  }

  return {
    read(chunk) {
      const deltas = deltasOf(chunk);
      const { content, refusal } = chunk.logprobs;
      const listed = [...content, ...refusal];
      const reason = chunk.finishReason === '' ? null : readReason(chunk.finishReason);
      if (finishReason !== null && (deltas.length > 0 || reason !== null)) {
        throw broke('The model server went on after the end of its answer');
      }
      finishReason = reason ?? finishReason;
      if (deltas.length === 0 && listed.length > 0) {
        // A token that shows nothing yet, such as half a character.
        deltas.push({ kind: refusal.length > 0 ? 'refusal' : 'text', text: '' });
      }
      // All tokens of a chunk go with its first piece.
      return deltas.map((delta, at) => ({ delta, logprobs: at === 0 ? listed : [] }));
    },
    finishReason: () => finishReason,
  };
}

function readReason(word: string): FinishReason {
  const reason = finishReasonOf(word);
  if (reason === null) {
    throw broke(`The model server ended its answer with '${word.slice(0, FINISH_WORD_MAX_CHARS)}'`);
  }
  return reason;
}
