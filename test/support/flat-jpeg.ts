/** What every pixel is: 64 below the middle, a difference of seven bits. */
export const FLAT_GREY = 64;

/** Code 0 of the DC table: a difference of seven bits. Code 10: none. Code 0 of the AC table: end of block. */
const DC_SYMBOLS = [7, 0];
const AC_SYMBOLS = [0];
/** −64 in seven bits (T.81 F.1.2.1: negative differences count up from zero). */
const MINUS_64 = '0111111';

/**
 * A truthful grey JPEG of any size in few bytes: the first block holds the colour, every other says "as before" in two or
 * three bits. Written by the standard (T.81), so that nobody need make a picture of a hundred megapixels first.
 */
export function flatJpeg(width: number, height: number, { progressive = false } = {}): Uint8Array<ArrayBuffer> {
  const blocks = Math.ceil(width / 8) * Math.ceil(height / 8);
  const endOfBlock = progressive ? '' : '0';
  const first = `0${MINUS_64}${endOfBlock}`;
  const again = `10${endOfBlock}`;
  const u16 = (value: number): number[] => [value >> 8, value & 255];
  const segment = (marker: number, ...payload: number[]): number[] => [
    0xff,
    marker,
    ...u16(payload.length + 2),
    ...payload,
  ];
  const huffman = (kind: number, symbols: number[]): number[] =>
    segment(0xc4, kind << 4, ...Array.from({ length: 16 }, (_, i) => (i < symbols.length ? 1 : 0)), ...symbols);
  const quantization = Array.from({ length: 64 }, () => 8);
  const head = [
    0xff,
    0xd8,
    ...segment(0xdb, 0, ...quantization),
    ...segment(progressive ? 0xc2 : 0xc0, 8, ...u16(height), ...u16(width), 1, 1, 0x11, 0),
    ...huffman(0, DC_SYMBOLS),
    ...huffman(1, AC_SYMBOLS),
    ...segment(0xda, 1, 1, 0, 0, progressive ? 0 : 63, 0),
  ];
  const bits = first.length + again.length * (blocks - 1);
  const file = new Uint8Array(head.length + Math.ceil(bits / 8) + 2);
  file.set(head);
  for (let i = 0; i < bits; i++) {
    const bit = i < first.length ? first[i] : again[(i - first.length) % again.length];
    if (bit === '1') {
      const at = head.length + (i >> 3);
      file[at] = (file[at] ?? 0) | (128 >> (i & 7));
    }
  }
  file.set([0xff, 0xd9], file.length - 2);
  return file;
}
