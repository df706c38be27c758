import { base64Chunks, base64Length } from '../src/core/bytes/base64.ts';
import type { ChatRequest } from '../src/core/protocol/chat-request.ts';
import type { PreparedImage } from './prepared-image.ts';
import { upstreamFields } from './upstream-fields.ts';

/** A request body of known length that is written while it is sent. */
export interface UpstreamBody {
  byteLength: number;
  /** The bytes themselves where no image is sent with them; a stream would cost a third of a millisecond. */
  whole: Uint8Array | null;
  /** The bytes in pieces, once: each is good until the next is taken, and at their end no image is held any more. */
  pieces(): Iterable<Uint8Array>;
}

/**
 * The JSON that goes upstream, with each image's base64 spliced in where its part is.
 *
 * @param images in the order of their parts.
 * @param marker a string that no client can know; it holds the images' places in the skeleton.
 * @param more fields that depend on the server, over those of the request.
 */
export function upstreamBody(
  chat: ChatRequest,
  model: string,
  images: readonly PreparedImage[],
  marker: string,
  more: object = {},
): UpstreamBody {
  const utf8 = new TextEncoder();
  const pieces = JSON.stringify({ ...skeleton(chat, model, images, marker), ...more })
    .split(marker)
    .map((text) => utf8.encode(text));
  const payloads = images.map((image) => image.payload).filter((payload) => payload.length > 0);
  const payloadBytes = payloads.map((parts) => base64Length(parts.reduce((sum, part) => sum + part.byteLength, 0)));
  return {
    byteLength: [...pieces.map((piece) => piece.byteLength), ...payloadBytes].reduce((sum, bytes) => sum + bytes, 0),
    whole: payloads.length === 0 ? (pieces[0] ?? null) : null,
    pieces: () => interleave(pieces, payloads.splice(0)),
  };
}

function* interleave(pieces: Uint8Array[], payloads: Uint8Array[][]): Generator<Uint8Array> {
  for (const [i, piece] of pieces.entries()) {
    yield piece;
    yield* base64Chunks(payloads[i] ?? []);
  }
}

function skeleton(chat: ChatRequest, model: string, images: readonly PreparedImage[], marker: string): object {
  const rest = images.values();
  return upstreamFields(chat, model, (part) =>
    part.type === 'image_url' ? imagePart(rest.next().value, marker, part.detail) : part,
  );
}

function imagePart(image: PreparedImage | undefined, marker: string, detail: string): object {
  if (image === undefined) {
    throw new Error('an image part without its image');
  }
  const { part, prefix, payload, uuid } = image;
  const text = payload.length === 0 ? null : prefix + marker;
  return part === 'image_embeds'
    ? { type: part, image_embeds: text, uuid }
    : { type: part, image_url: text === null ? null : { url: text, detail }, uuid };
}
