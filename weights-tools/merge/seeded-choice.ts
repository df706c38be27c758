/**
 * Chance that depends on the place of an element alone, not on the order in which blocks are computed.
 *
 * @returns whether an element of a weight's row is kept, for `share` of all elements
 */
export function seededChoice(
  seed: number,
  weight: string,
  share: number,
): (delta: number, row: number, column: number) => boolean {
  let key = mix(seed);
  for (let i = 0; i < weight.length; i += 1) {
    key = mix(key ^ weight.charCodeAt(i));
  }
  const limit = share * 2 ** 32;
  return (delta, row, column) => mix(mix(mix(key ^ delta) ^ row) ^ column) >>> 0 < limit;
}

/** One step of a 32-bit generator whose every output bit depends on every input bit (MurmurHash3's finalizer). */
function mix(value: number): number {
  let word = (value + 0x9e3779b9) | 0;
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return word ^ (word >>> 16);
}
