import { damagedImage } from './image-failure.ts';
import { dropComponent } from './jpeg-drop-component.ts';
import type { Rgb } from './rgb.ts';

/**
 * Decodes a four-component JPEG as Pillow does: ink values always inverted (Adobe's habit), then its CMYK → RGB formula,
 * no colour profile.
 *
 * jSquash's build of mozjpeg gives RGB only and refuses four components. So it decodes two three-component files cut from
 * the original: the colours, and whatever holds K. In YCCK the first three are YCbCr of the inverted ink.
 * Throws what `decode` throws, and `invalid-image` or `unsupported-image` naming `param`.
 */
export async function decodeCmykJpeg(
  file: Uint8Array,
  colour: 'cmyk' | 'ycck',
  decode: (file: Uint8Array) => Promise<Rgb>,
  param: string,
): Promise<Rgb> {
  const colours = await decode(cut(file, 3, colour === 'ycck' ? 'ycc' : 'rgb', param));
  // The first component often has the largest sampling factors, which lay out the file; so another one makes room for K.
  const rest = await decode(cut(file, 1, 'rgb', param));
  const { data, width, height } = colours;
  for (let i = 0; i < data.length; i += 3) {
    const light = rest.data[i + 2] ?? 0;
    for (let channel = i; channel < i + 3; channel++) {
      const value = data[channel] ?? 0;
      data[channel] = light - multiplyBytes(colour === 'ycck' ? value : 255 - value, light);
    }
  }
  return { width, height, data };
}

function cut(file: Uint8Array, dropped: number, transform: 'rgb' | 'ycc', param: string): Uint8Array {
  try {
    return dropComponent(file, dropped, transform, param);
  } catch (error) {
    if (error instanceof RangeError) {
      throw damagedImage(param, error);
    }
    throw error;
  }
}

/** a·b/255 rounded, in integers: Pillow's MULDIV255. */
function multiplyBytes(a: number, b: number): number {
  const product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}
