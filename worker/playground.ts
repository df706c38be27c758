import { decodeBase64 } from '../src/core/bytes/base64.ts';
import type { SeeingManifest } from '../src/core/model/manifest.ts';
import type { Bundle } from './bundle.ts';
import type { Deps } from './deps.ts';
import { PLAYGROUND_FILES, type PlaygroundFile } from './playground-files.js';
import { viewPicture } from './playground-view.ts';
import type { Route } from './shell.ts';
import { jsonResponse } from './sized-response.ts';

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  // blob: is the visitor's own picture.
  "img-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

/** A page that holds somebody's key and loads nothing from elsewhere. */
const HEADERS = {
  'content-security-policy': POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** What the playground answers. Only what costs work needs a key: the page sends its visitor's own. */
export function playgroundRoutes(deps: Deps): Route[] {
  return [
    ['GET', '/', () => new Response(null, { status: 302, headers: { location: '/playground' } })],
    ['GET', '/playground/facts.json', () => facts(deps.bundle)],
    ['POST', '/playground/view', (c) => viewPicture(deps, c.var.request)],
    ...PLAYGROUND_FILES.map((file): Route => ['GET', file.path, (c) => serve(file, c.var.request.headers)]),
  ];
}

function serve({ path, type, etag, base64 }: PlaygroundFile, headers: Headers): Response {
  const caching = { 'cache-control': 'no-cache', etag };
  if (headers.get('if-none-match') === etag) {
    return new Response(null, { status: 304, headers: caching });
  }
  const bytes = decodeBase64(base64, path);
  const size = { 'content-type': type, 'content-length': String(bytes.length) };
  return new Response(bytes, { headers: { ...HEADERS, ...caching, ...size } });
}

/** What the page must know of the model to show what it sees. `vision` is null without a bundle: a worker that passes pictures on as they are needs none. */
async function facts(bundle: Bundle): Promise<Response> {
  const manifest = await bundle.manifest().catch(() => null);
  return jsonResponse({ vision: manifest && visible(manifest) }, { headers: { 'cache-control': 'no-cache' } });
}

function visible({ vision: { imageSize, patchSize, resize }, llm: { hiddenSize } }: SeeingManifest): object {
  return { imageSize, patchSize, resize, hiddenSize };
}
