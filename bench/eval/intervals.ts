/** Two-sided 95 %. */
const Z = 1.96;

/** [low, high], shares of one. */
export type Interval = readonly [number, number];

/** Wilson's interval of a share. */
export function wilsonInterval(right: number, count: number): Interval {
  const share = right / count;
  const middle = share + Z ** 2 / (2 * count);
  const spread = Z * Math.sqrt((share * (1 - share)) / count + Z ** 2 / (4 * count ** 2));
  const scale = 1 + Z ** 2 / count;
  return [(middle - spread) / scale, (middle + spread) / scale];
}

export interface PairedDifference {
  readonly count: number;
  /** Share of right answers of the first minus that of the second. */
  readonly difference: number;
  readonly interval: Interval;
  readonly onlyFirst: number;
  readonly onlySecond: number;
}

/**
 * Two systems on the same questions: only those that one got right and the other wrong tell them apart. The interval is
 * Wald's with half a question added to each of the four outcomes (Agresti & Min 2005), which keeps its coverage where
 * such questions are few.
 */
export function pairedDifference(first: readonly boolean[], second: readonly boolean[]): PairedDifference {
  const count = first.length;
  if (second.length !== count) {
    throw new RangeError(`${count} answers against ${second.length}`);
  }
  const onlyFirst = first.filter((right, index) => right && second[index] === false).length;
  const onlySecond = first.filter((right, index) => !right && second[index] === true).length;
  const gap = onlyFirst - onlySecond;
  const middle = gap / (count + 2);
  const spread = (Z * Math.sqrt(onlyFirst + onlySecond + 1 - gap ** 2 / (count + 2))) / (count + 2);
  return { count, difference: gap / count, interval: [middle - spread, middle + spread], onlyFirst, onlySecond };
}
