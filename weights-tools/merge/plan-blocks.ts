import { BadInput } from '../bad-input.ts';
import { formatByteSize } from '../byte-size.ts';
import { FLOAT_BYTES, type FloatDtype } from '../float-blocks.ts';
import { columnsOf, rowsOf } from '../weight-rows.ts';
import type { MergeWeight } from './merge-model.ts';

/** Where the memory goes, in bytes. */
export interface MemoryShares {
  /** All of it. */
  readonly memoryBytes: number;
  /** For blocks of what is only copied. */
  readonly copyBytes: number;
  /** For each thread that computes. */
  readonly threadBytes: number;
}

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

/** Of all memory: for copies. */
const COPY_SHARE = 1 / 8;
/** Of a thread's memory: for the buffer of results, and for what it takes to compute them. */
const BUFFER_SHARE = 1 / 4;
const SCRATCH_SHARE = 3 / 4;
/** Past this a block is not faster: progress and Ctrl-C would be coarser, and memory taken for nothing. */
const BLOCK_MAX_BYTES = 16 * 1024 * 1024;
/** What a thread of its own takes before its first buffer, heap and program; 37 MB were measured. */
const THREAD_BYTES = 40e6;

/** How `memoryBytes` are shared among copies and so many threads. */
export function shareMemory(memoryBytes: number, threads: number): MemoryShares {
  const copyBytes = Math.floor(Math.min(memoryBytes * COPY_SHARE, BLOCK_MAX_BYTES));
  const rest = memoryBytes - copyBytes;
  return { memoryBytes, copyBytes, threadBytes: threads === 1 ? rest : rest / threads - THREAD_BYTES };
}

/**
 * Cuts a weight into blocks that fit the memory.
 *
 * @throws BadInput when not even one row fits
 */
export function planBlocks(weight: MergeWeight, dtype: FloatDtype, shares: MemoryShares): WeightBlocks {
  const { action, rows, columns, rowBytes } = wholeRows(weight, dtype);
  const fit = rowsThatFit(weight, dtype, shares);
  if (fit < 1) {
    const { memoryBytes, threadBytes } = shares;
    const needed = Math.max(rowBytes / BUFFER_SHARE, scratchOf(weight, 1) / SCRATCH_SHARE);
    const [expected, found] = [(needed * memoryBytes) / threadBytes, memoryBytes].map(formatByteSize);
    throw new BadInput(`${weight.rows.name}: one row needs --memory ${expected}, found ${found}`);
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

/** How many rows of a weight its share of the memory holds, which may be more than it has, or none. */
export function rowsThatFit(weight: MergeWeight, dtype: FloatDtype, { copyBytes, threadBytes }: MemoryShares): number {
  const { action, rowBytes } = wholeRows(weight, dtype);
  if (action === 'copy') {
    return Math.floor(copyBytes / rowBytes);
  }
  const inBuffer = Math.floor((threadBytes * BUFFER_SHARE) / rowBytes);
  const fixed = scratchOf(weight, 0);
  const perRow = scratchOf(weight, 1) - fixed;
  return perRow === 0 ? inBuffer : Math.min(inBuffer, Math.floor((threadBytes * SCRATCH_SHARE - fixed) / perRow));
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
