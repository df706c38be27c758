import { PICTURE_URL_MAX_BYTES } from '../src/core/limits.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import { authorise } from './authorise.ts';
import type { Deps } from './deps.ts';
import { prepareImage } from './prepare-image.ts';
import { declaredLength, readLimited } from './read-body.ts';
import { startStopwatch } from './stopwatch.ts';

/**
 * The picture behind a URL, which is the body of the request, as the model's exact input: a PNG. The page itself loads
 * nothing from elsewhere. It costs what a question about the picture costs but for the answer, and needs the same key.
 */
export async function viewPicture(request: Request, deps: Deps): Promise<Response> {
  const { config, now } = deps;
  await authorise(request.headers, config.keySha256);
  const body = await readLimited(request.body, declaredLength(request.headers), PICTURE_URL_MAX_BYTES);
  if (body === null) {
    throw new RequestError({ kind: 'body-too-large', limitBytes: PICTURE_URL_MAX_BYTES });
  }
  const asPixels: Deps = { ...deps, config: { ...config, upstream: { ...config.upstream, wire: 'pixels' } } };
  const stopwatch = startStopwatch(now);
  const url = new TextDecoder().decode(body);
  const { payload } = await prepareImage(url, 'url', asPixels, { stopwatch, signal: request.signal });
  return new Response(new Blob(payload), {
    headers: { 'content-type': 'image/png', 'cache-control': 'no-store', 'server-timing': stopwatch.header() },
  });
}
