/** Numbers that are the same in every run: everything about an input follows from a seed and the input's index. */
export interface Random {
  /** A whole number from 0 to limit − 1. */
  below(limit: number): number;
  pick<Item>(items: readonly [Item, ...Item[]]): Item;
  /** Whether something of this probability happens. */
  chance(probability: number): boolean;
}

/** Steele, Lea and Flood's SplitMix, 32 bits wide: neighbouring seeds give unrelated numbers. */
export function createRandom(seed: number, index: number): Random {
  let state = (Math.imul(seed, 0x9e3779b9) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0;

  function next(): number {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  }

  return {
    below: (limit) => Math.floor(next() * limit),
    pick: (items) => items[Math.floor(next() * items.length)] ?? items[0],
    chance: (probability) => next() < probability,
  };
}
