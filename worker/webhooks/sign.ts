import { Webhook } from 'standardwebhooks';
import { fromBase64, livePairs, type SigningKeys, toBase64 } from './signing-keys.ts';

/** A message as it is sent; its id and body are the same at every attempt. */
export interface WebhookMessage {
  id: string;
  body: string;
}

export interface SignOptions {
  keys: SigningKeys;
  /** Adds an Ed25519 signature (`v1a`) beside each HMAC. */
  asymmetric: boolean;
  /** Time of this attempt: receivers refuse what is older than five minutes. */
  nowSeconds: number;
}

/** Standard Webhooks' headers: one signature for each live key, so that a receiver may have either during a rotation. */
export async function signedHeaders(
  message: WebhookMessage,
  { keys, asymmetric, nowSeconds }: SignOptions,
): Promise<Record<string, string>> {
  const { id, body } = message;
  const pairs = livePairs(keys, nowSeconds);
  const signatures = pairs.map(({ secret }) => new Webhook(secret).sign(id, new Date(nowSeconds * 1000), body));
  if (asymmetric) {
    for (const { privateKey } of pairs) {
      signatures.push(await signAsymmetric(privateKey, `${id}.${nowSeconds}.${body}`));
    }
  }
  return {
    'webhook-id': id,
    'webhook-timestamp': String(nowSeconds),
    'webhook-signature': signatures.join(' '),
  };
}

async function signAsymmetric(privateKey: string, text: string): Promise<string> {
  const key = await crypto.subtle.importKey('pkcs8', fromBase64(privateKey), { name: 'Ed25519' }, false, ['sign']);
  const signature = await crypto.subtle.sign({ name: 'Ed25519' }, key, new TextEncoder().encode(text));
  return `v1a,${toBase64(new Uint8Array(signature))}`;
}
