import { WEBHOOK_SECRET_OVERLAP_SECONDS } from '../../src/core/limits.ts';

/**
 * What signs the webhooks of one receiver: a secret that both sides know (`v1`), and a key pair whose public half anybody
 * may read (`v1a`). After a rotation the one before signs as well, until `previousUntil`.
 */
export interface SigningKeys {
  current: SigningPair;
  previous: SigningPair | null;
  /** Unix time in seconds. */
  previousUntil: number;
}

export interface SigningPair {
  /** `whsec_` and base64 of 32 bytes, as Standard Webhooks writes it. */
  secret: string;
  /** PKCS #8 of an Ed25519 key in base64. */
  privateKey: string;
  /** The public half's 32 bytes in base64. */
  publicKey: string;
}

export interface PublicKey {
  kty: 'OKP';
  crv: 'Ed25519';
  use: 'sig';
  alg: 'EdDSA';
  x: string;
  whpk: string;
}

const SECRET_BYTES = 32;

export async function newSigningPair(): Promise<SigningPair> {
  const secret = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  const pair = (await crypto.subtle.generateKey({ name: 'Ed25519' }, true, ['sign', 'verify'])) as CryptoKeyPair;
  const [pkcs8, raw] = await Promise.all([
    crypto.subtle.exportKey('pkcs8', pair.privateKey) as Promise<ArrayBuffer>,
    crypto.subtle.exportKey('raw', pair.publicKey) as Promise<ArrayBuffer>,
  ]);
  return {
    secret: `whsec_${toBase64(secret)}`,
    privateKey: toBase64(new Uint8Array(pkcs8)),
    publicKey: toBase64(new Uint8Array(raw)),
  };
}

/** A rotation: the new pair signs at once, the one before it goes on signing for a while. */
export function rotate(keys: SigningKeys, next: SigningPair, nowSeconds: number): SigningKeys {
  return { current: next, previous: keys.current, previousUntil: nowSeconds + WEBHOOK_SECRET_OVERLAP_SECONDS };
}

/** The pairs that sign now, the newest first. */
export function livePairs(keys: SigningKeys, nowSeconds: number): SigningPair[] {
  const { current, previous, previousUntil } = keys;
  return previous !== null && nowSeconds < previousUntil ? [current, previous] : [current];
}

/** Public halves as JSON Web Keys (RFC 8037) and as Standard Webhooks' `whpk_` text. */
export function publicKeySet(keys: SigningKeys, nowSeconds: number): { keys: PublicKey[] } {
  return {
    keys: livePairs(keys, nowSeconds).map(({ publicKey }) => ({
      kty: 'OKP',
      crv: 'Ed25519',
      use: 'sig',
      alg: 'EdDSA',
      x: publicKey.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, ''),
      whpk: `whpk_${publicKey}`,
    })),
  };
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
