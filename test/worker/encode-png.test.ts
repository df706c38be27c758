import { describe, expect, it } from 'vitest';
import { sniffImage } from '../../src/core/image/sniff.ts';
import { encodePng } from '../../src/core/image/encode-png.ts';
import { decodePixels } from './decode-pixels.ts';

describe('encodePng', () => {
  it.each([
    [1, 1],
    [3, 2],
    [14, 14],
    [448, 448],
    [1, 150],
  ])('%i × %i pixels come back as they were', async (width, height) => {
    const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919) >>> 3);
    const png = await encodePng({ width, height, data });
    const header = sniffImage(png, 'part');
    expect(header).toMatchObject({ format: 'png', width, height, orientation: 1 });
    const decoded = await decodePixels(png);
    expect(new Uint8Array(decoded.data)).toEqual(data);
  });

  it('is smaller than the pixels on a smooth picture', async () => {
    const data = Uint8Array.from({ length: 448 * 448 * 3 }, (_, i) => (i / 1344 + (i % 1344) / 9) & 0xff);
    expect((await encodePng({ width: 448, height: 448, data })).length).toBeLessThan(data.length / 4);
  });
});
