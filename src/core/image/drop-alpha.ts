/**
 * Copies RGB out of RGBA; alpha is dropped, not blended, as Pillow's `convert('RGB')` does.
 *
 * `target` may be the very array that `rgba` views: it is written no faster than it is read. Returns the part filled.
 */
export function dropAlpha(rgba: Uint8Array, target: Uint8Array): Uint8Array {
  let to = 0;
  for (let from = 0; from < rgba.length; from += 4) {
    target[to] = rgba[from] ?? 0;
    target[to + 1] = rgba[from + 1] ?? 0;
    target[to + 2] = rgba[from + 2] ?? 0;
    to += 3;
  }
  return target.subarray(0, to);
}
