import { crc32 } from '../src/core/bytes/crc32.ts';
import { readJpegHeader } from '../src/core/image/jpeg-header.ts';
import { readPngHeader } from '../src/core/image/png-header.ts';
import { readWebpHeader } from '../src/core/image/webp-header.ts';

const READERS = { jpeg: readJpegHeader, png: readPngHeader, webp: readWebpHeader };

/**
 * Blanks a file's EXIF, in place, so that every browser decodes the pixels as stored: Chromium turns JPEG and PNG even when
 * told not to, and never turns WebP.
 */
export function blankExif(bytes: Uint8Array<ArrayBuffer>, format: keyof typeof READERS): Uint8Array<ArrayBuffer> {
  const { exif } = READERS[format](bytes, 'picture').metadata;
  if (exif !== undefined) {
    exif.fill(0);
    if (format === 'png') {
      const [start, end] = [exif.byteOffset, exif.byteOffset + exif.length];
      // A chunk's CRC is over its type, four bytes before its data, and the data.
      new DataView(bytes.buffer).setUint32(end, crc32(bytes.subarray(start - 4, end)));
    }
  }
  return bytes;
}
