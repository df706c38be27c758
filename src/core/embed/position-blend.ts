/** A position: one row of the table, or the weighted sum of four. */
export type PositionBlend = readonly { readonly row: number; readonly weight: number }[];

/**
 * Positions of a grid of patches, in raster order. Up to the table's size they are its first rows, whatever the grid: the
 * reference does that (models/vision_embedding.py), and its models learnt with it. Above, the square table is resized to
 * the grid, bilinear with half-pixel centres (`align_corners=False`).
 */
export function positionBlend(tableRows: number, rows: number, cols: number): (patch: number) => PositionBlend {
  if (rows * cols <= tableRows) {
    return (patch) => [{ row: patch, weight: 1 }];
  }
  const side = Math.sqrt(tableRows);
  return (patch) => {
    const y = neighbours(Math.floor(patch / cols), rows, side);
    const x = neighbours(patch % cols, cols, side);
    return [
      { row: y.low * side + x.low, weight: (1 - y.part) * (1 - x.part) },
      { row: y.low * side + x.high, weight: (1 - y.part) * x.part },
      { row: y.high * side + x.low, weight: y.part * (1 - x.part) },
      { row: y.high * side + x.high, weight: y.part * x.part },
    ];
  };
}

/** The two places of `side` around place `index` of `count`, and how far it is from the lower one. */
function neighbours(index: number, count: number, side: number): { low: number; high: number; part: number } {
  const place = Math.min(Math.max(((index + 0.5) * side) / count - 0.5, 0), side - 1);
  const low = Math.floor(place);
  return { low, high: Math.min(low + 1, side - 1), part: place - low };
}
