const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz';
/** As many IDs as there are make a collision unlikely among millions of keys; a secret of 43 digits has 222 bits. */
const ID_DIGITS = 8;
const SECRET_DIGITS = 43;

export interface NewKey {
  id: string;
  /** `vora_ID_SECRET`: shown once, stored nowhere. */
  key: string;
  sha256: string;
}

export async function newKey(): Promise<NewKey> {
  const id = randomDigits(ID_DIGITS);
  const key = `vora_${id}_${randomDigits(SECRET_DIGITS)}`;
  return { id, key, sha256: await sha256Hex(key) };
}

export async function sha256Hex(text: string | BufferSource): Promise<string> {
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
  return toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Digits of equal chance: bytes past the last multiple of 36 are thrown away. */
function randomDigits(count: number): string {
  let digits = '';
  while (digits.length < count) {
    for (const byte of crypto.getRandomValues(new Uint8Array(count))) {
      digits += byte < 252 && digits.length < count ? (DIGITS[byte % 36] ?? '') : '';
    }
  }
  return digits;
}
