import { bufferFloats, planRowBlocks, readBlocks, type RowBlocks } from '../export/row-blocks.ts';
import type { Progress } from '../progress.ts';
import { columnsOf, type WeightRows } from '../weight-rows.ts';

/** How far B's values of one tensor are from A's, all in f32. */
export interface TensorDifference {
  readonly name: string;
  readonly shape: readonly number[];
  /** Root mean square of A's values. */
  readonly rms: number;
  /** √(Σ(a − b)² / Σa²); 0 for equal tensors. */
  readonly relativeError: number;
  readonly largestDifference: number;
}

export interface WeightComparison {
  readonly tensors: readonly TensorDifference[];
  /** Names that only one side has, and those whose shapes differ. */
  readonly onlyA: readonly string[];
  readonly onlyB: readonly string[];
  readonly otherShape: readonly string[];
}

/** One tensor of both sides; A is read in blocks, and B's rows beside each. */
interface Pair {
  readonly blocks: RowBlocks;
  readonly b: WeightRows;
}

/**
 * Compares two models tensor by tensor, block of rows by block of rows.
 *
 * @throws BadInput when not even one row of each side fits `memoryBytes`
 */
export async function compareWeights(
  a: ReadonlyMap<string, WeightRows>,
  b: ReadonlyMap<string, WeightRows>,
  { memoryBytes, progress, signal }: { memoryBytes: number; progress: Progress; signal: AbortSignal },
): Promise<WeightComparison> {
  const shared = [...a].flatMap(([name, left]): [WeightRows, WeightRows][] => {
    const right = b.get(name);
    return right === undefined ? [] : [[left, right]];
  });
  const pairs = shared.filter(sameShape).map(([left, right]) => planPair(left, right, memoryBytes));
  const floats = bufferFloats(pairs.map(({ blocks }) => blocks));
  const buffers = { a: new Float32Array(floats), b: new Float32Array(floats) };
  const tensors: TensorDifference[] = [];
  for (const pair of pairs) {
    tensors.push(await comparePair(pair, buffers, { progress, signal }));
  }
  return {
    tensors,
    onlyA: [...a.keys()].filter((name) => !b.has(name)),
    onlyB: [...b.keys()].filter((name) => !a.has(name)),
    otherShape: shared.filter((pair) => !sameShape(pair)).map(([{ name }]) => name),
  };
}

function sameShape([a, b]: readonly [WeightRows, WeightRows]): boolean {
  return a.shape.join() === b.shape.join();
}

function planPair(a: WeightRows, b: WeightRows, memoryBytes: number): Pair {
  const fixed = b.scratchFloats(0);
  const rowBytes = 4 * (columnsOf(b) + b.scratchFloats(1) - fixed);
  return { blocks: planRowBlocks(a, rowBytes, memoryBytes - 4 * fixed), b };
}

async function comparePair(
  { blocks, b }: Pair,
  buffers: { a: Float32Array; b: Float32Array },
  { progress, signal }: { progress: Progress; signal: AbortSignal },
): Promise<TensorDifference> {
  const { name, shape } = blocks.from;
  let [squares, errors, largest, row] = [0, 0, 0, 0];
  for await (const left of readBlocks(blocks, buffers.a, signal)) {
    const right = buffers.b.subarray(0, left.length);
    await b.read(row, right);
    row += blocks.rowsPerBlock;
    for (let i = 0; i < left.length; i += 1) {
      const value = left[i] ?? Number.NaN;
      const difference = value - (right[i] ?? Number.NaN);
      squares += value * value;
      errors += difference * difference;
      largest = Math.max(largest, Math.abs(difference));
    }
    progress.advance(4 * left.length, name);
  }
  return {
    name,
    shape,
    rms: Math.sqrt(squares / (blocks.rows * blocks.columns)),
    relativeError: errors === 0 ? 0 : Math.sqrt(errors / squares),
    largestDifference: largest,
  };
}
