/** Bytes from `low` to `high`, both included. */
export interface ByteRange {
  readonly low: number;
  readonly high: number;
}

/** Last code point of each length of UTF-8. */
const LENGTH_ENDS = [0x7f, 0x7ff, 0xffff, 0x10ffff];
const SURROGATES = { low: 0xd800, high: 0xdfff };

/**
 * The UTF-8 of all code points from `low` to `high` as sequences of byte ranges: a text is one of these code points when
 * its bytes lie in the ranges of one sequence. Surrogates have no UTF-8 and are left out (RFC 3629, §4).
 */
export function utf8Ranges(low: number, high: number): ByteRange[][] {
  if (low > high) {
    return [];
  }
  if (low <= SURROGATES.high && high >= SURROGATES.low) {
    return [...utf8Ranges(low, SURROGATES.low - 1), ...utf8Ranges(SURROGATES.high + 1, high)];
  }
  const end = LENGTH_ENDS.find((last) => low <= last && last < high);
  if (end !== undefined) {
    return [...utf8Ranges(low, end), ...utf8Ranges(end + 1, high)];
  }
  return sameLength(encode(low), encode(high));
}

/** Ranges between two encodings of one length: split where a later byte does not span all its values. */
function sameLength(low: readonly number[], high: readonly number[]): ByteRange[][] {
  const [lowest = 0, ...lowRest] = low;
  const [highest = 0, ...highRest] = high;
  if (lowRest.length === 0) {
    return [[{ low: lowest, high: highest }]];
  }
  if (lowest === highest) {
    return sameLength(lowRest, highRest).map((rest) => [{ low: lowest, high: lowest }, ...rest]);
  }
  const first = lowRest.every((byte) => byte === 0x80) ? lowest : lowest + 1;
  const last = highRest.every((byte) => byte === 0xbf) ? highest : highest - 1;
  const tail = lowRest.map(() => ({ low: 0x80, high: 0xbf }));
  return [
    ...(first > lowest
      ? withFirst(
          lowest,
          sameLength(
            lowRest,
            lowRest.map(() => 0xbf),
          ),
        )
      : []),
    ...(first <= last ? [[{ low: first, high: last }, ...tail]] : []),
    ...(last < highest
      ? withFirst(
          highest,
          sameLength(
            highRest.map(() => 0x80),
            highRest,
          ),
        )
      : []),
  ];
}

function withFirst(byte: number, sequences: ByteRange[][]): ByteRange[][] {
  return sequences.map((rest) => [{ low: byte, high: byte }, ...rest]);
}

function encode(codePoint: number): number[] {
  return [...new TextEncoder().encode(String.fromCodePoint(codePoint))];
}
