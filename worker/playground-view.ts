import { IMAGE_EMBEDDINGS_MAX_BYTES, PICTURE_URL_MAX_BYTES } from '../src/core/limits.ts';
import { authorise } from './authorise.ts';
import type { Deps } from './deps.ts';
import { NOTHING_ENCLOSED } from './enclosed-files.ts';
import { ALWAYS_ROOM, prepareImage } from './prepare-image.ts';
import type { RequestContext } from './request-context.ts';

/**
 * The picture behind a URL, which is the body of the request, as the model's exact input: a PNG. The page itself loads
 * nothing from elsewhere. It costs what a question about the picture costs but for the answer, and needs the same key.
 */
export async function viewPicture(deps: Deps, request: RequestContext): Promise<Response> {
  const { headers, record, signal, stopwatch, uploads } = request;
  record.note({ key: await authorise(headers, deps.config.keys, deps.unixSeconds) });
  const url = new TextDecoder().decode(await request.receive(PICTURE_URL_MAX_BYTES));
  const { payload } = await prepareImage({ url, detail: 'auto', param: 'url' }, deps, {
    wire: 'pixels',
    stopwatch,
    signal,
    enclosed: NOTHING_ENCLOSED,
    uploads,
    reuse: null,
    room: IMAGE_EMBEDDINGS_MAX_BYTES,
    made: ALWAYS_ROOM,
    seen: null,
  });
  const png = new Blob(payload);
  return new Response(png, {
    headers: {
      'content-type': 'image/png',
      'content-length': String(png.size),
      'cache-control': 'no-store',
      'server-timing': stopwatch.header(),
    },
  });
}
