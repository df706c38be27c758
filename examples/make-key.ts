/**
 * `npm run key`: makes an API key with 222 random bits in its secret and prints where its hash goes. The key itself is stored nowhere.
 */
import { createHash, randomBytes } from 'node:crypto';

const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz';
/** As many IDs as there are make a collision unlikely among thousands of keys; a secret of 43 digits cannot be guessed. */
const [ID_DIGITS, SECRET_DIGITS] = [8, 43];

const id = randomDigits(ID_DIGITS);
const key = `vora_${id}_${randomDigits(SECRET_DIGITS)}`;
const sha256 = createHash('sha256').update(key).digest('hex');

console.log(`key, shown once:       ${key}
in the secret:         npx wrangler secret put API_KEY_SHA256   # ${id}:${sha256}, several with commas
or in the KV binding:  npx wrangler kv key put --binding API_KEYS api-key:${id} '{"sha256":"${sha256}"}'`);

/** Digits of equal chance: bytes past the last multiple of 36 are thrown away. */
function randomDigits(count: number): string {
  let digits = '';
  while (digits.length < count) {
    for (const byte of randomBytes(count)) {
      digits += byte < 252 && digits.length < count ? (DIGITS[byte % 36] ?? '') : '';
    }
  }
  return digits;
}
