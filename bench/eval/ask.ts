import { readFile } from 'node:fs/promises';
import OpenAI from 'openai';
import type { Question } from './question-sets.ts';

/** The longest right answers, captions of three shapes, are half as long; a model that does not end is wrong anyway. */
const MAX_TOKENS = 64;
/** Enough to keep worker and endpoint at work at once, and half of what the endpoint lets wait. */
const IN_FLIGHT = 8;
const REQUEST_TIMEOUT_MS = 120_000;

/**
 * Asks every question over the OpenAI wire, greedily, several at a time. Says of each whether the answer was right:
 * the wanted text, ended by the model. A request that fails ends the whole run: no figure leaves out what went wrong.
 */
export async function askAll(
  url: string,
  model: string,
  questions: readonly Question[],
  onAnswer: () => void = () => {},
): Promise<boolean[]> {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0, timeout: REQUEST_TIMEOUT_MS });
  const right: boolean[] = [];
  const queue = questions.entries();
  async function lane(): Promise<void> {
    for (const [index, question] of queue) {
      right[index] = await ask(client, model, question);
      onAnswer();
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return right;
}

async function ask(client: OpenAI, model: string, question: Question): Promise<boolean> {
  const text = { type: 'text' as const, text: question.question };
  const content = question.image === null ? question.question : [await imagePart(question.image), text];
  const request = { model, max_tokens: MAX_TOKENS, temperature: 0, messages: [{ role: 'user' as const, content }] };
  const completion = await client.chat.completions.create(request).catch((cause: unknown) => {
    const about = question.image?.path ?? question.question;
    throw new Error(`${question.task}, ${question.kind}, ${about}: ${String(cause)}`, { cause });
  });
  const choice = completion.choices[0];
  return choice?.finish_reason === 'stop' && choice.message.content === question.answer;
}

async function imagePart({
  path,
  mime,
}: NonNullable<Question['image']>): Promise<OpenAI.ChatCompletionContentPartImage> {
  const bytes = await readFile(path);
  return { type: 'image_url', image_url: { url: `data:${mime};base64,${bytes.toString('base64')}` } };
}
