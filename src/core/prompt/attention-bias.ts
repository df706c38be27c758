import type { ImageRun } from './image-runs.ts';

/** Lowest finite float32: what the reference adds to a score that must not count (`torch.finfo.min`). */
export const MASKED = -3.4028234663852886e38;

/**
 * VoRA's attention mask for a window of queries, as a bias on the scores: 0 = may attend, MASKED = may not.
 *
 * A position sees itself, everything before it and, when it is an image token, its whole run. So each row is open up to
 * one point and closed from there on. For a plain causal mask pass no runs.
 *
 * @param runs image runs of the whole prompt, in order.
 * @param queryStart position of the first query; `queryLength` queries follow.
 * @param total number of keys (positions 0 … total − 1).
 * @returns float32 [queryLength, total], row-major.
 * @throws RangeError when the window ends inside a run that one of its queries must see whole.
 */
export function attentionBias(
  runs: readonly ImageRun[],
  queryStart: number,
  queryLength: number,
  total: number,
): Float32Array<ArrayBuffer> {
  const bias = new Float32Array(queryLength * total);
  for (let row = 0; row < queryLength; row++) {
    const query = queryStart + row;
    const run = runs.find(({ start, length }) => query >= start && query < start + length);
    const visible = run === undefined ? query + 1 : run.start + run.length;
    if (visible > total) {
      throw new RangeError(`position ${query} attends to ${visible} keys, but the window holds ${total}`);
    }
    bias.fill(MASKED, row * total + visible, (row + 1) * total);
  }
  return bias;
}
