import { countJsonMarks } from '../core/bytes/count-json-marks.ts';
import { REQUEST_JSON_MARKS_MAX } from '../core/limits.ts';
import { RequestError } from '../core/protocol/failure.ts';

/**
 * The JSON of a request body, counted while it is read: a body that grows over the limit is never held,
 * nor is one parsed that would become far more memory than it has bytes.
 *
 * @throws RequestError `body-too-large`, or `invalid-request` for a body that is not JSON in UTF-8.
 */
export async function readJson(request: Request, limitBytes: number): Promise<unknown> {
  // A refusal before the first byte, for clients that say how much they will send.
  if (Number(request.headers.get('content-length')) > limitBytes) {
    throw new RequestError({ kind: 'body-too-large', limitBytes });
  }
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let bytes = 0;
  let marks = 0;
  let text = '';
  try {
    for await (const chunk of request.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > limitBytes) {
        throw new RequestError({ kind: 'body-too-large', limitBytes });
      }
      marks += countJsonMarks(chunk);
      if (marks > REQUEST_JSON_MARKS_MAX) {
        const message = `The body holds over ${REQUEST_JSON_MARKS_MAX} JSON values`;
        throw new RequestError({ kind: 'invalid-request', param: null, message });
      }
      text += decoder.decode(chunk, { stream: true });
    }
    text += decoder.decode();
    return JSON.parse(text) as unknown;
  } catch (cause) {
    if (cause instanceof RequestError) {
      throw cause;
    }
    const reason = cause instanceof SyntaxError || cause instanceof TypeError ? cause.message : 'it was cut off';
    throw new RequestError(
      { kind: 'invalid-request', param: null, message: `The body is not JSON in UTF-8: ${reason}` },
      { cause },
    );
  }
}
