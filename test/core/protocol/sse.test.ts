import { describe, expect, it } from 'vitest';
import { SSE_EVENT_MAX_CHARS } from '../../../src/core/limits.ts';
import { DONE, DONE_DATA, encodeEvent, parseEvents, PING } from '../../../src/core/protocol/sse.ts';

function stream(text: string, pieceBytes: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  const bytes = new TextEncoder().encode(text);
  return new ReadableStream({
    start(out) {
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        out.enqueue(bytes.slice(at, at + pieceBytes));
      }
      out.close();
    },
  });
}

async function read(text: string, pieceBytes: number): Promise<string[]> {
  const events: string[] = [];
  for await (const data of parseEvents(stream(text, pieceBytes))) {
    events.push(data);
  }
  return events;
}

describe('server-sent events', () => {
  const value = { text: 'é😀 "quoted"\nnew line\r', n: 1 };

  it.each([1, 2, 3, 7, 1000])('come back from pieces of %i bytes', async (pieceBytes) => {
    const text = PING + encodeEvent(value) + PING + encodeEvent({}) + DONE;
    for (const lineEnd of ['\n', '\r\n', '\r']) {
      const events = await read(text.replaceAll('\n', lineEnd), pieceBytes);
      expect(events.map((data) => (data === DONE_DATA ? data : (JSON.parse(data) as object)))).toEqual([
        value,
        {},
        DONE_DATA,
      ]);
    }
  });

  it('do not include one that was cut', async () => {
    expect(await read(`${encodeEvent({ a: 1 })}data: {"b":`, 4)).toEqual(['{"a":1}']);
  });

  it('may not grow without end', async () => {
    await expect(read(`data: ${'x'.repeat(SSE_EVENT_MAX_CHARS + 10)}`, 65_536)).rejects.toThrow(/buffer/i);
  });

  it('stop their source when the reader stops', async () => {
    let cancelled = false;
    const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (out) => out.enqueue(new TextEncoder().encode('data: 1\n\n')),
      cancel: () => {
        cancelled = true;
      },
    });
    for await (const data of parseEvents(endless)) {
      expect(data).toBe('1');
      break;
    }
    await expect.poll(() => cancelled).toBe(true);
  });
});
