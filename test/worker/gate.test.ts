import { describe, expect, it } from 'vitest';
import { createGate } from '../../worker/gate.ts';

/** Work that ends when told. */
function job(gate: ReturnType<typeof createGate>, name: string, log: string[]) {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const done = gate(async () => {
    log.push(`begin ${name}`);
    return promise;
  });
  return { done, end: () => resolve(name), fail: () => reject(new Error(name)) };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

describe('createGate', () => {
  it('lets in as many as its limit, then one for each that ends, in order', async () => {
    const log: string[] = [];
    const gate = createGate(2);
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => job(gate, name, log));
    await settle();
    expect(log).toEqual(['begin a', 'begin b']);
    b?.end();
    expect(await b?.done).toBe('b');
    await settle();
    expect(log).toEqual(['begin a', 'begin b', 'begin c']);
    a?.end();
    c?.end();
    await settle();
    d?.end();
    expect(await Promise.all([a?.done, c?.done, d?.done])).toEqual(['a', 'c', 'd']);
  });

  it('gives the place of one that failed to the next', async () => {
    const log: string[] = [];
    const gate = createGate(1);
    const [bad, good] = ['bad', 'good'].map((name) => job(gate, name, log));
    bad?.fail();
    await expect(bad?.done).rejects.toThrow('bad');
    good?.end();
    expect(await good?.done).toBe('good');
    const after = job(gate, 'after', log);
    after.end();
    expect(await after.done).toBe('after');
    expect(log).toEqual(['begin bad', 'begin good', 'begin after']);
  });
});
