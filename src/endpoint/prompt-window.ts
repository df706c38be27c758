import { segmentLength } from '../core/prompt/image-runs.ts';
import type { Sequence } from './sequence.ts';

/** What stands at some positions of a sequence: token ids, or embeddings float32 [positions, hidden]. */
export type WindowPiece = { kind: 'text'; ids: readonly number[] } | { kind: 'image'; embeddings: Float32Array };

/** The positions `start … start + length − 1` of a sequence, prompt and generated tokens alike, in order. */
export function sequenceWindow(
  { prompt, tokens }: Sequence,
  start: number,
  length: number,
  hiddenSize: number,
): WindowPiece[] {
  const imageLengths = prompt.images.map((image) => image.length / hiddenSize);
  const pieces: WindowPiece[] = [];
  let position = 0;
  for (const segment of [...prompt.segments, { kind: 'text', ids: tokens } as const]) {
    const size = segmentLength(segment, imageLengths);
    const from = Math.max(start - position, 0);
    const to = Math.min(start + length - position, size);
    if (from < to) {
      pieces.push(
        segment.kind === 'text'
          ? { kind: 'text', ids: segment.ids.slice(from, to) }
          : {
              kind: 'image',
              embeddings: (prompt.images[segment.index] ?? new Float32Array()).subarray(
                from * hiddenSize,
                to * hiddenSize,
              ),
            },
      );
    }
    position += size;
  }
  return pieces;
}
