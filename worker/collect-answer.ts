import { ANSWER_MAX_CHARS } from '../src/core/limits.ts';
import { type ChatCompletion, completion, type ResponseIdentity } from '../src/core/protocol/chat-response.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import type { AnswerEvent } from './upstream-answer.ts';

/** A whole answer for a client that does not stream. Throws where the stream would have shown an error. */
export async function collectAnswer(
  answer: AsyncIterable<AnswerEvent>,
  identity: ResponseIdentity,
): Promise<ChatCompletion> {
  let text = '';
  for await (const event of answer) {
    if (event.kind === 'end') {
      return completion(identity, { text, finishReason: event.finishReason, usage: event.usage });
    }
    text += event.text;
    if (text.length > ANSWER_MAX_CHARS) {
      throw new RequestError({
        kind: 'upstream-broke',
        message: `The answer grew over ${ANSWER_MAX_CHARS} characters`,
      });
    }
  }
  throw new RequestError({ kind: 'upstream-broke', message: 'The answer has no end' });
}
