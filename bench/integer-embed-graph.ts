import type { FoldedEmbedding } from '../src/core/model/fold.ts';
import { createGraph, type GraphBuilder, type OnnxGraph, type Value } from '../weights-tools/onnx/graph-builder.ts';
import { ELEMENT_TYPE } from '../weights-tools/onnx/onnx-proto.ts';
import { positions } from '../weights-tools/onnx/patch-embed-graph.ts';

const I8_MAX = 127;
/** ONNX Runtime takes the i8 as u8 around this zero. */
const ZERO = 128;

/**
 * The folded patch embedding with ONNX Runtime's own integer products, u8 × i8 with a scale for each column: what an own
 * kernel is measured against. Same inputs and output as patch_embed.onnx.
 */
export function integerEmbedGraph(folded: FoldedEmbedding): OnnxGraph {
  const { patchLength, hidden, visionHidden } = folded;
  return createGraph('integer_patch_embed', (graph) => {
    const patches = graph.input('patches', 'u8', ['patches', patchLength]);
    const grid = graph.input('grid', 'i64', [2]);
    const lengths = product(graph, 'norm', patches, folded.norm, folded.centre);
    const square = graph.node('ReduceSumSquare', [lengths, graph.indices('last_axis', [1])]);
    const mean = graph.node('Div', [square, graph.constant('width', 'f32', [], Float32Array.of(visionHidden))]);
    const sum = graph.node('Add', [mean, graph.constant('eps', 'f32', [], Float32Array.of(folded.eps))]);
    const content = product(graph, 'content', patches, folded.content, folded.centre);
    const normed = graph.node('Div', [content, graph.node('Sqrt', [sum])]);
    const embeddings = graph.node('Add', [normed, positions(graph, folded, patches, grid)], { name: 'embeddings' });
    graph.output(embeddings, 'f32', ['patches', hidden]);
  });
}

/** (patches − centre) · matrix + its last row. The centre's share is a constant, of the weights as they are rounded. */
function product(graph: GraphBuilder, name: string, patches: Value, matrix: Float32Array, centre: Float32Array): Value {
  const rows = centre.length;
  const columns = matrix.length / (rows + 1);
  const weights = new Uint8Array(rows * columns);
  const scale = new Float32Array(columns);
  const bias = matrix.slice(rows * columns);
  for (let column = 0; column < columns; column++) {
    let largest = 0;
    for (let row = 0; row < rows; row++) {
      largest = Math.max(largest, Math.abs(matrix[row * columns + column] ?? 0));
    }
    scale[column] = largest / I8_MAX;
    let ofCentre = 0;
    for (let row = 0; row < rows; row++) {
      const weight = largest === 0 ? 0 : Math.round(((matrix[row * columns + column] ?? 0) / largest) * I8_MAX);
      weights[row * columns + column] = ZERO + weight;
      ofCentre += weight * (centre[row] ?? 0);
    }
    bias[column] = (bias[column] ?? 0) - ofCentre * (scale[column] ?? 0);
  }
  const whole = graph.node('MatMulInteger', [
    patches,
    graph.constant(`${name}_i8`, 'u8', [rows, columns], weights),
    graph.constant(`${name}_patch_zero`, 'u8', [], Uint8Array.of(0)),
    graph.constant(`${name}_zero`, 'u8', [], Uint8Array.of(ZERO)),
  ]);
  const float = graph.node('Cast', [whole], { attributes: { to: { int: ELEMENT_TYPE.f32 } } });
  const scaled = graph.node('Mul', [float, graph.constant(`${name}_scale`, 'f32', [columns], scale)]);
  return graph.node('Add', [scaled, graph.constant(`${name}_bias`, 'f32', [columns], bias)]);
}
