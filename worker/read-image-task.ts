import { IMAGE_FORM_MAX_BYTES, IMAGE_MAX_BYTES, REQUEST_BODY_MAX_BYTES } from '../src/core/limits.ts';
import type { ChatRequest } from '../src/core/protocol/chat-request.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import { fieldsOfText } from '../src/core/protocol/image-task-request.ts';
import { type FormPart, parseMultipart } from '../src/core/protocol/multipart.ts';
import { enclose, type EnclosedFiles, parseWithPictures } from './enclosed-files.ts';
import type { RequestContext } from './request-context.ts';

/** An image task as a chat, and the image where it came as a file, as the whole body or as a data URL. */
export interface ImageTaskInput {
  chat: ChatRequest;
  enclosed: EnclosedFiles;
}

/** URL of an image that came beside its request (RFC 2392). */
const ENCLOSED_IMAGE = 'cid:image';

/**
 * Reads an image task in any of its three forms: JSON; a form whose `image` is a file or a URL; or the bare image, with
 * the other fields in the query.
 *
 * @param parse checks the fields.
 * @throws RequestError `unsupported-media-type` for other bodies, and what reading each form throws.
 */
export async function readImageTask(
  request: Request,
  context: RequestContext,
  newId: () => string,
  parse: (fields: unknown) => { chat: ChatRequest },
): Promise<ImageTaskInput> {
  const contentType = request.headers.get('content-type') ?? '';
  const mediaType = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  if (mediaType === 'application/json') {
    return parseWithPictures(await context.receive(REQUEST_BODY_MAX_BYTES), newId, parse);
  }
  if (mediaType === 'multipart/form-data') {
    const { fields, file } = readForm(parseMultipart(await context.receive(IMAGE_FORM_MAX_BYTES), contentType));
    return { ...parse(fields), enclosed: enclose(ENCLOSED_IMAGE, file) };
  }
  if (mediaType.startsWith('image/') || mediaType === 'application/octet-stream') {
    const fields = fieldsOfText([...new URL(request.url).searchParams, ['image', ENCLOSED_IMAGE]]);
    return { ...parse(fields), enclosed: enclose(ENCLOSED_IMAGE, await context.receive(IMAGE_MAX_BYTES)) };
  }
  const expected = 'application/json, multipart/form-data or an image (image/*, application/octet-stream)';
  throw new RequestError({ kind: 'unsupported-media-type', expected });
}

function readForm(parts: FormPart[]): { fields: unknown; file: Uint8Array<ArrayBuffer> | null } {
  const file = parts.find(isFile)?.data ?? null;
  const entries = parts.map((part) => [part.name, isFile(part) ? ENCLOSED_IMAGE : textOf(part)] as const);
  return { fields: fieldsOfText(entries), file };
}

function isFile({ name, filename }: FormPart): boolean {
  return name === 'image' && filename !== null;
}

function textOf({ name, filename, data }: FormPart): string {
  if (filename !== null) {
    throw new RequestError({ kind: 'invalid-request', param: name, message: `${name}: only the image may be a file` });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(data);
  } catch (cause) {
    throw new RequestError({ kind: 'invalid-request', param: name, message: `${name}: not UTF-8` }, { cause });
  }
}
