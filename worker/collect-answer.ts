import { ANSWER_MAX_CHARS } from '../src/core/limits.ts';
import { buildChoice, type ChoiceBuilder, type TokenLogprob } from '../src/core/protocol/answer-delta.ts';
import { type ChatCompletion, completion, type ResponseIdentity } from '../src/core/protocol/chat-response.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import type { AnswerEvent, Expected } from './upstream-answer.ts';

/** A whole answer for a client that does not stream. Throws where the stream would have shown an error. */
export async function collectAnswer(
  answer: AsyncIterable<AnswerEvent>,
  identity: ResponseIdentity,
  { logprobs }: Pick<Expected, 'logprobs'>,
): Promise<ChatCompletion> {
  const builders: ChoiceBuilder[] = [];
  const builderOf = (index: number): ChoiceBuilder => (builders[index] ??= buildChoice(logprobs));
  let chars = 0;
  for await (const event of answer) {
    if (event.kind === 'end') {
      const choices = event.finishReasons.map((reason, index) => builderOf(index).finish(reason));
      return completion(identity, choices, event.usage);
    }
    builderOf(event.index).add(event);
    builderOf(event.index).list(event.logprobs, event.kind);
    chars += charsOf(event);
    if (chars > ANSWER_MAX_CHARS) {
      throw new RequestError({
        kind: 'upstream-broke',
        message: `The answer grew over ${ANSWER_MAX_CHARS} characters`,
      });
    }
  }
  throw new RequestError({ kind: 'upstream-broke', message: 'The answer has no end' });
}

function charsOf(event: Exclude<AnswerEvent, { kind: 'end' }>): number {
  const own = 'text' in event ? event.text.length : event.id.length + event.name.length;
  return own + event.logprobs.reduce((sum, token) => sum + tokenChars(token), 0);
}

/** About what a listed token takes as JSON, its alternatives included. */
const TOKEN_CHARS = 64;

function tokenChars(token: TokenLogprob): number {
  return [token, ...token.top_logprobs].reduce((sum, { token: text, bytes }) => {
    return sum + TOKEN_CHARS + text.length + 4 * (bytes?.length ?? 0);
  }, 0);
}
