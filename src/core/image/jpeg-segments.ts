/** Markers of ITU-T T.81, table B.1, and JFIF/Exif/Adobe use of APPn. */
export const JPEG = {
  SOF0: 0xc0,
  SOF1: 0xc1,
  SOF2: 0xc2,
  DHT: 0xc4,
  JPG: 0xc8,
  DAC: 0xcc,
  SOF15: 0xcf,
  RST0: 0xd0,
  RST7: 0xd7,
  SOI: 0xd8,
  EOI: 0xd9,
  SOS: 0xda,
  APP1: 0xe1,
  TEM: 0x01,
} as const;

export interface JpegSegment {
  readonly marker: number;
  /** Payload without marker and length: bytes `start` to `end`. */
  readonly start: number;
  readonly end: number;
}

/**
 * Walks a JPEG file from SOI to EOI, lazily: nothing behind the segment asked for is read.
 *
 * Bytes between segments that are no marker are skipped, as libjpeg and Pillow do. Throws RangeError where the file ends
 * before EOI.
 */
export function* jpegSegments(bytes: Uint8Array): Generator<JpegSegment> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 2;
  for (;;) {
    at = nextMarker(bytes, at);
    const marker = view.getUint8(at - 1);
    if (marker === JPEG.EOI) {
      yield { marker, start: at, end: at };
      return;
    }
    if (marker === JPEG.TEM || (marker >= JPEG.RST0 && marker <= JPEG.SOI)) {
      continue;
    }
    const start = at + 2;
    const end = at + view.getUint16(at);
    if (end < start || end > bytes.length) {
      throw new RangeError(`segment ${marker.toString(16)} at byte ${at - 2} leaves the file`);
    }
    yield { marker, start, end };
    at = end;
    if (marker === JPEG.SOS) {
      at = endOfScan(bytes, end);
    }
  }
}

/** First byte behind the next marker; 0xFF may be repeated before it (T.81 B.1.1.2). */
function nextMarker(bytes: Uint8Array, from: number): number {
  let at = from;
  for (;;) {
    at = bytes.indexOf(0xff, at);
    if (at < 0) {
      throw new RangeError('no EOI marker before the end of the file');
    }
    while (bytes[at] === 0xff) {
      at += 1;
    }
    if (at === bytes.length) {
      throw new RangeError('no EOI marker before the end of the file');
    }
    at += 1;
    if (bytes[at - 1] !== 0) {
      return at;
    }
  }
}

/** Start of the first marker behind `from` that is neither a stuffed 0xFF00 nor a restart. */
function endOfScan(bytes: Uint8Array, from: number): number {
  let at = from;
  for (;;) {
    at = nextMarker(bytes, at);
    const marker = bytes[at - 1] ?? 0;
    if (marker < JPEG.RST0 || marker > JPEG.RST7) {
      return at - 2;
    }
  }
}
