import { UPLOAD_KEY_MAX_CHARS } from '../limits.ts';
import { RequestError } from './failure.ts';

/**
 * KEY of an image that is named `r2:KEY`: an upload in the client's own folder. Null for every other URL.
 *
 * R2 takes `..` for a name like any other; one that means to leave the folder is refused before anybody resolves it.
 *
 * @throws RequestError `invalid-request` naming `param` for a key that no upload can have.
 */
export function uploadKeyOf(url: string, param: string): string | null {
  if (!url.startsWith('r2:')) {
    return null;
  }
  const key = url.slice('r2:'.length);
  if (key === '' || key.length > UPLOAD_KEY_MAX_CHARS) {
    const expected = `expected r2:KEY with 1 to ${UPLOAD_KEY_MAX_CHARS} characters of KEY`;
    throw new RequestError({ kind: 'invalid-request', param, message: `${param}: ${expected}` });
  }
  if (key.split('/').some((step) => step === '.' || step === '..')) {
    const message = `${param}: a key has no '.' or '..' between slashes`;
    throw new RequestError({ kind: 'invalid-request', param, message });
  }
  return key;
}
