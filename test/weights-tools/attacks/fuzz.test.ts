import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fromBytes } from '../../../src/core/bytes/byte-source.ts';
import { judge, makeInput } from '../../attacks/fuzz.ts';
import { TARGETS } from './targets.ts';

/** A taste of `npm run fuzz -- weights --count 1000000`. */
const COUNT = 4000;
const SEED = 2026;
const CORPUS = join(import.meta.dirname, 'corpus');

describe.each(TARGETS)('mutated $name', (target) => {
  it('is refused by name or read as what it is, at once and within memory', async () => {
    const findings: string[] = [];
    for (let index = 0; index < COUNT; index += 1) {
      const what = await judge(target, makeInput(target, SEED, index));
      if (what !== null) {
        findings.push(`input ${index}: ${what}`);
      }
    }
    expect(findings).toEqual([]);
  });

  it('is not all refused: the fuzzer reaches past the first check', async () => {
    let accepted = 0;
    const seen = new Set<string>();
    for (let index = 0; index < 500; index += 1) {
      const refusal = await target.read(fromBytes('fuzz', makeInput(target, SEED, index))).then(
        () => '',
        (error: Error) => error.message.replaceAll(/"[^"]*"|\d+/g, ''),
      );
      accepted += refusal === '' ? 1 : 0;
      seen.add(refusal);
    }
    expect(accepted).toBeGreaterThan(5);
    expect(seen.size).toBeGreaterThan(8);
  });

  it('that was a finding once is none now', async () => {
    const files = (await readdir(CORPUS)).filter((name) => name.startsWith(`${target.name}-`));
    for (const file of files) {
      expect([file, await judge(target, new Uint8Array(await readFile(join(CORPUS, file))))]).toEqual([file, null]);
    }
  });
});

describe('the judge', () => {
  const target = (read: () => Promise<boolean>) => ({ name: 'broken', make: () => new Uint8Array(), read });

  it('finds what crashes, lies or eats memory', async () => {
    const kept: unknown[] = [];
    const crash = target(() => Promise.reject(new RangeError('Invalid array length')));
    const lie = target(() => Promise.resolve(false));
    const glutton = target(() => Promise.resolve(kept.push(new Uint8Array(200_000_000)) > 0));
    const slow = target(async () => {
      const endMs = performance.now() + 1050;
      while (performance.now() < endMs) {
        Math.hypot(1, 1);
      }
      return Promise.resolve(true);
    });
    expect(await judge(crash, new Uint8Array())).toBe('threw RangeError: Invalid array length');
    expect(await judge(lie, new Uint8Array())).toBe('accepted what is not so');
    expect(await judge(glutton, new Uint8Array())).toMatch(/^allocated \d{9} bytes$/);
    expect(await judge(slow, new Uint8Array())).toMatch(/^took 1\d{3} ms$/);
  });
});
