import { IMAGE_MAX_BYTES } from '../src/core/limits.ts';
import { imageTooLarge } from '../src/core/image/image-failure.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import { roomFor } from './read-body.ts';

/**
 * Bytes of an upload of whoever asks, by its key in their own folder.
 *
 * @param param path of the part that names it; every failure names it.
 * @param enter waits until so many bytes may be held.
 * @throws RequestError `image-unreachable` where there is no such upload, `image-too-large`, `invalid-request` where
 *   there are no uploads.
 */
export type ReadUpload = (
  key: string,
  param: string,
  enter: (bytes: number) => Promise<void>,
) => Promise<Uint8Array<ArrayBuffer>>;

/** Who is no tenant has no folder. */
export const noUploads: ReadUpload = async (_, param) => {
  const message = `${param}: r2:KEY names a tenant's upload, and this worker serves no tenants; send a data: or https: URL`;
  throw new RequestError({ kind: 'invalid-request', param, message });
};

/** A tenant's folder: every key is read beneath it, and none leads out. */
export function tenantUploads(bucket: Pick<R2Bucket, 'get'>, tenant: string): ReadUpload {
  return async (key, param, enter) => {
    const object = await bucket.get(`${tenant}/${key}`);
    if (object === null) {
      throw new RequestError({ kind: 'image-unreachable', param, message: 'There is no such upload' });
    }
    if (object.size > IMAGE_MAX_BYTES) {
      await object.body.cancel();
      throw imageTooLarge(param, `The image is larger than ${IMAGE_MAX_BYTES} bytes`);
    }
    await enter(roomFor(object.size, IMAGE_MAX_BYTES));
    return new Uint8Array(await object.arrayBuffer());
  };
}
