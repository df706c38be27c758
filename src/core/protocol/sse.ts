import { EventSourceParserStream } from 'eventsource-parser/stream';
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
 * The stream errors when one event grows over SSE_EVENT_MAX_CHARS. Cancelling it cancels `bytes`.
 */
export function parseEvents(bytes: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStream<string> {
  return bytes
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream({ maxBufferSize: SSE_EVENT_MAX_CHARS }))
    .pipeThrough(new TransformStream({ transform: (event, out) => out.enqueue(event.data) }));
}
