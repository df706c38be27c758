import { readdirSync, readFileSync } from 'node:fs';
import { loadImageDecoder } from '../../../../src/endpoint/image-codecs.ts';
import { type ImageSeeds, imageTargets } from './image-targets.ts';

const GOLDEN = new URL('../../../fixtures/golden/images/', import.meta.url);
const PARITY = new URL('../../../fixtures/parity/files/', import.meta.url);
/** Small ones, so that many of their mutations can be decoded. */
const SEED_MAX_BYTES = 32_000;

function seedsOf(ending: string, folder = GOLDEN): readonly [Uint8Array, ...Uint8Array[]] {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith(ending) && !name.startsWith('photo'))
    .map((name) => new Uint8Array(readFileSync(new URL(name, folder))))
    .filter(({ length }) => length < SEED_MAX_BYTES);
  const [first, ...others] = files;
  if (first === undefined) {
    throw new Error(`no small ${ending} in ${folder.pathname}`);
  }
  return [first, ...others];
}

const seeds: ImageSeeds = {
  jpeg: seedsOf('.jpg'),
  png: seedsOf('.png'),
  webp: seedsOf('.webp'),
  gif: seedsOf('.gif', PARITY),
  avif: seedsOf('.avif', PARITY),
};

/** Over the goldens' files and the decoders as Node runs them. */
export const TARGETS = imageTargets(seeds, await loadImageDecoder());
