import { MalformedFile } from '../src/core/bytes/malformed-file.ts';
import { BadInput } from './bad-input.ts';
import { IoFailure } from './io-failure.ts';

/** What a task threw, on its way between threads: cloning keeps an error's text and loses what says whose fault it is. */
export interface SentFailure {
  readonly error: unknown;
  /** What the error has of its own, such as the `syscall` that failed. */
  readonly fields: Readonly<Record<string, unknown>>;
}

const CLASSES = [BadInput, MalformedFile, IoFailure];

export function sendFailure(error: unknown): SentFailure {
  return {
    error,
    fields: error instanceof Error ? Object.fromEntries([...Object.entries(error), ['name', error.name]]) : {},
  };
}

/** The error as it was thrown. */
export function receiveFailure({ error, fields }: SentFailure): unknown {
  if (!(error instanceof Error)) {
    return error;
  }
  const ownClass = CLASSES.find(({ name }) => name === fields['name']);
  return Object.assign(ownClass === undefined ? error : Object.setPrototypeOf(error, ownClass.prototype), fields);
}
