import { readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { loadDecoder } from '../../src/core/image/codec-files.ts';
import type { CodecModules } from '../../src/core/image/decode.ts';
import { type Patches, patchify } from '../../src/core/image/patchify.ts';
import { preprocess, shrinkOf } from '../../src/core/image/preprocess.ts';
import { visionForDetail } from '../../src/core/image/resize-for-detail.ts';
import { sniffImage } from '../../src/core/image/sniff.ts';
import { IMAGE_MAX_BYTES } from '../../src/core/limits.ts';
import type { VisionFacts } from '../../src/core/model/manifest.ts';
import { BadInput } from '../bad-input.ts';

// Node's own types leave this global out.
declare const WebAssembly: { compile(bytes: Uint8Array): Promise<CodecModules[keyof CodecModules]> };

/** A picture file as the patches that a model sees, exactly as worker and endpoint make them. */
export type ImageReader = (path: string, vision: VisionFacts) => Promise<Patches>;

export async function createImageReader(): Promise<ImageReader> {
  const decoder = await loadDecoder(async (specifier) =>
    WebAssembly.compile(await readFile(createRequire(import.meta.url).resolve(specifier))),
  );
  return async (path, vision) => {
    const { size } = await stat(path).catch(() => {
      throw new BadInput(`${path}: found nothing, expected a picture that the prompt set names`);
    });
    if (size > IMAGE_MAX_BYTES) {
      throw new BadInput(`${path}: found ${size} bytes, expected at most ${IMAGE_MAX_BYTES}`);
    }
    const bytes = new Uint8Array(await readFile(path));
    const header = sniffImage(bytes, path);
    const sight = visionForDetail(vision, 'auto');
    const rows = await decoder.open(bytes, header, path, shrinkOf(header, sight, path));
    return patchify(await preprocess(header, rows, sight, path, decoder.passes), vision.patchSize);
  };
}
