import { BadInput } from '../bad-input.ts';
import { formatByteSize } from '../byte-size.ts';
import { columnsOf, rowsOf, type WeightRows } from '../weight-rows.ts';

/** Past this a larger block is not faster, and progress would only be coarser. */
const BLOCK_MAX_BYTES = 64 * 1024 * 1024;

/** A weight on its way into an output file, block of rows by block of rows. */
export interface RowBlocks {
  readonly from: WeightRows;
  readonly rows: number;
  readonly columns: number;
  readonly rowsPerBlock: number;
}

/**
 * Cuts a weight so that a block of f32 rows, what reading it needs, and `encodedRowBytes` for each row of its encoded form
 * stay within the memory.
 *
 * @throws BadInput when not even one row does
 */
export function planRowBlocks(from: WeightRows, encodedRowBytes: number, memoryBytes: number): RowBlocks {
  const [rows, columns] = [rowsOf(from), columnsOf(from)];
  const fixed = 4 * from.scratchFloats(0);
  const perRow = 4 * (from.scratchFloats(1) + columns) - fixed + encodedRowBytes;
  const rowsPerBlock = Math.min(
    rows,
    Math.floor((memoryBytes - fixed) / perRow),
    Math.max(1, Math.floor(BLOCK_MAX_BYTES / perRow)),
  );
  if (rowsPerBlock < 1) {
    const [needed, found] = [fixed + perRow, memoryBytes].map(formatByteSize);
    throw new BadInput(`${from.name}: one row needs ${needed}, --memory allows ${found}`);
  }
  return { from, rows, columns, rowsPerBlock };
}

/** f32 elements of the one buffer that all these blocks fit. */
export function bufferFloats(blocks: readonly RowBlocks[]): number {
  return Math.max(0, ...blocks.map(({ columns, rowsPerBlock }) => columns * rowsPerBlock));
}

/** Reads a weight block by block through `buffer`; each block is valid until the next is asked for. */
export async function* readBlocks(
  { from, rows, columns, rowsPerBlock }: RowBlocks,
  buffer: Float32Array,
  signal: AbortSignal,
): AsyncGenerator<Float32Array> {
  for (let row = 0; row < rows; row += rowsPerBlock) {
    signal.throwIfAborted();
    const block = buffer.subarray(0, Math.min(rowsPerBlock, rows - row) * columns);
    await from.read(row, block);
    yield block;
  }
}
