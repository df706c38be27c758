import { conformanceFaults, type Received } from './openai-schemas.ts';

/**
 * The same response, its body checked against OpenAI's schemas when it has been read to its end: a fault breaks the
 * read, so that every test which reads an answer is a test of its form. Nothing is read ahead, and leaving is passed on.
 */
export function checkedResponse(response: Response, request: Pick<Received, 'method' | 'path'>): Response {
  if (response.body === null) {
    return response;
  }
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(out) {
        const { done, value } = await reader.read();
        if (!done) {
          text += decoder.decode(value, { stream: true });
          out.enqueue(value);
          return;
        }
        const { status, headers } = response;
        const faults = conformanceFaults({ ...request, status, contentType: headers.get('content-type') ?? '', text });
        if (faults.length > 0) {
          throw new Error(
            `${request.method} ${request.path} ${status} is not as OpenAI publishes it: ${faults.join('; ')}`,
          );
        }
        out.close();
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
  return new Response(body, response);
}

/** `fetch` for a client in Node, whose answers are checked so. */
export const checkedFetch: typeof fetch = async (input, init) => {
  const { pathname } = new URL(input instanceof Request ? input.url : input);
  const method = init?.method ?? (input instanceof Request ? input.method : 'GET');
  return checkedResponse(await fetch(input, init), { method, path: pathname });
};
