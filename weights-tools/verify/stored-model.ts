import type { WeightRows } from '../weight-rows.ts';

/** The language model of an artifact, whatever its weights are stored in. */
export interface StoredModel {
  /** By checkpoint name, [out, in], in f32. */
  readonly weights: ReadonlyMap<string, WeightRows>;
  readonly close: () => Promise<void>;
}
