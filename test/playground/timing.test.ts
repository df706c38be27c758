import { describe, expect, it } from 'vitest';
import { allStages, readServerTiming, wireOf } from '../../playground/timing.ts';

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

  it.each([
    ['receive;dur=1, fetch;dur=0, decode;dur=1, embed;dur=1, upstream;dur=1', 'image_embeds'],
    ['receive;dur=1, fetch;dur=0, decode;dur=1, encode;dur=1, upstream;dur=1', 'pixels'],
    ['receive;dur=1, fetch;dur=0, upstream;dur=1', 'original'],
    ['receive;dur=1, upstream;dur=1', null],
  ])('%s tells how the picture travelled: %s', (header, form) => {
    expect(wireOf(readServerTiming(header))).toBe(form);
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
