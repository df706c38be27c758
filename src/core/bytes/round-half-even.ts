/** Nearest integer, ties to even, for |x| < 2^51: adding 1.5 · 2^52 leaves a float64 no fraction bits. */
export function roundHalfEven(x: number): number {
  return x + ROUNDING - ROUNDING;
}

const ROUNDING = 1.5 * 2 ** 52;
