import type { Taps } from './bicubic-taps.ts';

/** One resize as two passes over rows as they are stored. */
export interface PassPlan {
  /** Pixels of a stored row. */
  readonly rowPixels: number;
  readonly alongRow: Taps;
  readonly alongColumn: Taps;
  /** Whether columns are resized before rows. */
  readonly columnsFirst: boolean;
}

/**
 * The arithmetic of a resize: takes stored rows of RGB from the top, and writes result rows into `out` as they are complete,
 * `alongRow.starts.length` × `alongColumn.starts.length` pixels. 8 bits between the passes.
 *
 * All implementations give the same bytes. The sums stay in 32 bits: the magnitudes of one pixel's weights add up to at
 * most 1.27 · 2^22 (over all sizes up to 400), and 255 · 2^22 · 2 is where they end.
 */
export type ResizePasses = (plan: PassPlan, out: Uint8Array) => (row: Uint8Array) => void;
