import type { PromptSegment } from './assemble.ts';

/** Positions `start … start + length − 1` of a prompt, all of them image tokens. */
export interface ImageRun {
  start: number;
  length: number;
}

/**
 * The contiguous runs of image tokens in a prompt. Images with no text between them form one run, since VoRA's mask
 * looks at positions and not at pictures (models/attention_mask.py, `_make_2dvison_mask`).
 *
 * @param imageLengths number of embeddings of each image, by the segments' `index`.
 */
export function imageRuns(segments: readonly PromptSegment[], imageLengths: readonly number[]): ImageRun[] {
  const runs: ImageRun[] = [];
  let position = 0;
  for (const segment of segments) {
    const length = segmentLength(segment, imageLengths);
    const last = runs.at(-1);
    if (segment.kind === 'image') {
      if (last !== undefined && last.start + last.length === position) {
        last.length += length;
      } else {
        runs.push({ start: position, length });
      }
    }
    position += length;
  }
  return runs;
}

/** Positions that one segment takes. */
export function segmentLength(segment: PromptSegment, imageLengths: readonly number[]): number {
  if (segment.kind === 'text') {
    return segment.ids.length;
  }
  const length = imageLengths[segment.index];
  if (length === undefined) {
    throw new RangeError(`the prompt shows image ${segment.index}, but there are only ${imageLengths.length}`);
  }
  return length;
}
