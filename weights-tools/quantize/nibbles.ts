/** Two 4-bit codes a byte, the first in its low half. `codes` has an even length. */
export function packNibbles(codes: Uint8Array): Uint8Array {
  const packed = new Uint8Array(codes.length / 2);
  for (let i = 0; i < packed.length; i += 1) {
    packed[i] = (codes[2 * i] ?? 0) | ((codes[2 * i + 1] ?? 0) << 4);
  }
  return packed;
}

export function unpackNibbles(packed: Uint8Array): Uint8Array {
  const codes = new Uint8Array(packed.length * 2);
  for (let i = 0; i < packed.length; i += 1) {
    const pair = packed[i] ?? 0;
    codes[2 * i] = pair & 15;
    codes[2 * i + 1] = pair >>> 4;
  }
  return codes;
}
