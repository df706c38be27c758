import { describe, expect, it } from 'vitest';
import { REQUEST_JSON_MARKS_MAX } from '../../src/core/limits.ts';
import { readJson } from '../../src/endpoint/read-json.ts';

const LIMIT_BYTES = 1000;

function requestOf(body: BodyOf, headers: Record<string, string> = {}): Request {
  return new Request('http://localhost/', { method: 'POST', body, headers, duplex: 'half' });
}

type BodyOf = string | ReadableStream<Uint8Array>;

/** Chunks of 100 bytes without end; counts how many were taken. */
function endless(): { stream: ReadableStream<Uint8Array>; taken: () => number; cancelled: () => boolean } {
  let taken = 0;
  let cancelled = false;
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        taken++;
        controller.enqueue(new Uint8Array(100).fill(0x20));
      },
      cancel() {
        cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, taken: () => taken, cancelled: () => cancelled };
}

describe('readJson', () => {
  it('reads what is cut anywhere', async () => {
    const bytes = new TextEncoder().encode('{"text":"naïve 😀"}');
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        bytes.forEach((byte) => controller.enqueue(Uint8Array.of(byte)));
        controller.close();
      },
    });
    expect(await readJson(requestOf(stream), LIMIT_BYTES)).toEqual({ text: 'naïve 😀' });
  });

  it('takes a body of exactly the limit', async () => {
    expect(await readJson(requestOf(`"${'a'.repeat(998)}"`), LIMIT_BYTES)).toHaveLength(998);
    await expect(readJson(requestOf(`"${'a'.repeat(999)}"`), LIMIT_BYTES)).rejects.toMatchObject({
      failure: { kind: 'body-too-large', limitBytes: LIMIT_BYTES },
    });
  });

  it('stops reading at the limit', async () => {
    const { stream, taken, cancelled } = endless();
    await expect(readJson(requestOf(stream), LIMIT_BYTES)).rejects.toMatchObject({
      failure: { kind: 'body-too-large' },
    });
    expect(taken()).toBe(11);
    expect(cancelled()).toBe(true);
  });

  it.each(['{},', '[],', '0,'])(
    'refuses millions of %s, which a small body can hold, before it parses them',
    async (unit) => {
      const most = `[${unit.repeat(REQUEST_JSON_MARKS_MAX / 2 - 1)}0]`;
      await expect(readJson(requestOf(most), 1e8)).resolves.toHaveLength(REQUEST_JSON_MARKS_MAX / 2);
      const stream = new Response(`${most.slice(0, -2)}${unit.repeat(REQUEST_JSON_MARKS_MAX)}`).body ?? '';
      await expect(readJson(requestOf(stream), 1e8)).rejects.toMatchObject({
        failure: { kind: 'invalid-request', message: expect.stringContaining('JSON values') },
      });
    },
  );

  it('believes a length that is too large', async () => {
    const { stream, taken } = endless();
    const request = requestOf(stream, { 'content-length': '1001' });
    await expect(readJson(request, LIMIT_BYTES)).rejects.toMatchObject({ failure: { kind: 'body-too-large' } });
    expect(taken()).toBe(0);
  });

  it.each(['', '{', '{"a":1}x', 'NaN'])('refuses %j', async (body) => {
    await expect(readJson(requestOf(body), LIMIT_BYTES)).rejects.toMatchObject({
      failure: { kind: 'invalid-request' },
    });
  });
});
