import type { GifFrame, GifHeader } from './gif-header.ts';
import { damagedImage } from './image-failure.ts';
import type { PixelRows } from './pixel-rows.ts';

const CODE_MAX_BITS = 12;
/** First row and distance of the rows in each pass of an interlaced frame (GIF89a, appendix E). */
const PASSES = [
  [0, 8],
  [4, 8],
  [2, 4],
  [1, 2],
] as const;

/**
 * The first frame of a GIF on its canvas, equal to Pillow's `convert('RGB')`: a transparent pixel has its colour, what lies
 * outside the frame the transparent one or the first. Holds a byte for each pixel of the frame.
 * Throws `invalid-image` where the frame's data ends early or makes no sense.
 */
export function decodeGif(file: Uint8Array, { width, height, frame }: GifHeader, param: string): PixelRows {
  const indices = readIndices(file, frame, param);
  const colours = colourOfIndex(frame);
  const lines = frame.interlaced ? lineOfRow(frame.height) : null;
  return {
    width,
    height,
    async read(take) {
      const row = new Uint8Array(width * 3);
      for (let y = 0; y < height; y++) {
        paintRow(row, () => frame.background);
        const line = y - frame.top;
        if (line >= 0 && line < frame.height) {
          const start = (lines?.[line] ?? line) * frame.width;
          const inFrame = row.subarray(frame.left * 3, (frame.left + frame.width) * 3);
          paintRow(inFrame, (x) => indices[start + x] ?? 0);
        }
        take(row);
      }
    },
  };

  function paintRow(row: Uint8Array, indexAt: (x: number) => number): void {
    for (let x = 0; x * 3 < row.length; x++) {
      const index = indexAt(x) * 3;
      row[x * 3] = colours[index] ?? 0;
      row[x * 3 + 1] = colours[index + 1] ?? 0;
      row[x * 3 + 2] = colours[index + 2] ?? 0;
    }
  }
}

/** u8 [256, 3]. Without a table, or with one that is a ramp of greys, an index is a grey; else those past it are black. */
function colourOfIndex({ palette }: GifFrame): Uint8Array {
  const ramp = Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3));
  if (palette === null || palette.every((value, i) => value === ramp[i])) {
    return ramp;
  }
  const colours = new Uint8Array(768);
  colours.set(palette);
  return colours;
}

/** Where each row of an interlaced frame stands in the data. */
function lineOfRow(height: number): Uint32Array {
  const lines = new Uint32Array(height);
  let line = 0;
  for (const [first, step] of PASSES) {
    for (let y = first; y < height; y += step) {
      lines[y] = line++;
    }
  }
  return lines;
}

/**
 * LZW with codes that grow to 12 bits (GIF89a, appendix F). A full table stays as it is until it is cleared, which encoders
 * make use of.
 */
function readIndices(file: Uint8Array, { width, height, codeBits, dataAt }: GifFrame, param: string): Uint8Array {
  const clear = 1 << codeBits;
  const end = clear + 1;
  const size = 1 << CODE_MAX_BITS;
  const prefix = new Uint16Array(size);
  const suffix = new Uint8Array(size);
  const firsts = new Uint8Array(size);
  const lengths = new Uint16Array(size);
  for (let code = 0; code < clear; code++) {
    suffix[code] = code;
    firsts[code] = code;
    lengths[code] = 1;
  }
  const indices = new Uint8Array(width * height);
  const nextCode = codeReader(file, dataAt);
  let bits = codeBits + 1;
  let next = end + 1;
  let previous: number | null = null;
  let at = 0;
  while (at < indices.length) {
    const code = nextCode(bits);
    if (code === null || code === end) {
      throw damagedImage(param);
    }
    if (code === clear) {
      bits = codeBits + 1;
      next = end + 1;
      previous = null;
      continue;
    }
    if (code > next || (code >= clear && previous === null) || (code === next && next === size)) {
      throw damagedImage(param);
    }
    // A code that is only now being made is the one before, with its own first index once more.
    const isNew = code === next;
    const known = isNew ? (previous ?? 0) : code;
    const length = lengths[known] ?? 0;
    for (let i = at + length - 1, link = known; i >= at; i--) {
      indices[i] = suffix[link] ?? 0;
      link = prefix[link] ?? 0;
    }
    const first = firsts[known] ?? 0;
    if (isNew) {
      indices[at + length] = first;
    }
    at += isNew ? length + 1 : length;
    if (previous !== null && next < size) {
      prefix[next] = previous;
      suffix[next] = first;
      firsts[next] = firsts[previous] ?? 0;
      lengths[next] = (lengths[previous] ?? 0) + 1;
      next++;
      if (next === 1 << bits && bits < CODE_MAX_BITS) {
        bits++;
      }
    }
    previous = code;
  }
  return indices;
}

/** Codes out of sub-blocks, least significant bit first; null at the end of the data or the file. */
function codeReader(file: Uint8Array, start: number): (bits: number) => number | null {
  let at = start;
  let left = 0;
  let held = 0;
  let heldBits = 0;
  return (bits) => {
    while (heldBits < bits) {
      if (left === 0) {
        left = file[at++] ?? 0;
        if (left === 0) {
          return null;
        }
      }
      const byte = file[at++];
      if (byte === undefined) {
        return null;
      }
      left--;
      held |= byte << heldBits;
      heldBits += 8;
    }
    const code = held & ((1 << bits) - 1);
    held >>>= bits;
    heldBits -= bits;
    return code;
  };
}
