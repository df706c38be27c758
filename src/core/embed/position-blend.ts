/** A position as the weighted sum of four rows of the table. */
export interface PositionBlend {
  readonly rows: readonly [number, number, number, number];
  readonly weights: readonly [number, number, number, number];
}

/**
 * Positions of a grid of patches, in raster order. Up to the table's size they are its first rows, whatever the grid: the
 * reference does that (models/vision_embedding.py), and its models learnt with it. Above, the square table is resized to
 * the grid, bilinear with half-pixel centres (`align_corners=False`).
 */
export function positionBlend(tableRows: number, rows: number, cols: number): (patch: number) => PositionBlend {
  if (rows * cols <= tableRows) {
    return (patch) => ({ rows: [patch, patch, patch, patch], weights: [1, 0, 0, 0] });
  }
  const side = Math.sqrt(tableRows);
  return (patch) => {
    const y = neighbours(Math.floor(patch / cols), rows, side);
    const x = neighbours(patch % cols, cols, side);
    return {
      rows: [y.low * side + x.low, y.low * side + x.high, y.high * side + x.low, y.high * side + x.high],
      weights: [(1 - y.part) * (1 - x.part), (1 - y.part) * x.part, y.part * (1 - x.part), y.part * x.part],
    };
  };
}

/** The two places of `side` around place `index` of `count`, and how far it is from the lower one. */
function neighbours(index: number, count: number, side: number): { low: number; high: number; part: number } {
  const place = Math.min(Math.max(((index + 0.5) * side) / count - 0.5, 0), side - 1);
  const low = Math.floor(place);
  return { low, high: Math.min(low + 1, side - 1), part: place - low };
}
