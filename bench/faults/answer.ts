import type { Stage } from './stage.ts';

/** What every fault begins to say, token by token. */
export const WORDS = ['The ', 'answer ', 'is ', 'forty', '-two', '. ', '😀'];

const IDENTITY = { id: 'chatcmpl-fault', created: 1_700_000_000, model: 'faults' };
const USAGE = { prompt_tokens: 4096, completion_tokens: WORDS.length, total_tokens: 4096 + WORDS.length };

export const SSE = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' };
export const JSON_TYPE = { 'content-type': 'application/json' };

export function event(fields: object): string {
  return `data: ${JSON.stringify({ ...IDENTITY, object: 'chat.completion.chunk', ...fields })}\n\n`;
}

export function roleEvent(): string {
  return choiceEvent({ role: 'assistant', content: '' });
}

export function wordEvent(content: string): string {
  return choiceEvent({ content });
}

export function finishEvent(reason = 'stop'): string {
  return choiceEvent({}, reason);
}

export function usageEvent(usage: object = USAGE): string {
  return event({ choices: [], usage });
}

export const DONE = 'data: [DONE]\n\n';

/** The whole answer as one object. */
export function completion(finishReason: string | null = 'stop', usage: object = USAGE): string {
  const message = { role: 'assistant', content: WORDS.join(''), refusal: null };
  const choices = [{ index: 0, message, logprobs: null, finish_reason: finishReason }];
  return JSON.stringify({ ...IDENTITY, object: 'chat.completion', choices, usage });
}

/** Headers and the first half of an answer, in the form that was asked for. */
export function begin(stage: Stage): void {
  if (stage.stream) {
    stage.head(200, SSE);
    stage.write(roleEvent() + WORDS.slice(0, 3).map(wordEvent).join(''));
  } else {
    const text = completion();
    stage.head(200, { ...JSON_TYPE, 'content-length': String(Buffer.byteLength(text)) });
    stage.write(text.slice(0, text.length / 2));
  }
}

/** A whole answer, with a pause before each token. */
export async function answer(stage: Stage, { words = WORDS, pauseMs = 0, tail = DONE } = {}): Promise<void> {
  if (!stage.stream) {
    await stage.wait(pauseMs * words.length);
    stage.head(200, JSON_TYPE);
    stage.write(completion());
    stage.end();
    return;
  }
  stage.head(200, SSE);
  stage.write(roleEvent());
  for (const word of words) {
    if (pauseMs > 0) {
      await stage.wait(pauseMs);
    }
    stage.write(wordEvent(word));
  }
  stage.write(finishEvent() + usageEvent() + tail);
  stage.end();
}

function choiceEvent(delta: object, finish_reason: string | null = null): string {
  return event({ choices: [{ index: 0, delta, logprobs: null, finish_reason }] });
}
