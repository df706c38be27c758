/** What became of one attempt to deliver a webhook. Holds nothing of the receiver's body. */
export type AttemptResult =
  | { kind: 'delivered'; status: number }
  /** 410: the receiver wants no more. */
  | { kind: 'gone'; status: number }
  | { kind: 'failed'; status: number | null; reason: string; retryAfterSeconds: number | null };

/**
 * Reads a receiver's answer. Only 2xx is success: a redirect is a failure too, since following one would send the
 * message where nobody has checked the URL.
 */
export function judgeAnswer(status: number, retryAfterSeconds: number | null): AttemptResult {
  if (status >= 200 && status < 300) {
    return { kind: 'delivered', status };
  }
  if (status === 410) {
    return { kind: 'gone', status };
  }
  const reason = status >= 300 && status < 400 ? `redirect ${status} is not followed` : `status ${status}`;
  return { kind: 'failed', status, reason, retryAfterSeconds };
}
