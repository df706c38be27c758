import * as z from 'zod';
import {
  IMAGE_MAX_EDGE_PX,
  MODEL_LAYERS_MAX,
  MODEL_POSITIONS_MAX,
  MODEL_VOCABULARY_MAX,
  MODEL_WIDTH_MAX,
} from '../limits.ts';

/** Counts in a model's JSON, bounded before anything is sized by them. */
export const modelCount = {
  layers: countUpTo(MODEL_LAYERS_MAX),
  width: countUpTo(MODEL_WIDTH_MAX),
  vocabulary: countUpTo(MODEL_VOCABULARY_MAX),
  positions: countUpTo(MODEL_POSITIONS_MAX),
  edgePx: countUpTo(IMAGE_MAX_EDGE_PX),
};

function countUpTo(limit: number): z.ZodNumber {
  return z.number().int().positive().max(limit);
}
