import type { ByteSource } from '../../../../src/core/bytes/byte-source.ts';
import type { Decoder } from '../../../../src/core/image/decode.ts';
import { preprocess } from '../../../../src/core/image/preprocess.ts';
import { type ImageHeader, sniffImage } from '../../../../src/core/image/sniff.ts';
import { DECODER_HEAP_MAX_BYTES, IMAGE_MAX_EDGE_PX, JPEG_MAX_PIXELS } from '../../../../src/core/limits.ts';
import { mutateBytes } from '../../../attacks/mutate.ts';
import type { Random } from '../../../attacks/random.ts';
import type { Target } from '../../../attacks/target.ts';
import { randomPng, repairPng } from './png-mutation.ts';

/** Files that mutations start from, by format. */
export type ImageSeeds = Readonly<Record<ImageHeader['format'], readonly [Uint8Array, ...Uint8Array[]]>>;

const PARAM = 'image';
/** Where formats say what follows; the rest is pixels. */
const HEADER_BYTES = 256;
const VISION = { imageSize: 28, patchSize: 14, resize: { mode: 'square' } } as const;

/** The readers of image headers, and every decoder behind them. */
export function imageTargets(seeds: ImageSeeds, decoder: Decoder): readonly Target[] {
  const formats = Object.keys(seeds) as [ImageHeader['format'], ...ImageHeader['format'][]];
  const decoding = (name: string, make: Target['make']): Target => ({
    name,
    make,
    read: async (source) => isDecoded(await bytesOf(source), decoder),
  });
  return [
    {
      name: 'header',
      make: (random) => mutatedHeader(random.pick(seeds[random.pick(formats)]), random),
      read: async (source) => isPlausible(sniffImage(await bytesOf(source), PARAM)),
    },
    ...formats.map((format) =>
      decoding(format, (random) => {
        const seed = random.pick(seeds[format]);
        const mutated = random.chance(0.2) ? mutatedHeader(seed, random) : mutatedPixels(seed, random);
        // A wrong checksum ends a PNG before its content is read.
        return format === 'png' && random.chance(0.9) ? repairPng(mutated) : mutated;
      }),
    ),
    decoding('png-rows', randomPng),
  ];
}

function mutatedHeader(seed: Uint8Array, random: Random): Uint8Array {
  const bytes = Math.min(seed.length, 16 + random.below(HEADER_BYTES));
  return join(mutateBytes(seed.subarray(0, bytes), seed, random), seed.subarray(bytes));
}

/** In place, so that the containers' lengths stay true and the decoder gets to see it. */
function mutatedPixels(seed: Uint8Array, random: Random): Uint8Array {
  const mutated = Uint8Array.from(seed);
  const changes = 1 + random.below(8);
  for (let change = 0; change < changes; change += 1) {
    const at = random.below(seed.length);
    mutated[at] = random.chance(0.5) ? (mutated[at] ?? 0) ^ (1 << random.below(8)) : random.below(256);
  }
  return mutated;
}

function isPlausible({ width, height, orientation, heldBytes }: ImageHeader): boolean {
  return (
    Math.min(width, height) > 0 &&
    Math.max(width, height) <= IMAGE_MAX_EDGE_PX &&
    width * height <= JPEG_MAX_PIXELS &&
    orientation >= 1 &&
    orientation <= 8 &&
    heldBytes <= DECODER_HEAP_MAX_BYTES
  );
}

/** All rows came, each of the declared length, and made the model's input. */
async function isDecoded(file: Uint8Array, decoder: Decoder): Promise<boolean> {
  const header = sniffImage(file, PARAM);
  const rows = await decoder.open(file, header, PARAM);
  let count = 0;
  let isWhole = true;
  const counted = {
    ...rows,
    read: (take: (row: Uint8Array) => void) =>
      rows.read((row) => {
        count += 1;
        isWhole &&= row.length === rows.width * 3;
        take(row);
      }),
  };
  const input = await preprocess(header, counted, VISION, PARAM, decoder.passes);
  return isWhole && count === rows.height && input.data.length === VISION.imageSize ** 2 * 3;
}

async function bytesOf(source: ByteSource): Promise<Uint8Array> {
  return source.slice(0, source.byteLength);
}

function join(first: Uint8Array, second: Uint8Array): Uint8Array {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}
