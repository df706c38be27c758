import { BadInput } from '../bad-input.ts';
import { formatByteSize } from '../byte-size.ts';
import { FLOAT_BYTES, type FloatDtype } from '../float-blocks.ts';
import { columnsOf, rowsOf } from '../weight-rows.ts';
import type { MergeWeight } from './merge-model.ts';

/** A weight on its way through memory, whole rows at a time. */
export interface WeightBlocks {
  /** `copy` moves bytes, `convert` goes through f32 to its dtype, `merge` adds what is low rank on the way. */
  readonly action: 'copy' | 'convert' | 'merge';
  /** Copies are cut as one long column. */
  readonly rows: number;
  readonly columns: number;
  readonly rowsPerBlock: number;
  /** Bytes of the result while it is computed, f32 or copied as it is. */
  readonly bufferBytes: number;
  /** Bytes that computing it takes beside that. */
  readonly scratchBytes: number;
}

/** Of the memory: for the buffer of results, and for what it takes to compute them. */
const BUFFER_SHARE = 1 / 4;
const SCRATCH_SHARE = 3 / 4;
/** Past this a block is not faster: progress and Ctrl-C would be coarser, and memory taken for nothing. */
const BLOCK_MAX_BYTES = 16 * 1024 * 1024;

/**
 * Cuts a weight into blocks that fit the memory.
 *
 * @param memoryBytes of one thread
 * @throws BadInput when not even one row fits
 */
export function planBlocks(weight: MergeWeight, dtype: FloatDtype, memoryBytes: number): WeightBlocks {
  const { action, rows, columns, rowBytes } = wholeRows(weight, dtype);
  const fit = rowsThatFit(weight, dtype, memoryBytes);
  if (fit < 1) {
    const needed = formatByteSize(Math.max(rowBytes / BUFFER_SHARE, scratchOf(weight, 1) / SCRATCH_SHARE));
    throw new BadInput(`${weight.rows.name}: one row needs --memory ${needed}, found ${formatByteSize(memoryBytes)}`);
  }
  const most = Math.min(rows, fit, Math.max(1, Math.floor(BLOCK_MAX_BYTES / rowBytes)));
  const rowsPerBlock = action === 'merge' ? withoutLastRowAlone(rows, most) : most;
  return {
    action,
    rows,
    columns,
    rowsPerBlock,
    bufferBytes: rowBytes * rowsPerBlock,
    scratchBytes: action === 'copy' ? 0 : scratchOf(weight, rowsPerBlock),
  };
}

/** How many rows of a weight so much memory holds, which may be more than it has, or none. */
export function rowsThatFit(weight: MergeWeight, dtype: FloatDtype, memoryBytes: number): number {
  const { action, rowBytes } = wholeRows(weight, dtype);
  const inBuffer = Math.floor((memoryBytes * BUFFER_SHARE) / rowBytes);
  const fixed = scratchOf(weight, 0);
  const perRow = scratchOf(weight, 1) - fixed;
  return action === 'copy' || perRow === 0
    ? inBuffer
    : Math.min(inBuffer, Math.floor((memoryBytes * SCRATCH_SHARE - fixed) / perRow));
}

function wholeRows(
  { rows: source, merged, isStored, tensor }: MergeWeight,
  dtype: FloatDtype,
): Pick<WeightBlocks, 'action' | 'rows' | 'columns'> & { rowBytes: number } {
  const [rows, columns] = [rowsOf(source), columnsOf(source)];
  return isStored && dtype === tensor.dtype
    ? { action: 'copy', rows: rows * columns, columns: 1, rowBytes: FLOAT_BYTES[dtype] }
    : { action: merged === null ? 'convert' : 'merge', rows, columns, rowBytes: 4 * columns };
}

function scratchOf({ rows }: MergeWeight, count: number): number {
  return 4 * rows.scratchFloats(count);
}

/** A product of one row is summed in another order than the same row among others: no cut of the weight may show. */
function withoutLastRowAlone(rows: number, most: number): number {
  let perBlock = most;
  while (perBlock > 2 && rows % perBlock === 1) {
    perBlock -= 1;
  }
  return perBlock;
}
