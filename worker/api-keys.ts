import * as z from 'zod';
import { API_KEY_CACHE_SECONDS, API_KEYS_MAX } from '../src/core/limits.ts';

/**
 * API keys, known by their SHA-256 only.
 *
 * A key made by `npm run key` is `vora_ID_SECRET`: the ID finds its record and is what logs show. Any other text may be
 * a key too, when its hash stands in the secret.
 */
export interface ApiKeys {
  /** Hashes from the API_KEY_SHA256 secret. */
  listed: ListedKey[];
  /** Records by ID, so that keys come and go without a deployment; null without the API_KEYS binding. */
  store: KeyStore | null;
}

export interface ListedKey {
  /** Name for logs. */
  id: string;
  sha256: Uint8Array<ArrayBuffer>;
}

export interface StoredKey {
  sha256: Uint8Array<ArrayBuffer>;
  /** Unix time in seconds from which the key is refused, or null. */
  expires: number | null;
}

export interface KeyStore {
  /** Null where there is no such key, or its record is not valid: then it opens nothing. */
  find(id: string): Promise<StoredKey | null>;
}

const SHA256 = /^[0-9a-f]{64}$/i;
const LISTED = /^([\w-]{1,32}:)?[0-9a-f]{64}$/i;

/** `HASH` or `ID:HASH`, several with commas or white space between them. */
export const listedKeys = z.string().transform((text, context): ListedKey[] => {
  const entries = text.split(/[\s,]+/).filter((entry) => entry !== '');
  if (entries.length === 0 || entries.length > API_KEYS_MAX || !entries.every((entry) => LISTED.test(entry))) {
    const message = `expected 1 to ${API_KEYS_MAX} SHA-256 of keys, each 64 hex digits, alone or as ID:HASH`;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  }
  return entries.map(listedKey);
});

/** The key's ID, or null for a key of another form. */
export function keyId(key: string): string | null {
  return /^vora_([0-9a-z]{8})_/.exec(key)?.[1] ?? null;
}

/** Records `api-key:ID` → `{"sha256": HEX, "expires"?: UNIX SECONDS}` of a KV namespace. */
export function kvKeys(namespace: Pick<KVNamespace, 'get'>): KeyStore {
  const record = z.object({ sha256: z.string().regex(SHA256), expires: z.number().nullish() });
  return {
    async find(id) {
      const found: unknown = await namespace.get(`api-key:${id}`, { type: 'json', cacheTtl: API_KEY_CACHE_SECONDS });
      const parsed = record.safeParse(found);
      return parsed.success ? { sha256: fromHex(parsed.data.sha256), expires: parsed.data.expires ?? null } : null;
    },
  };
}

/** Without an ID, eight digits of the hash tell keys apart; they open nothing. */
function listedKey(entry: string): ListedKey {
  const [hash = '', id = hash.slice(0, 8).toLowerCase()] = entry.split(':').toReversed();
  return { id, sha256: fromHex(hash) };
}

function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
