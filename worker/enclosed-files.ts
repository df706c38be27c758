import { base64Length, decodeBase64InPlace } from '../src/core/bytes/base64.ts';
import { concat } from '../src/core/bytes/concat.ts';
import { cutDataUrls } from '../src/core/bytes/cut-data-urls.ts';
import { MalformedFile } from '../src/core/bytes/malformed-file.ts';
import { imageTooLarge, invalidImage } from '../src/core/image/image-failure.ts';
import { IMAGE_MAX_BYTES } from '../src/core/limits.ts';
import type { ChatRequest } from '../src/core/protocol/chat-request.ts';
import { consumeJson, parseJson, SMALL_BODY_BYTES } from './read-body.ts';

/** Files that came with a request, by the `cid:` URLs that name them in it (RFC 2392). */
export type EnclosedFiles = ReadonlyMap<string, OpenFile>;

/** Bytes of a file; every failure names `param`. */
type OpenFile = (param: string) => Uint8Array<ArrayBuffer>;

export const NOTHING_ENCLOSED: EnclosedFiles = new Map();

export function enclose(name: string, file: Uint8Array<ArrayBuffer> | null): EnclosedFiles {
  return file === null ? NOTHING_ENCLOSED : new Map([[name, () => file]]);
}

/**
 * Parses a request body whose pictures may be data URLs. They are not read as text: a picture of several megabytes would
 * be there as the body, as text, as a string of it and as a file. It stays in the body's memory, and becomes a file there.
 *
 * A body that is not a valid request, or where anything but a picture's URL would be a data URL, is parsed as it came.
 *
 * @param newId gives names that no client can know.
 */
export function parseWithPictures<Parsed extends { chat: ChatRequest }>(
  bytes: Uint8Array<ArrayBuffer>,
  newId: () => string,
  parse: (json: unknown) => Parsed,
): Parsed & { enclosed: EnclosedFiles } {
  if (bytes.length > SMALL_BODY_BYTES) {
    const { pieces, cut } = cutDataUrls(bytes, () => `cid:${newId()}`);
    const parsed = cut.size === 0 ? null : parsedOrNull(() => parse(parseJson(concat(pieces))));
    if (parsed !== null && countPictures(parsed.chat, cut) === cut.size) {
      return { ...parsed, enclosed: new Map([...cut].map(([name, base64]) => [name, fileOf(base64)])) };
    }
  }
  return { ...parse(consumeJson(bytes)), enclosed: NOTHING_ENCLOSED };
}

function parsedOrNull<Parsed>(parse: () => Parsed): Parsed | null {
  try {
    return parse();
  } catch {
    // What is wrong is told in terms of the whole body.
    return null;
  }
}

function countPictures({ messages }: ChatRequest, cut: ReadonlyMap<string, unknown>): number {
  return messages.flatMap(({ content }) => content).filter((part) => part.type === 'image_url' && cut.has(part.url))
    .length;
}

function fileOf(base64: Uint8Array<ArrayBuffer>): OpenFile {
  let file: Uint8Array<ArrayBuffer> | null = null;
  return (param) => (file ??= decoded(base64, param));
}

function decoded(base64: Uint8Array<ArrayBuffer>, param: string): Uint8Array<ArrayBuffer> {
  if (base64.length > base64Length(IMAGE_MAX_BYTES)) {
    throw imageTooLarge(param, `The image is larger than ${IMAGE_MAX_BYTES} bytes`);
  }
  return orInvalidImage(param, () => decodeBase64InPlace(base64, param));
}

/** @throws RequestError `invalid-image` for what is not base64. */
export function orInvalidImage<Result>(param: string, decode: () => Result): Result {
  try {
    return decode();
  } catch (cause) {
    if (!(cause instanceof MalformedFile)) {
      throw cause;
    }
    throw invalidImage(param, cause.message, cause);
  }
}
