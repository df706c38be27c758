import { z } from 'zod';
import type { ResizeMode, VisionFacts } from './manifest.ts';
import { parseWithSchema } from './parse-with-schema.ts';

/** preprocessor_config.json, as far as VoRA's two modes need it. */
export interface PreprocessorConfig {
  readonly mean: VisionFacts['mean'];
  readonly std: VisionFacts['std'];
  readonly resize: ResizeMode;
  /** Edge in pixels that the file asks for; null where it says none. config.json's image_size decides. */
  readonly size: number | null;
}

/** CLIP's statistics, which the reference's training uses. */
const CLIP_MEAN: VisionFacts['mean'] = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD: VisionFacts['std'] = [0.26862954, 0.26130258, 0.27577711];
/** Bounds of the reference's PILSmartResize (data_module/vision_transform.py). */
const NATIVE_MIN_PIXELS = 56 * 56;
const NATIVE_MAX_PIXELS = 14 * 14 * 4000;
/** PIL's number for the one filter VoRA is trained with. */
const BICUBIC = 3;

const channel = z.number();
const spread = z.number().positive();
const edge = z.number().int().positive();
const edges = z.union([edge, z.looseObject({ shortest_edge: edge }), z.looseObject({ height: edge, width: edge })]);

const schema = z.looseObject({
  image_mean: z.tuple([channel, channel, channel]).default(CLIP_MEAN),
  image_std: z.tuple([spread, spread, spread]).default(CLIP_STD),
  resample: z.literal(BICUBIC, { error: 'expected 3, bicubic' }).default(BICUBIC),
  do_normalize: z.literal(true).default(true),
  rescale_factor: z.number().refine(isOneOver255, { error: 'expected 1/255' }).nullish(),
  size: edges.nullish(),
  crop_size: edges.nullish(),
  resize_mode: z.enum(['square', 'native', 'by-detail']).default('square'),
  min_pixels: edge.default(NATIVE_MIN_PIXELS),
  max_pixels: edge.default(NATIVE_MAX_PIXELS),
});

/**
 * Reads the CLIP keys, and ours: `resize_mode`, `min_pixels`, `max_pixels`. What is absent has VoRA's default.
 *
 * @throws MalformedFile
 */
export function parsePreprocessorConfig(
  file: string,
  json: unknown,
  override: { mode?: ResizeMode['mode']; minPixels?: number; maxPixels?: number } = {},
): PreprocessorConfig {
  const config = parseWithSchema(schema, file, json);
  const mode = override.mode ?? config.resize_mode;
  const minPixels = override.minPixels ?? config.min_pixels;
  const maxPixels = override.maxPixels ?? config.max_pixels;
  return {
    mean: config.image_mean,
    std: config.image_std,
    resize: mode === 'square' ? { mode } : { mode, minPixels, maxPixels },
    size: edgeOf(config.crop_size) ?? edgeOf(config.size),
  };
}

function edgeOf(size: z.infer<typeof edges> | null | undefined): number | null {
  if (size === undefined || size === null || typeof size === 'number') {
    return size ?? null;
  }
  return Number('shortest_edge' in size ? size.shortest_edge : size.height);
}

function isOneOver255(factor: number): boolean {
  return Math.abs(factor * 255 - 1) < 1e-6;
}
