import { expect } from 'vitest';
import type { Failure } from '../../../src/core/protocol/failure.ts';
import { RequestError } from '../../../src/core/protocol/failure.ts';

/** The client's field that every failure must name. */
export const PARAM = 'messages[0].content[1].image_url.url';

/** Matches a RequestError of this kind about PARAM, its message fitting `message`. */
export function refusal(kind: Failure['kind'], message = /./): unknown {
  return expect.toSatisfy(
    (error: unknown) =>
      error instanceof RequestError &&
      error.failure.kind === kind &&
      'param' in error.failure &&
      error.failure.param === PARAM &&
      message.test(error.message),
    `RequestError ${kind} of ${PARAM} with a message like ${message}`,
  );
}
