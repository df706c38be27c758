import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Decoder } from '../../../src/core/image/decode.ts';
import { preprocess } from '../../../src/core/image/preprocess.ts';
import type { Rgb } from '../../../src/core/image/rgb.ts';
import { sniffImage } from '../../../src/core/image/sniff.ts';
import { loadImageDecoder } from '../../../src/endpoint/image-codecs.ts';
import { collectRows } from '../../support/collect-rows.ts';
import { PARAM } from './refusal.ts';

/** One file of the corpus and what Pillow makes of it; test/fixtures/parity/README.md explains the fields. */
interface ParityFile {
  file: string;
  mode: string;
  encoder: string;
  orientation: number;
  width: number;
  height: number;
  pixelsSha256: string;
  inputSha256: string;
}

const FOLDER = new URL('../../fixtures/parity/', import.meta.url);
/** The corpus has a list for each of these. */
const FORMATS = ['jpeg', 'png', 'webp', 'gif', 'avif'] as const;
const VISION = { imageSize: 56, patchSize: 14, resize: { mode: 'square' } } as const;
const corpus = FORMATS.flatMap((format) => readList(format).map((entry) => ({ format, ...entry })));

let decoder: Decoder;
beforeAll(async () => {
  decoder = await loadImageDecoder();
});

function readList(format: string): ParityFile[] {
  return JSON.parse(readFileSync(new URL(`${format}.json`, FOLDER), 'utf8')) as ParityFile[];
}

function readFile({ file }: ParityFile): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`files/${file}`, FOLDER)));
}

async function pixelsOf(file: Uint8Array): Promise<Rgb> {
  return collectRows(await decoder.open(file, sniffImage(file, PARAM), PARAM));
}

/** As a PNG, whose decoder is proven equal. */
function pillowsPixels({ file }: ParityFile): Promise<Rgb> {
  const png = new URL(`pixels/${file.replace(/avif$/, 'png')}`, FOLDER);
  return pixelsOf(new Uint8Array(readFileSync(png)));
}

/** In levels of 255. Formats without pixels beside them are compared by hash: 0. */
async function differenceOf(entry: (typeof corpus)[number]): Promise<number> {
  return entry.format === 'avif'
    ? largestDifference((await pixelsOf(readFile(entry))).data, (await pillowsPixels(entry)).data)
    : 0;
}

function largestDifference(ours: Uint8Array, theirs: Uint8Array): number {
  return ours.reduce((most, value, i) => Math.max(most, Math.abs(value - (theirs[i] ?? Number.NaN))), 0);
}

function columnOf({ width, height, data }: Rgb, x: number): Uint8Array {
  return Uint8Array.from({ length: height * 3 }, (_, i) => data[(Math.floor(i / 3) * width + x) * 3 + (i % 3)] ?? 0);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Levels of 255 by which the stored pixels of an AVIF may differ, and those next to its right edge at an odd width. */
const AVIF_LEVELS_MAX = 3;
const AVIF_EDGE_LEVELS_MAX = 46;

describe('beside Pillow', () => {
  it.each(corpus.filter(({ format }) => format !== 'avif'))(
    '$file: $mode by $encoder, $width×$height, orientation $orientation',
    async (expected) => {
      const file = readFile(expected);
      const header = sniffImage(file, PARAM);
      const { format, width, height, orientation } = expected;
      expect(header).toMatchObject({ format, width, height, orientation });
      const pixels = await pixelsOf(file);
      expect(sha256(pixels.data), 'stored pixels').toBe(expected.pixelsSha256);
      const input = await preprocess(header, await decoder.open(file, header, PARAM), VISION, PARAM, decoder.passes);
      expect(sha256(input.data), 'upright, squared and resized').toBe(expected.inputSha256);
    },
  );
});

describe('an AVIF beside Pillow', () => {
  it.each(corpus.filter(({ format }) => format === 'avif'))(
    '$file: $mode by $encoder, $width×$height, orientation $orientation',
    async (expected) => {
      const { width, height, orientation, mode } = expected;
      const file = readFile(expected);
      const header = sniffImage(file, PARAM);
      expect(header).toMatchObject({ format: 'avif', width, height, orientation });
      const [ours, pillows] = [await pixelsOf(file), await pillowsPixels(expected)];
      expect(sha256(pillows.data)).toBe(expected.pixelsSha256);
      const isHalved = !['4:4:4', 'grey', 'lossless'].includes(mode);
      const edge = isHalved && width % 2 === 1 ? AVIF_EDGE_LEVELS_MAX : AVIF_LEVELS_MAX;
      for (let x = 0; x < width; x++) {
        const most = x === width - 1 ? edge : AVIF_LEVELS_MAX;
        expect(largestDifference(columnOf(ours, x), columnOf(pillows, x)), `column ${x}`).toBeLessThanOrEqual(most);
      }
    },
  );
});

describe('docs/image-parity.md', () => {
  it('has a row for each mode of each format, and no other', async () => {
    const page = readFileSync(new URL('../../../docs/image-parity.md', import.meta.url), 'utf8');
    const rows = [...page.matchAll(/^\| (jpeg|png|webp|gif|avif) .*$/gm)].map(([row]) => row.replaceAll(/ +/g, ' '));
    expect(rows).toEqual(await tableOf(corpus));
  });

  it('is about enough: every format in all orientations, odd and tiny sizes, by encoders of several houses', () => {
    expect(corpus.length).toBeGreaterThan(150);
    for (const format of FORMATS) {
      const files = corpus.filter((entry) => entry.format === format);
      // A GIF has no EXIF.
      expect(new Set(files.map(({ orientation }) => orientation)).size).toBe(format === 'gif' ? 1 : 8);
      const encoders = new Set(files.map(({ encoder }) => encoder)).size;
      expect(encoders).toBeGreaterThanOrEqual(format === 'avif' ? 2 : 3);
      expect(files.some(({ width, height }) => width === 1 && height === 1)).toBe(true);
      expect(files.filter(({ width, height }) => width % 2 === 1 && height % 2 === 1).length).toBeGreaterThan(10);
    }
  });
});

/** What the page says: one row for all files of a format and mode. */
async function tableOf(files: typeof corpus): Promise<string[]> {
  const modes = Map.groupBy(files, ({ format, mode }) => `${format} | ${mode}`);
  return Promise.all(
    [...modes].map(async ([formatAndMode, entries]) => {
      const list = (values: (string | number)[]): string => [...new Set(values)].join(', ');
      const sizes = list(entries.map(({ width, height }) => `${width}×${height}`));
      const encoders = list(entries.map(({ encoder }) => encoder));
      const orientations = new Set(entries.map(({ orientation }) => orientation));
      const turned = orientations.size === 8 ? '1 to 8' : list([...orientations]);
      const differences = await Promise.all(entries.map(differenceOf));
      return `| ${formatAndMode} | ${encoders} | ${turned} | ${sizes} | ${entries.length} | ${Math.max(...differences)} |`;
    }),
  );
}
