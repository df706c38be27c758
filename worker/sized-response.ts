/** JSON of known length, so that the record of a request can say how many bytes its answer had. */
export function jsonResponse(value: unknown, init: ResponseInit = {}): Response {
  return sized(JSON.stringify(value), 'application/json', init);
}

/** Text of known length. */
export function textResponse(
  text: string,
  init: ResponseInit = {},
  contentType = 'text/plain; charset=utf-8',
): Response {
  return sized(text, contentType, init);
}

function sized(text: string, contentType: string, { status = 200, headers }: ResponseInit): Response {
  const bytes = new TextEncoder().encode(text);
  const all = new Headers(headers);
  all.set('content-type', contentType);
  all.set('content-length', String(bytes.length));
  return new Response(bytes, { status, headers: all });
}
