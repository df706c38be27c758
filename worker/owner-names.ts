import { OWNERS_HELD_MAX } from '../src/core/limits.ts';

/**
 * Names under which an owner's images and prompts are kept, by us and by model servers: HMACs, so that no other owner's
 * request has the same one, whatever it shows (vLLM takes a uuid for a global key).
 */
export interface OwnerNames {
  /**
   * Of the image in a file, made in one way: 64 hex digits.
   *
   * @param made what else the result depends on: its form, preprocessing and vision weights.
   */
  image(file: Uint8Array<ArrayBuffer>, made: string): Promise<string>;
  /** Of the owner: only prompts of one owner share keys and values. */
  salt(): Promise<string>;
}

/** The names of those who asked last are at hand: an owner's key and salt are made once. */
export function holdOwnerNames(secret: string): (owner: string) => OwnerNames {
  /** The latest used last. */
  const held = new Map<string, OwnerNames>();
  return (owner) => {
    const names = held.get(owner) ?? ownerNames(secret, owner);
    held.delete(owner);
    held.set(owner, names);
    const [oldest] = held.keys();
    if (held.size > OWNERS_HELD_MAX && oldest !== undefined) {
      held.delete(oldest);
    }
    return names;
  };
}

/** @param secret of the deployment; those that share a model server and have different ones share nothing. */
export function ownerNames(secret: string, owner: string): OwnerNames {
  const utf8 = new TextEncoder();
  let imported: CryptoKey | undefined;
  let known: string | undefined;
  const key = async (): Promise<CryptoKey> =>
    (imported ??= await crypto.subtle.importKey(
      'raw',
      utf8.encode(`vora-edge ${secret} ${owner}`),
      { name: 'HMAC', hash: 'SHA-256' },
      false,
      ['sign'],
    ));
  const sign = async (text: string): Promise<string> =>
    hex(await crypto.subtle.sign('HMAC', await key(), utf8.encode(text)));
  return {
    image: async (file, made) => sign(`image ${made} ${hex(await crypto.subtle.digest('SHA-256', file))}`),
    salt: async () => (known ??= await sign('prompts')),
  };
}

function hex(bytes: ArrayBuffer): string {
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
