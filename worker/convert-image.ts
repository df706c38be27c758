import { isHeic } from '../src/core/image/foreign-format.ts';
import { type ImageHeader, sniffImage } from '../src/core/image/sniff.ts';
import { CONVERTED_EDGE_MAX_PX, IMAGE_MAX_BYTES } from '../src/core/limits.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import { readLimited } from './read-body.ts';
import type { Stopwatch } from './stopwatch.ts';

/** A picture that no decoder here takes, as an upright PNG that one does; null past IMAGE_MAX_BYTES. */
export type ConvertImage = (file: Uint8Array<ArrayBuffer>) => Promise<Uint8Array<ArrayBuffer> | null>;

/** By Cloudflare Images, which decodes outside of this isolate, resizes its own way, and is paid for by the picture. */
export function imagesBinding(images: Pick<ImagesBinding, 'input'>): ConvertImage {
  return async (file) => {
    const edge = CONVERTED_EDGE_MAX_PX;
    const result = await images
      .input(new Blob([file]).stream())
      .transform({ width: edge, height: edge, fit: 'scale-down' })
      .output({ format: 'image/png' });
    return readLimited(result.response().body, null, IMAGE_MAX_BYTES);
  };
}

/**
 * A file that can be decoded here: as it came, or converted where it is HEIC or past a limit of our decoders.
 *
 * @throws RequestError what `sniffImage` throws, told of the conversion that failed or that nobody has bound.
 */
export async function decodableImage(
  file: Uint8Array<ArrayBuffer>,
  param: string,
  convert: ConvertImage | null,
  stopwatch: Stopwatch,
): Promise<{ file: Uint8Array<ArrayBuffer>; header: ImageHeader }> {
  try {
    return { file, header: sniffImage(file, param) };
  } catch (error) {
    if (!(error instanceof RequestError) || !isConvertible(error, file)) {
      throw error;
    }
    if (convert === null) {
      throw besides(error, 'a worker with the Images binding would convert it');
    }
    const converted = await stopwatch
      .time('convert', () => convert(file))
      .catch((cause: unknown) => {
        throw besides(error, 'Cloudflare Images could not convert it', cause);
      });
    if (converted === null) {
      throw besides(error, 'Cloudflare Images made too large a file of it');
    }
    return { file: converted, header: sniffImage(converted, param) };
  }
}

function isConvertible({ failure }: RequestError, file: Uint8Array): boolean {
  return failure.kind === 'image-too-large' || (failure.kind === 'unsupported-image' && isHeic(file));
}

function besides({ failure, message }: RequestError, more: string, cause?: unknown): RequestError {
  return new RequestError({ ...failure, message: `${message}; ${more}` } as typeof failure, { cause });
}
