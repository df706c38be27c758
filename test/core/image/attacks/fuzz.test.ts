import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fromBytes } from '../../../../src/core/bytes/byte-source.ts';
import { judge, makeInput } from '../../../attacks/fuzz.ts';
import { TARGETS } from './targets.ts';

/** A taste of `npm run fuzz -- images`; decodes cost a millisecond each. */
const COUNT = 400;
const SEED = 2026;
const CORPUS = join(import.meta.dirname, 'corpus');

describe.each(TARGETS)('mutated $name', (target) => {
  it('is refused by name or decoded as what it says, at once and within memory; some of each', async () => {
    const findings: string[] = [];
    const outcomes = new Map<string, number>();
    for (let index = 0; index < COUNT; index += 1) {
      const input = makeInput(target, SEED, index);
      const what = await judge(target, input);
      if (what !== null) {
        findings.push(`input ${index}: ${what}`);
      }
      const outcome = await target.read(fromBytes('fuzz', input)).then(
        () => 'taken',
        (error: Error) => error.message.replaceAll(/\d+/g, ''),
      );
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    expect(findings).toEqual([]);
    expect(outcomes.get('taken')).toBeGreaterThan(5);
    expect(outcomes.size).toBeGreaterThan(1);
  });

  it('that was a finding once is none now', async () => {
    const files = existsSync(CORPUS) ? readdirSync(CORPUS).filter((name) => name.startsWith(`${target.name}-`)) : [];
    for (const file of files) {
      expect([file, await judge(target, new Uint8Array(readFileSync(join(CORPUS, file))))]).toEqual([file, null]);
    }
  });
});
