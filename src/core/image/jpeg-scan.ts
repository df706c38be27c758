/** A canonical Huffman table (T.81 C.2, F.2.2.3), by code length 1 to 16. */
export interface HuffmanTable {
  /** Largest code of each length, -1 where there is none. */
  readonly maxCode: Int32Array;
  /** Add to a code of this length to get its place in `symbols`. */
  readonly offset: Int32Array;
  readonly symbols: Uint8Array;
}

/** One component's part in a scan of several. */
export interface ScanComponent {
  /** Horizontal × vertical sampling factor: blocks of this component in one MCU. */
  readonly blocks: number;
  readonly dc: HuffmanTable | undefined;
  readonly ac: HuffmanTable | undefined;
  readonly keep: boolean;
}

export interface Scan {
  readonly components: readonly ScanComponent[];
  readonly mcus: number;
  /** MCUs between restart markers, 0 for none. */
  readonly restartInterval: number;
  /** Last coefficient; 0 in the DC scans of a progressive file, the only interleaved ones that it has (T.81 G.1.1.1.1). */
  readonly spectralEnd: number;
  /** A scan that adds one bit to each DC value already sent. */
  readonly refines: boolean;
}

const COEFFICIENTS = 64;
const ZERO_RUN = 15;

export function readHuffmanTable(lengthCounts: Uint8Array, symbols: Uint8Array): HuffmanTable {
  const maxCode = new Int32Array(17).fill(-1);
  const offset = new Int32Array(17);
  let code = 0;
  let first = 0;
  for (let length = 1; length <= 16; length++) {
    const count = lengthCounts[length - 1] ?? 0;
    offset[length] = first - code;
    code += count;
    first += count;
    maxCode[length] = count > 0 ? code - 1 : -1;
    code *= 2;
  }
  return { maxCode, offset, symbols };
}

/**
 * Copies the entropy-coded data of an interleaved scan without the components that are not kept. No coefficient changes:
 * each kept block's bits are the same, for a component's DC values are predicted from its own earlier ones.
 * Returns the number of bytes written to `out` from `at`. Throws RangeError where the data ends early or is no code.
 */
export function filterScan(data: Uint8Array, scan: Scan, out: Uint8Array, at: number): number {
  let readAt = 0;
  let current = 0;
  let unread = 0;
  let writeAt = at;
  let pending = 0;
  let pendingBits = 0;

  function copyBit(keep: boolean): number {
    if (unread === 0) {
      if (readAt >= data.length || (data[readAt] === 0xff && data[readAt + 1] !== 0)) {
        throw new RangeError('scan data ends early');
      }
      current = data[readAt] ?? 0;
      readAt += current === 0xff ? 2 : 1;
      unread = 8;
    }
    unread -= 1;
    const bit = (current >> unread) & 1;
    if (keep) {
      writeBit(bit);
    }
    return bit;
  }

  function writeBit(bit: number): void {
    pending = (pending << 1) | bit;
    pendingBits += 1;
    if (pendingBits === 8) {
      out[writeAt++] = pending;
      if (pending === 0xff) {
        out[writeAt++] = 0;
      }
      pending = 0;
      pendingBits = 0;
    }
  }

  function copyBits(count: number, keep: boolean): void {
    for (let i = 0; i < count; i++) {
      copyBit(keep);
    }
  }

  function copySymbol(table: HuffmanTable | undefined, keep: boolean): number {
    let code = 0;
    for (let length = 1; length <= 16; length++) {
      code = code * 2 + copyBit(keep);
      if (code <= (table?.maxCode[length] ?? -1)) {
        return table?.symbols[code + (table.offset[length] ?? 0)] ?? 0;
      }
    }
    throw new RangeError('scan data holds a code that is in no table');
  }

  function copyBlock({ dc, ac, keep }: ScanComponent): void {
    if (scan.refines) {
      copyBit(keep);
      return;
    }
    copyBits(copySymbol(dc, keep), keep);
    for (let k = 1; k <= scan.spectralEnd && k < COEFFICIENTS; k++) {
      const symbol = copySymbol(ac, keep);
      const run = symbol >> 4;
      const size = symbol & 15;
      if (size === 0 && run !== ZERO_RUN) {
        return;
      }
      copyBits(size, keep);
      k += run;
    }
  }

  /** Pads the last byte with ones (T.81 F.1.2.3). */
  function flush(): void {
    while (pendingBits > 0) {
      writeBit(1);
    }
  }

  for (let mcu = 0; mcu < scan.mcus; mcu++) {
    if (scan.restartInterval > 0 && mcu > 0 && mcu % scan.restartInterval === 0) {
      flush();
      unread = 0;
      out.set(data.subarray(readAt, readAt + 2), writeAt);
      readAt += 2;
      writeAt += 2;
    }
    for (const component of scan.components) {
      for (let block = 0; block < component.blocks; block++) {
        copyBlock(component);
      }
    }
  }
  flush();
  return writeAt - at;
}
