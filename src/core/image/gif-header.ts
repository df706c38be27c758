import { invalidImage } from './image-failure.ts';

/** The first picture of a GIF, and the canvas on which it stands. */
export interface GifHeader {
  /** The logical screen, grown to hold the frame where that leaves it, as Pillow grows it. */
  readonly width: number;
  readonly height: number;
  readonly frame: GifFrame;
}

export interface GifFrame {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly interlaced: boolean;
  /** Red, green and blue of each index, u8 [≤ 256, 3]; null where there is no table, and an index is a grey. */
  readonly palette: Uint8Array | null;
  /** Index outside the frame: the transparent one, whose colour is shown, since the model sees no alpha. */
  readonly background: number;
  /** Bits of the first codes, without the one more that clear and end codes need. */
  readonly codeBits: number;
  /** Where the data's first sub-block is in the file. */
  readonly dataAt: number;
}

const SCREEN_BYTES = 13;
const EXTENSION = 0x21;
const IMAGE = 0x2c;
const GRAPHIC_CONTROL = 0xf9;

/**
 * Reads the logical screen and walks to the first image descriptor (GIF89a, sections 18 to 26).
 * Throws RangeError where the file ends before that, `invalid-image` where it holds no picture.
 */
export function readGifHeader(bytes: Uint8Array, param: string): GifHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const screen = { width: view.getUint16(6, true), height: view.getUint16(8, true) };
  const shared = colourTable(view, 10, SCREEN_BYTES);
  let transparent: number | null = null;
  for (let at = shared.end; ;) {
    const block = view.getUint8(at);
    if (block === IMAGE) {
      const own = colourTable(view, at + 9, at + 10);
      const [left, top] = [view.getUint16(at + 1, true), view.getUint16(at + 3, true)];
      const [width, height] = [view.getUint16(at + 5, true), view.getUint16(at + 7, true)];
      const codeBits = view.getUint8(own.end);
      if (width === 0 || height === 0 || codeBits < 1 || codeBits > 8) {
        throw invalidImage(param, `The GIF's first frame is ${width}×${height} px with codes of ${codeBits} bits`);
      }
      return {
        width: Math.max(screen.width, left + width),
        height: Math.max(screen.height, top + height),
        frame: {
          left,
          top,
          width,
          height,
          codeBits,
          interlaced: (view.getUint8(at + 9) & 0x40) !== 0,
          palette: own.colours ?? shared.colours,
          background: transparent ?? 0,
          dataAt: own.end + 1,
        },
      };
    }
    if (block !== EXTENSION) {
      throw invalidImage(param, `The GIF holds no picture: found a block 0x${block.toString(16)} at byte ${at}`);
    }
    if (view.getUint8(at + 1) === GRAPHIC_CONTROL && (view.getUint8(at + 3) & 1) !== 0) {
      transparent = view.getUint8(at + 6);
    }
    at += 2;
    while (view.getUint8(at) !== 0) {
      at += 1 + view.getUint8(at);
    }
    at++;
  }
}

/** A colour table that follows `start` where the flags say that there is one. */
function colourTable(view: DataView, flagsAt: number, start: number): { colours: Uint8Array | null; end: number } {
  const flags = view.getUint8(flagsAt);
  if ((flags & 0x80) === 0) {
    return { colours: null, end: start };
  }
  const end = start + 3 * 2 ** ((flags & 7) + 1);
  if (end > view.byteLength) {
    throw new RangeError('a colour table leaves the file');
  }
  return { colours: new Uint8Array(view.buffer, view.byteOffset + start, end - start), end };
}
