import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { layoutExternalData } from '../../../weights-tools/onnx/external-data.ts';
import { createGraph } from '../../../weights-tools/onnx/graph-builder.ts';
import { decodeModel } from '../../../weights-tools/onnx/onnx-proto.ts';
import { openGraph } from './graph-session.ts';

describe('createGraph', () => {
  it('writes a model that ONNX Runtime runs, with its types and shapes', async () => {
    const graph = createGraph('sum', (graph) => {
      const x = graph.input('x', 'f32', ['rows', 2]);
      const offset = graph.constant('offset', 'f32', [2], Float32Array.of(10, 20));
      graph.output(graph.node('Add', [x, offset], { name: 'y' }), 'f32', ['rows', 2]);
    });
    const session = await InferenceSession.create(graph.encode());
    expect(session.inputMetadata).toEqual([{ name: 'x', isTensor: true, type: 'float32', shape: ['rows', 2] }]);
    const { y } = await session.run({ x: new Tensor('float32', Float32Array.of(1, 2, 3, 4), [2, 2]) });
    expect(y?.data).toEqual(Float32Array.of(11, 22, 13, 24));
  });

  it('writes the same bytes for the same graph', () => {
    const build = (): Uint8Array =>
      createGraph('g', (graph) => {
        const x = graph.input('x', 'i64', []);
        graph.output(graph.node('Neg', [x]), 'i64', []);
      }).encode();
    expect(build()).toEqual(build());
  });

  it('keeps every kind of attribute, negative and zero numbers included', () => {
    const bytes = createGraph('g', (graph) => {
      const x = graph.input('x', 'f32', []);
      graph.node('Custom', [x, null], {
        domain: 'test',
        attributes: {
          minus: { int: -1 },
          zero: { int: 0 },
          half: { float: 0.5 },
          list: { ints: [-3, 0, 2 ** 40] },
          word: { string: 'linear' },
          inner: graph.branch('inner', (branch) => branch.node('Neg', [x])),
        },
      });
    }).encode();
    const [node] = decodeModel(bytes).graph.node.filter(({ opType }) => opType === 'Custom');
    expect(node).toMatchObject({ domain: 'test', input: ['x', ''] });
    expect(node?.attribute).toMatchObject([
      { name: 'minus', type: 2, i: -1 },
      { name: 'zero', type: 2, i: 0 },
      { name: 'half', type: 1, f: 0.5 },
      { name: 'list', type: 7, ints: [-3, 0, 2 ** 40] },
      { name: 'word', type: 3 },
      { name: 'inner', type: 5, g: { name: 'inner', node: [{ opType: 'Neg', input: ['x'] }] } },
    ]);
  });

  it('points external weights at their place in the data file', async () => {
    const graph = createGraph('g', (graph) => {
      const first = graph.external({ name: 'first', type: 'f32', shape: [2] });
      const second = graph.external({ name: 'second', type: 'f32', shape: [2] });
      graph.output(graph.node('Sub', [second, first], { name: 'y' }), 'f32', [2]);
    });
    const { initializer } = decodeModel(graph.encode(layoutExternalData('w.data', graph.externals))).graph;
    expect(initializer[1]).toMatchObject({
      name: 'second',
      dims: [2],
      dataLocation: 1,
      externalData: [
        { key: 'location', value: 'w.data' },
        { key: 'offset', value: '4096' },
        { key: 'length', value: '8' },
      ],
    });
    const session = await openGraph(
      graph,
      new Map([
        ['first', Float32Array.of(1, 2)],
        ['second', Float32Array.of(5, 7)],
      ]),
    );
    const { y } = await session.run({});
    expect(y?.data).toEqual(Float32Array.of(4, 5));
  });

  it('refuses external weights without a place', () => {
    const graph = createGraph('g', (graph) => {
      graph.external({ name: 'w', type: 'f32', shape: [1] });
    });
    expect(() => graph.encode()).toThrow('external weight w has no place in the data file');
  });

  it('refuses two values of one name, also across a branch', () => {
    expect(() =>
      createGraph('g', (graph) => {
        graph.input('x', 'f32', []);
        graph.branch('inner', (branch) => branch.constant('x', 'f32', [], Float32Array.of(1)));
      }),
    ).toThrow('graph inner: two values are called x');
  });
});
