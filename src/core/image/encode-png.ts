import { crc32 } from '../bytes/crc32.ts';
import type { Rgb } from './rgb.ts';

/** PNG, third edition (W3C 2025): signature, then chunks of length, type, data and CRC. */
const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const BITS = 8;
const TRUECOLOUR = 2;
/** Filter "Sub": each byte minus its left neighbour's; half the size of no filter on photos, for one subtraction. */
const FILTER_SUB = 1;

/** Lossless 8-bit RGB PNG without metadata. Peak memory: the pixels twice and the result. */
export async function encodePng(image: Rgb): Promise<Uint8Array<ArrayBuffer>> {
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, image.width);
  header.setUint32(4, image.height);
  header.setUint8(8, BITS);
  header.setUint8(9, TRUECOLOUR);
  const parts = [
    Uint8Array.from(SIGNATURE),
    chunk('IHDR', new Uint8Array(header.buffer)),
    chunk('IDAT', await deflate(filterRows(image))),
    chunk('IEND', new Uint8Array(0)),
  ];
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

function filterRows({ width, height, data }: Rgb): Uint8Array<ArrayBuffer> {
  const rowBytes = width * 3;
  const filtered = new Uint8Array((rowBytes + 1) * height);
  let out = 0;
  for (let row = 0; row < height; row++) {
    filtered[out++] = FILTER_SUB;
    for (let x = 0; x < rowBytes; x++) {
      const at = row * rowBytes + x;
      filtered[out++] = (data[at] ?? 0) - (x < 3 ? 0 : (data[at - 3] ?? 0));
    }
  }
  return filtered;
}

async function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const zlib = new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate'));
  return new Uint8Array(await new Response(zlib).arrayBuffer());
}

function chunk(type: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}
