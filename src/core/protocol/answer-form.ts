import type { ChatCompletion, ChatCompletionChunk, ResponseIdentity } from './chat-response.ts';
import type { OpenAIError } from './failure.ts';
import { DONE, encodeEvent } from './sse.ts';

/**
 * How the answer to a chat request is written for the client of one route.
 *
 * Every route asks the model by a chat request and is answered by chat chunks; what differs is only this view of them.
 */
export interface AnswerForm {
  /** Body of a whole answer: an object leaves as JSON, a string as plain text. */
  whole(completion: ChatCompletion): object | string;
  /** Writer of one streamed answer; the identity is that of all its chunks. */
  stream(identity: ResponseIdentity): StreamWriter;
  /** Its streams end with usage whether the client asks or not. */
  showsUsage: boolean;
  /** A field of the chat request, e.g. `messages[0].content[1]`, in the terms of the route's own request. */
  fieldName: (chatField: string) => string;
}

/** Turns chunks into the text of an event stream, in order; holds what it must remember between them. */
export interface StreamWriter {
  chunk(chunk: ChatCompletionChunk): string;
  /** After the last chunk of an answer that is proven whole. */
  done(): string;
  /** Instead of it, when the answer broke: no client may take what came before for an answer. */
  failure(error: OpenAIError): string;
}

/** OpenAI's chat completions: the answer as it is. */
export const chatForm: AnswerForm = {
  whole: (completion) => completion,
  stream: () => ({ chunk: encodeEvent, done: () => DONE, failure: encodeEvent }),
  showsUsage: false,
  fieldName: (chatField) => chatField,
};
