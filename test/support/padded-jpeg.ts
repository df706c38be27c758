const SEGMENT_MAX_BYTES = 65_533;

/** The same JPEG with so many bytes of comments more, as weighty as a photo is. */
export function paddedJpeg(file: Uint8Array, bytes: number): Uint8Array<ArrayBuffer> {
  const comments: Uint8Array[] = [];
  for (let left = bytes; left > 0; left -= SEGMENT_MAX_BYTES) {
    const length = Math.min(left, SEGMENT_MAX_BYTES);
    const comment = new Uint8Array(length + 4);
    comment.set([0xff, 0xfe, (length + 2) >> 8, (length + 2) & 255]);
    comments.push(comment);
  }
  return Uint8Array.from(Buffer.concat([file.subarray(0, 2), ...comments, file.subarray(2)]));
}
