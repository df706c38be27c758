import type { AnswerDelta, FinishReason, TokenChance, TokenLogprob } from '../core/protocol/answer-delta.ts';
import type { Tokenizer } from '../core/prompt/tokenizer.ts';
import type { GenerationParams } from './sequence.ts';
import { createTokenLog } from './token-log.ts';
import { listToken } from './token-logprobs.ts';
import { createTranscript } from './transcript.ts';

/** Turns the tokens of one sequence into its answer. */
export interface Writer {
  /**
   * Takes the next token.
   *
   * @param logits what it was drawn from, as the model gave them.
   * @param isHurried whether the answer is steered to its end because its length runs out: it then ends by `length`,
   *   however whole it looks.
   */
  write(token: number, logits: Float32Array, isHurried?: boolean): Written;
}

export interface Written {
  deltas: AnswerDelta[];
  tokens: TokenLogprob[];
  /** Why the answer ends with this token; null when it goes on. */
  finishReason: FinishReason | null;
}

export function createWriter(
  { transcript: options, constraint, maxTokens, topLogprobs }: GenerationParams,
  { tokenizer, endTokens }: { tokenizer: Pick<Tokenizer, 'bytesOf' | 'controlOf'>; endTokens: ReadonlySet<number> },
): Writer {
  const transcript = createTranscript(options);
  const log = createTokenLog();
  let count = 0;

  function spell(id: number): Pick<TokenChance, 'token' | 'bytes'> {
    const control = tokenizer.controlOf(id);
    const bytes = tokenizer.bytesOf(id);
    return control === null
      ? { token: new TextDecoder().decode(bytes), bytes: [...bytes] }
      : { token: control, bytes: null };
  }

  function add(token: number): { deltas: AnswerDelta[]; reason: 'stop' | 'length' | null } {
    if (endTokens.has(token)) {
      return { deltas: transcript.end(), reason: 'stop' };
    }
    const { deltas, stopped } = transcript.push(tokenizer.bytesOf(token));
    if (stopped) {
      return { deltas, reason: 'stop' };
    }
    // A text that nothing can follow is whole, though the model has not said so, and though its length is used up.
    const reason = constraint?.complete() === true ? 'stop' : count >= maxTokens ? 'length' : null;
    return { deltas: reason === null ? deltas : [...deltas, ...transcript.end()], reason };
  }

  function whole(isHurried: boolean): FinishReason {
    return isHurried ? 'length' : transcript.calls() > 0 ? 'tool_calls' : 'stop';
  }

  return {
    write(token, logits, isHurried = false) {
      count += 1;
      if (topLogprobs !== null && !endTokens.has(token)) {
        log.add(listToken(logits, token, topLogprobs, spell), transcript.decoded());
      }
      const { deltas, reason } = add(token);
      return {
        deltas,
        tokens: log.upTo(transcript.decoded() - transcript.held()),
        finishReason: reason === 'stop' ? whole(isHurried) : reason,
      };
    },
  };
}
