const FRAME_HEADER = 3;
const FRAME = 6;
/** A size of more bytes than eight is none (AV1 bitstream, 4.10.5). */
const LEB128_MAX_BYTES = 8;

/**
 * Frames in the data of an AV1 picture, shown or not: one, as pictures are made; each costs the decoder a whole picture.
 * Walks over the units of the bitstream (AV1 bitstream, 5.3). Throws RangeError where they leave the data.
 */
export function countFrames(data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let frames = 0;
  for (let at = 0; at < data.length;) {
    const header = view.getUint8(at);
    const type = (header >> 3) & 15;
    frames += type === FRAME || type === FRAME_HEADER ? 1 : 0;
    const hasExtension = (header & 4) !== 0;
    const hasSize = (header & 2) !== 0;
    at += hasExtension ? 2 : 1;
    if (!hasSize) {
      break;
    }
    let size = 0;
    for (let i = 0; i < LEB128_MAX_BYTES; i++) {
      const byte = view.getUint8(at++);
      size += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) {
        break;
      }
    }
    at += size;
  }
  return frames;
}
