/** A source of numbers in [0, 1). */
export type Random = () => number;

/**
 * sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, a period of at least 2^32.
 * Equal seeds give equal sequences on every machine, which is all that `seed` promises.
 *
 * @param seed any safe integer; both its 32-bit halves count.
 * @param stream which of the sequences of this seed, each unlike the others.
 */
export function createRandom(seed: number, stream = 0): Random {
  let a = stream | 0;
  let b = seed | 0;
  let c = Math.floor(seed / 2 ** 32) | 0;
  let counter = 1;

  function next(): number {
    const out = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + out;
    c |= 0;
    return (out >>> 0) / 2 ** 32;
  }

  // PractRand's own seeding discards as many, so that near seeds part.
  for (let i = 0; i < 12; i++) {
    next();
  }
  return next;
}

/** A seed nobody chose, for requests that name none. */
export function unpredictableSeed(): number {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
  return (high & 0x1fffff) * 2 ** 32 + low;
}
