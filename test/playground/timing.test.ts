import { describe, expect, it } from 'vitest';
import { allStages, readServerTiming } from '../../playground/timing.ts';

describe('a server-timing header', () => {
  it.each([
    [
      'decode;dur=12.3, embed;dur=40.1',
      [
        ['decode', 12.3],
        ['embed', 40.1],
      ],
    ],
    ['cache;desc="hit", db;dur=53;desc="x"', [['db', 53]]],
    ['', []],
  ])('%j', (header, stages) => {
    expect(readServerTiming(header).map(({ name, ms }) => [name, ms])).toEqual(stages);
  });
});

describe('all stages', () => {
  it('add up to what the visitor waited', () => {
    const stages = allStages([{ name: 'embed', ms: 40 }], { asked: 1000, firstText: 1100, ended: 1500 });
    expect(stages).toEqual([
      { name: 'embed', ms: 40 },
      { name: 'wait', ms: 60 },
      { name: 'answer', ms: 400 },
    ]);
  });

  it('know an answer without text', () => {
    expect(allStages([], { asked: 0, firstText: null, ended: 7 })).toEqual([{ name: 'wait', ms: 7 }]);
  });
});
