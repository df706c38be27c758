import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Decoder } from '../../../src/core/image/decode.ts';
import { preprocess } from '../../../src/core/image/preprocess.ts';
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
const FORMATS = ['jpeg', 'png', 'webp', 'gif'] as const;
const VISION = { imageSize: 56, patchSize: 14, resize: { mode: 'square' } } as const;
const corpus = FORMATS.flatMap((format) => readList(format).map((entry) => ({ format, ...entry })));

let decoder: Decoder;
beforeAll(async () => {
  decoder = await loadImageDecoder();
});

function readList(format: string): ParityFile[] {
  return JSON.parse(readFileSync(new URL(`${format}.json`, FOLDER), 'utf8')) as ParityFile[];
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe('beside Pillow', () => {
  it.each(corpus)('$file: $mode by $encoder, $width×$height, orientation $orientation', async (expected) => {
    const file = new Uint8Array(readFileSync(new URL(`files/${expected.file}`, FOLDER)));
    const header = sniffImage(file, PARAM);
    const { format, width, height, orientation } = expected;
    expect(header).toMatchObject({ format, width, height, orientation });
    const pixels = await collectRows(await decoder.open(file, header, PARAM));
    expect(sha256(pixels.data), 'stored pixels').toBe(expected.pixelsSha256);
    const input = await preprocess(header, await decoder.open(file, header, PARAM), VISION, PARAM);
    expect(sha256(input.data), 'upright, squared and resized').toBe(expected.inputSha256);
  });
});

describe('docs/image-parity.md', () => {
  it('has a row for each mode of each format, and no other', () => {
    const page = readFileSync(new URL('../../../docs/image-parity.md', import.meta.url), 'utf8');
    const rows = [...page.matchAll(/^\| (jpeg|png|webp|gif) .*$/gm)].map(([row]) => row.replaceAll(/ +/g, ' '));
    expect(rows).toEqual(tableOf(corpus));
  });

  it('is about enough: every format in all orientations, odd and tiny sizes, by encoders of several houses', () => {
    expect(corpus.length).toBeGreaterThan(150);
    for (const format of FORMATS) {
      const files = corpus.filter((entry) => entry.format === format);
      // A GIF has no EXIF.
      expect(new Set(files.map(({ orientation }) => orientation)).size).toBe(format === 'gif' ? 1 : 8);
      expect(new Set(files.map(({ encoder }) => encoder)).size).toBeGreaterThanOrEqual(3);
      expect(files.some(({ width, height }) => width === 1 && height === 1)).toBe(true);
      expect(files.filter(({ width, height }) => width % 2 === 1 && height % 2 === 1).length).toBeGreaterThan(10);
    }
  });
});

/** What the page says: one row for all files of a format and mode. */
function tableOf(files: typeof corpus): string[] {
  const modes = Map.groupBy(files, ({ format, mode }) => `${format} | ${mode}`);
  return [...modes].map(([formatAndMode, entries]) => {
    const list = (values: (string | number)[]): string => [...new Set(values)].join(', ');
    const sizes = list(entries.map(({ width, height }) => `${width}×${height}`));
    const encoders = list(entries.map(({ encoder }) => encoder));
    const orientations = new Set(entries.map(({ orientation }) => orientation));
    const turned = orientations.size === 8 ? '1 to 8' : list([...orientations]);
    return `| ${formatAndMode} | ${encoders} | ${turned} | ${sizes} | ${entries.length} | 0 |`;
  });
}
