/**
 * Patches that are alike, found by their bytes: the black beside a picture that is no square, the blank of a page. Each
 * group lists the places of one kind of patch, in order. Groups are in the order of their first places.
 *
 * Two kinds of one hash, which someone might make on purpose, cost a patch its group but no time.
 *
 * @param data patches of `length` bytes each
 */
export function distinctPatches(data: Uint8Array, length: number): number[][] {
  const groups: number[][] = [];
  const byHash = new Map<number, number[]>();
  for (let start = 0; start < data.length; start += length) {
    const hash = hashOf(data, start, length);
    const alike = byHash.get(hash);
    const place = start / length;
    if (alike !== undefined && isEqual(data, (alike[0] ?? 0) * length, start, length)) {
      alike.push(place);
      continue;
    }
    const group = [place];
    groups.push(group);
    if (alike === undefined) {
      byHash.set(hash, group);
    }
  }
  return groups;
}

/** FNV-1a. */
function hashOf(data: Uint8Array, start: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < start + length; at++) {
    hash = Math.imul(hash ^ (data[at] ?? 0), 0x01000193);
  }
  return hash;
}

function isEqual(data: Uint8Array, a: number, b: number, length: number): boolean {
  for (let i = 0; i < length; i++) {
    if (data[a + i] !== data[b + i]) {
      return false;
    }
  }
  return true;
}
