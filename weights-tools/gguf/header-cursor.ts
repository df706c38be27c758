import type { ByteSource } from '../../src/core/bytes/byte-source.ts';
import { MalformedFile } from '../../src/core/bytes/malformed-file.ts';
import { decodeUtf8 } from '../../src/core/bytes/strict-json.ts';

/** Bytes of one read: few reads for a header with its tokenizer, little waste for a small one. */
const WINDOW_BYTES = 256 * 1024;

/** Reads a header from its start, field by field. `place` is what an error calls the field. */
export interface HeaderCursor {
  /** Bytes read so far. */
  position(): number;
  /** The next bytes; valid until the next read. */
  take(byteLength: number, place: string): Promise<DataView>;
  u32(place: string): Promise<number>;
  /** A u64 that is compared with `limit` before it becomes a number. */
  count(limit: number, place: string): Promise<number>;
  /** A string of at most `limit` bytes: its length as u64, then UTF-8. */
  string(limit: number, place: string): Promise<string>;
}

/** @throws MalformedFile where the header is over `limitBytes` or over the file's end, before anything is read for it */
export function createHeaderCursor(source: ByteSource, limitBytes: number): HeaderCursor {
  const end = Math.min(limitBytes, source.byteLength);
  let window: Uint8Array = new Uint8Array();
  let windowStart = 0;
  let position = 0;

  async function take(byteLength: number, place: string): Promise<DataView> {
    if (byteLength > end - position) {
      const what = end === limitBytes ? `a header over ${limitBytes} bytes` : `the file's end at byte ${end}`;
      throw new MalformedFile(source.name, place, what, `${byteLength} bytes from byte ${position} on`);
    }
    if (position + byteLength > windowStart + window.byteLength) {
      windowStart = position;
      window = await source.slice(position, Math.min(end, position + Math.max(byteLength, WINDOW_BYTES)));
    }
    const view = new DataView(window.buffer, window.byteOffset + position - windowStart, byteLength);
    position += byteLength;
    return view;
  }

  async function count(limit: number, place: string): Promise<number> {
    const found = (await take(8, place)).getBigUint64(0, true);
    if (found > BigInt(limit)) {
      throw new MalformedFile(source.name, place, String(found), `at most ${limit}`);
    }
    return Number(found);
  }

  return {
    position: () => position,
    take,
    count,
    u32: async (place) => (await take(4, place)).getUint32(0, true),
    async string(limit, place) {
      const view = await take(await count(limit, `${place} length`), place);
      return decodeUtf8(source.name, new Uint8Array(view.buffer, view.byteOffset, view.byteLength), place);
    },
  };
}
