import { describe, expect, it } from 'vitest';
import { type Server, WIRE_FORMS, type WireForm } from '../../../src/core/upstream/capability.ts';
import { chooseWire, type ImageSizes } from '../../../src/core/upstream/wire-choice.ts';
import { wireOfReport, writeWireReport } from '../../../src/core/upstream/wire-header.ts';

const TINY: ImageSizes = { tokens: 64, hiddenSize: 256, pixels: 112 ** 2 };
const LARGE: ImageSizes = { tokens: 1024, hiddenSize: 3584, pixels: 448 ** 2 };

function choose(server: Server, wires: readonly WireForm[], sizes: ImageSizes | null, uplinkMbps = 1000): string {
  return chooseWire({ server, wires, uplinkMbps }, sizes).wire;
}

describe('the form of a request’s images', () => {
  it.each<[string, Server, WireForm[], ImageSizes | null, number, WireForm]>([
    ['is the only one that a server takes', 'openai', ['original'], LARGE, 1000, 'original'],
    ['is the first where nothing is known of a model', 'vora', ['pixels', 'image_embeds'], null, 1000, 'pixels'],
    ['is small embeddings of a small model', 'vora', ['pixels', 'image_embeds'], TINY, 1000, 'image_embeds'],
    ['is pixels for a GPU that embeds in no time', 'vllm', ['image_embeds', 'pixels'], LARGE, 1000, 'pixels'],
    [
      'is embeddings where the way is fast and the server embeds as we do',
      'vora',
      ['pixels', 'image_embeds'],
      LARGE,
      100_000,
      'image_embeds',
    ],
    ['is pixels where the way is slow', 'vora', ['image_embeds', 'pixels'], LARGE, 100, 'pixels'],
    ['is never the client’s file where an exact one is taken', 'vora', ['original', 'pixels'], TINY, 1, 'pixels'],
  ])('%s', (_, server, wires, sizes, uplinkMbps, expected) => {
    expect(choose(server, wires, sizes, uplinkMbps)).toBe(expected);
  });

  it('is always one that the server takes, whatever the order they are named in, and says why', () => {
    for (const server of ['vora', 'vllm'] as const) {
      for (let subset = 1; subset < 8; subset++) {
        const wires = WIRE_FORMS.filter((_, i) => (subset & (1 << i)) !== 0);
        for (const sizes of [TINY, LARGE]) {
          for (const uplinkMbps of [1, 100, 10_000, 1_000_000]) {
            const { wire, why } = chooseWire({ server, wires, uplinkMbps }, sizes);
            expect(wires).toContain(wire);
            expect(why).toMatch(/^[\w .,:]+$/);
            expect(choose(server, wires.toReversed(), sizes, uplinkMbps)).toBe(wire);
          }
        }
      }
    }
  });

  it('never changes back as the way gets slower: the fewest bytes win in the end', () => {
    const forms = Array.from({ length: 60 }, (_, i) =>
      choose('vora', ['image_embeds', 'pixels'], LARGE, 1e6 / 1.3 ** i),
    );
    expect(new Set(forms).size).toBe(2);
    expect(forms.toSorted()).toEqual(forms);
  });
});

describe('the header that tells of it', () => {
  it('is an item with parameters, from which a page can read the form', () => {
    const why = 'its only form';
    const report = { wire: 'pixels', images: 2, held: 1, cached: 0, bytes: 4100, why, high: null } as const;
    const header = writeWireReport(report);
    expect(header).toBe('pixels;images=2;held=1;cached=0;bytes=4100;why="its only form"');
    expect(writeWireReport({ ...report, high: 'passed on' })).toBe(`${header};high="passed on"`);
    expect(wireOfReport(header)).toBe('pixels');
    expect([wireOfReport(null), wireOfReport('jpeg;images=1')]).toEqual([null, null]);
  });
});
