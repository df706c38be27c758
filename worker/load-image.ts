import { base64Length, decodeBase64 } from '../src/core/bytes/base64.ts';
import { imageTooLarge } from '../src/core/image/image-failure.ts';
import { IMAGE_FETCH_TIMEOUT_MS, IMAGE_MAX_BYTES, IMAGE_REDIRECTS_MAX } from '../src/core/limits.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import { uploadKeyOf } from '../src/core/protocol/upload-key.ts';
import { orInvalidImage } from './enclosed-files.ts';
import { denyReason, parsePublicUrl } from './public-url.ts';
import { declaredLength, readLimited, roomFor } from './read-body.ts';
import type { ReadUpload } from './uploads.ts';

type Fetch = (input: string, init: RequestInit) => Promise<Response>;

/** Where the time of a download went into waiting for room. */
const RETRY_AFTER_SECONDS = 1;

const BASE64_DATA_URL = /^data:[^,]{0,256};base64,/i;

/** Where images come from. */
export interface ImageSources {
  fetch: Fetch;
  uploads: ReadUpload;
  /** Waits until so many bytes may be held. */
  enter: (bytes: number) => Promise<void>;
  /** Aborted when nobody waits any more. */
  signal: AbortSignal;
  /** Longest download, redirects included. */
  timeoutMs?: number;
}

/**
 * Encoded bytes of an image that a client named by a `data:` or `https:` URL, or as `r2:KEY`. What the URL or the host
 * says about the type is ignored: the bytes are sniffed later.
 *
 * @param param path of the part, e.g. `messages[0].content[1].image_url.url`; every failure names it.
 * @throws RequestError `invalid-image` (not base64), `image-too-large`, `image-unreachable` (a URL that is refused,
 *   fails, or answers anything but 200; no such upload), `invalid-request` (a key that no upload can have), `overloaded`
 *   (no room to hold it).
 */
export async function loadImage(url: string, param: string, sources: ImageSources): Promise<Uint8Array<ArrayBuffer>> {
  const key = uploadKeyOf(url, param);
  if (key !== null) {
    return sources.uploads(key, param, sources.enter);
  }
  const bytes = /^data:/i.test(url) ? readDataUrl(url, param) : await download(url, param, sources);
  if (bytes === null) {
    throw imageTooLarge(param, `The image is larger than ${IMAGE_MAX_BYTES} bytes`);
  }
  return bytes;
}

function readDataUrl(url: string, param: string): Uint8Array<ArrayBuffer> | null {
  const head = BASE64_DATA_URL.exec(url)?.[0];
  if (head === undefined) {
    const message = 'A data URL must be data:image/…;base64,…';
    throw new RequestError({ kind: 'invalid-image', param, message });
  }
  if (url.length - head.length > base64Length(IMAGE_MAX_BYTES)) {
    return null;
  }
  return orInvalidImage(param, () => decodeBase64(url, param, head.length));
}

async function download(
  first: string,
  param: string,
  { fetch: fetcher, enter, signal, timeoutMs = IMAGE_FETCH_TIMEOUT_MS }: ImageSources,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const unreachable = (message: string, cause?: unknown) =>
    new RequestError(
      { kind: 'image-unreachable', param, message: `The image URL cannot be used: ${message}` },
      { cause },
    );
  const timeout = AbortSignal.timeout(timeoutMs);
  let url = parsePublicUrl(first);
  try {
    for (let hop = 0; hop <= IMAGE_REDIRECTS_MAX; hop++) {
      const reason = url === null ? 'it is not a data:, https: or r2: URL' : denyReason(url);
      if (url === null || reason !== null) {
        throw unreachable(hop === 0 ? `${reason}` : `it redirects to a URL that may not be fetched: ${reason}`);
      }
      const response = await fetcher(url.href, {
        headers: { accept: 'image/jpeg, image/png, image/webp, image/avif, image/gif', 'user-agent': 'vora-edge' },
        redirect: 'manual',
        signal: AbortSignal.any([timeout, signal]),
      });
      const location = response.headers.get('location');
      if (response.status >= 300 && response.status < 400 && location !== null) {
        await response.body?.cancel();
        url = parsePublicUrl(location, url);
        continue;
      }
      if (response.status !== 200) {
        await response.body?.cancel();
        throw unreachable(`its host answered ${response.status}`);
      }
      const bytes = declaredLength(response.headers);
      await enter(roomFor(bytes, IMAGE_MAX_BYTES));
      if (timeout.aborted) {
        // No fault of its host.
        throw new RequestError({ kind: 'overloaded', retryAfterSeconds: RETRY_AFTER_SECONDS });
      }
      return await readLimited(response.body, bytes, IMAGE_MAX_BYTES);
    }
  } catch (cause) {
    if (cause instanceof RequestError) {
      throw cause;
    }
    throw unreachable(timeout.aborted ? `no answer within ${timeoutMs} ms` : 'its host did not answer', cause);
  }
  throw unreachable(`more than ${IMAGE_REDIRECTS_MAX} redirects`);
}
