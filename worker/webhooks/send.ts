import { WEBHOOK_TIMEOUT_MS } from '../../src/core/limits.ts';
import { readRetryAfter } from '../../src/core/upstream/retry-after.ts';
import { type AttemptResult, judgeAnswer } from '../../src/core/webhooks/attempt-result.ts';
import { denyReason, parsePublicUrl } from '../public-url.ts';
import { type SignOptions, signedHeaders, type WebhookMessage } from './sign.ts';

export interface Sending {
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Host of this worker, which it never calls. */
  ownHost: string | null;
  timeoutMs?: number;
}

/**
 * One attempt. The URL is checked again: rules may have changed since it was taken in. Nothing of the receiver's body is
 * read.
 */
export async function sendWebhook(
  url: string,
  message: WebhookMessage,
  sign: SignOptions,
  { fetch, ownHost, timeoutMs = WEBHOOK_TIMEOUT_MS }: Sending,
): Promise<AttemptResult> {
  const target = parsePublicUrl(url);
  const denied = target === null ? 'it is not a URL' : denyReason(target, ownHost);
  if (target === null || denied !== null) {
    return failed(`the URL is refused: ${denied}`);
  }
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(target.href, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'vora-edge-webhooks',
        ...(await signedHeaders(message, sign)),
      },
      body: message.body,
      redirect: 'manual',
      signal: timeout,
    });
    await response.body?.cancel();
    return judgeAnswer(response.status, readRetryAfter(response.headers, sign.nowSeconds));
  } catch {
    return failed(timeout.aborted ? `no answer within ${timeoutMs} ms` : 'the receiver could not be reached');
  }
}

function failed(reason: string): AttemptResult {
  return { kind: 'failed', status: null, reason, retryAfterSeconds: null };
}
