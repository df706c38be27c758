import { type Failure, RequestError } from '../../src/core/protocol/failure.ts';

/** What a tenant's object answers: an error's class does not survive the call, so failures travel as values. */
export type Reply<Value> = { ok: true; value: Value } | { ok: false; failure: Failure };

export function reply<Value>(value: Value): Reply<Value> {
  return { ok: true, value };
}

export function refused(failure: Failure): { ok: false; failure: Failure } {
  return { ok: false, failure };
}

/** @throws RequestError with the failure that was answered. */
export function unwrap<Value>(answer: Reply<Value>): Value {
  if (!answer.ok) {
    throw new RequestError(answer.failure);
  }
  return answer.value;
}
