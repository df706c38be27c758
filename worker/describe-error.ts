import { LOG_FRAMES_MAX } from '../src/core/limits.ts';
import { type Failure, RequestError, toWireError } from '../src/core/protocol/failure.ts';

/** What an operator may be told about an error. */
export interface ErrorFacts {
  failure: Failure['kind'];
  /** Our own words, where the fault is not the client's. */
  message: string | null;
  /** Where in the code it was thrown, and where its cause was. */
  at: string[];
}

/**
 * An error without what may come from a client: messages of a bad request name its fields, the message of a JSON error
 * quotes the text, and upstream's words may repeat the prompt. Kind and place say what an operator needs.
 */
export function describeError(error: unknown): ErrorFacts {
  if (!(error instanceof RequestError)) {
    return { failure: 'internal', message: error instanceof Error ? error.name : null, at: frames(error) };
  }
  const { failure, cause } = error;
  const isOurs = toWireError(failure).status >= 500;
  // A failed connection names a host and port of the operator's own configuration.
  const reason = failure.kind === 'upstream-unreachable' && cause instanceof Error ? ` (${cause.message})` : '';
  return {
    failure: failure.kind,
    message: isOurs ? error.message + reason : null,
    at: isOurs ? [...frames(error).slice(0, 2), ...frames(cause)].slice(0, LOG_FRAMES_MAX) : [],
  };
}

/** Places of a stack, without the message before them: it may hold lines that look like places. */
function frames(error: unknown): string[] {
  if (!(error instanceof Error) || error.stack === undefined) {
    return [];
  }
  const { stack, message } = error;
  return stack
    .slice(Math.max(stack.indexOf(message), 0) + message.length)
    .split('\n')
    .filter((line) => /^\s+at .+:\d+:\d+\)?$/.test(line))
    .map((line) => line.trim().replace(/^at /, ''))
    .slice(0, LOG_FRAMES_MAX);
}
