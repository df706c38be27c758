import { createParser, type ParseError } from 'eventsource-parser';
import { SSE_EVENT_MAX_CHARS } from '../limits.ts';

/** Server-sent events as OpenAI's streams use them (WHATWG HTML §9.2): one JSON value per event, no names, no ids. */

/** Data of the event that ends a complete stream. */
export const DONE_DATA = '[DONE]';
export const DONE = `data: ${DONE_DATA}\n\n`;
/** A comment: keeps proxies open and makes a client that has left visible. */
export const PING = ': ping\n\n';

/** `no-transform`: a compressing proxy would hold tokens back. */
export const SSE_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
} as const;

/** One event; JSON has no raw line breaks, so it is always one line. */
export function encodeEvent(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

/**
 * Data of each event, in order; comments and empty events are skipped. Bytes may be cut anywhere, inside characters too.
 *
 * One loop and not a chain of transform streams: each link of a chain costs every token some turns of the event loop.
 * Leaving the loop early cancels `bytes`, and waits for nothing. Read by a reader: Safari cannot iterate over a stream.
 *
 * @throws ParseError when one event grows over SSE_EVENT_MAX_CHARS.
 */
export async function* parseEvents(bytes: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string, void> {
  const utf8 = new TextDecoder();
  const events: string[] = [];
  let overflow: ParseError | null = null;
  const parser = createParser({
    maxBufferSize: SSE_EVENT_MAX_CHARS,
    onEvent: ({ data }) => events.push(data),
    onError(error) {
      overflow = error.type === 'max-buffer-size-exceeded' ? error : overflow;
    },
  });
  const reader = bytes.getReader();
  try {
    for (;;) {
      const { done, value: piece } = await reader.read();
      if (done) {
        return;
      }
      parser.feed(utf8.decode(piece, { stream: true }));
      for (const data of events.splice(0)) {
        yield data;
      }
      if (overflow !== null) {
        throw overflow;
      }
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
