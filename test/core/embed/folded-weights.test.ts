import { describe, expect, it } from 'vitest';
import { MalformedFile } from '../../../src/core/bytes/malformed-file.ts';
import { readFoldedWeights } from '../../../src/core/embed/folded-weights.ts';
import { createPatchKernel } from '../../../src/core/embed/patch-kernel.ts';
import type { FoldedEmbedding } from '../../../src/core/model/fold.ts';
import { createGraph } from '../../../weights-tools/onnx/graph-builder.ts';
import { patchEmbedGraph } from '../../../weights-tools/onnx/patch-embed-graph.ts';
import { kernelModule } from '../../support/patch-kernel.ts';

const GOOD: FoldedEmbedding = {
  patchLength: 3,
  hidden: 2,
  visionHidden: 5,
  eps: 1e-6,
  centre: Float32Array.of(1, 2, 255),
  content: Float32Array.from({ length: 8 }, (_, i) => i + 0.5),
  norm: Float32Array.from({ length: 16 }, (_, i) => 2 ** -i),
  positions: Float32Array.from({ length: 8 }, (_, i) => -i),
};
const read = (model: Uint8Array) => readFoldedWeights('patch_embed.onnx', model);

describe('readFoldedWeights', () => {
  it('finds what the exporter wrote', () => {
    const weights = read(patchEmbedGraph(GOOD).encode());
    expect(weights).toMatchObject({ patchLength: 3, hidden: 2, visionHidden: 5, normColumns: 4, tableRows: 4 });
    expect(weights.eps).toBe(Math.fround(1e-6));
    expect([...weights.centre]).toEqual([1, 2, 255]);
    expect(weights.content()).toEqual(GOOD.content);
    expect(weights.norm()).toEqual(GOOD.norm);
    expect(new Float32Array(new Uint8Array(weights.positionBytes).buffer)).toEqual(GOOD.positions);
  });

  it.each([
    ['content rows', { content: [3, 2] }],
    ['norm rows', { norm: [3, 4] }],
    ['positions rows', { positions: [3, 2] }],
    ['positions columns', { positions: [4, 3] }],
    ['tensor norm', { norm: [16] }],
    ['tensor positions', { positions: [0, 2] }],
    ['tensor eps', { eps: [1] }],
  ])('refuses wrong %s: %j', (place, change) => {
    const shapes = { centre: [3], content: [4, 2], norm: [4, 4], positions: [4, 2], eps: [], vision_hidden: [] };
    const model = createGraph('patch_embed', (graph) => {
      for (const [name, shape] of Object.entries({ ...shapes, ...change })) {
        const length = shape.reduce((product, size) => product * size, 1);
        graph.constant(name, 'f32', shape, new Float32Array(length).fill(1));
      }
    });
    expect(() => read(model.encode())).toThrow(new RegExp(`${place}: found`));
  });

  it.each([
    ['eps', { eps: Number.NaN }],
    ['eps', { eps: -1 }],
    ['vision_hidden', { visionHidden: 0 }],
    ['vision_hidden', { visionHidden: 1.5 }],
    ['centre', { centre: Float32Array.of(1, 2, 256) }],
    ['centre', { centre: Float32Array.of(1, 2.5, 3) }],
    ['centre', { centre: Float32Array.of(1, Number.NaN, 3) }],
  ])('refuses a value of %s: %j', (place, change) => {
    expect(() => read(patchEmbedGraph({ ...GOOD, ...change }).encode())).toThrow(new RegExp(`${place}: found`));
  });

  it('refuses another graph', () => {
    const other = createGraph('other', (graph) => {
      graph.output(graph.constant('content', 'f32', [2, 2], new Float32Array(4)), 'f32', [2, 2]);
    });
    expect(() => read(other.encode())).toThrow(/tensor centre: found none/);
    expect(() => read(new TextEncoder().encode('<html>not found</html>'))).toThrow(MalformedFile);
  });

  it.each([
    ['content', Number.NaN],
    ['content', Number.POSITIVE_INFINITY],
    ['norm', Number.NaN],
  ] as const)('makes no kernel of %s with %d in any place', async (name, value) => {
    const module = await kernelModule();
    for (let at = 0; at < GOOD[name].length; at++) {
      const matrix = GOOD[name].slice();
      matrix[at] = value;
      const weights = read(patchEmbedGraph({ ...GOOD, [name]: matrix }).encode());
      expect(() => createPatchKernel(module, weights), `place ${at}`).toThrow(MalformedFile);
    }
  });

  it('survives every cut and every changed byte', () => {
    const model = patchEmbedGraph(GOOD).encode();
    const others = new Set<unknown>();
    const attempt = (bytes: Uint8Array): void => {
      try {
        read(bytes);
      } catch (error) {
        if (!(error instanceof MalformedFile)) {
          others.add(error);
        }
      }
    };
    for (let end = 0; end < model.length; end++) {
      attempt(model.subarray(0, end));
    }
    for (let at = 0; at < model.length; at++) {
      for (const byte of [0, 0x7f, 0x80, 0xff, (model[at] ?? 0) ^ 1]) {
        const changed = model.slice();
        changed[at] = byte;
        attempt(changed);
      }
    }
    expect([...others]).toEqual([]);
  });
});
