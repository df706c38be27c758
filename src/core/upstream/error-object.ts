import * as z from 'zod';
import { UPSTREAM_MESSAGE_MAX_CHARS } from '../limits.ts';

/** What a server said about an error. */
export interface ErrorWords {
  /** Its own words, cut to a length that fits into ours. */
  message: string;
  param: string | null;
  code: string | null;
}

/** vLLM and SGLang write the status as a number, which tells a client nothing. */
const textOrNull = z
  .string()
  .nullish()
  .transform((value) => value ?? null)
  .catch(null);

const words = z.object({ message: z.string(), param: textOrNull, code: textOrNull });
const onlyText = z.string().transform((message) => ({ message, param: null, code: null }));

/** OpenAI's object; the flat one of older vLLM; a bare string, as of TGI and Ollama; FastAPI's `detail`. */
const errorObject = z.union([
  z.object({ error: z.union([words, onlyText]) }).transform(({ error }) => error),
  words.extend({ object: z.literal('error') }),
  z.object({ detail: onlyText }).transform(({ detail }) => detail),
]);

/** The error in a JSON value, or null where it is none. */
export function readErrorObject(json: unknown): ErrorWords | null {
  // Asked of every chunk of an answer, and nearly all of them are none.
  if (typeof json === 'object' && json !== null && 'choices' in json && !('error' in json)) {
    return null;
  }
  const parsed = errorObject.safeParse(json);
  if (!parsed.success) {
    return null;
  }
  const { message, param, code } = parsed.data;
  return { message: message.slice(0, UPSTREAM_MESSAGE_MAX_CHARS), param, code };
}
