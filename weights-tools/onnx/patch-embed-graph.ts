import type { FoldedEmbedding } from '../../src/core/model/fold.ts';
import { createGraph, type GraphBuilder, type OnnxGraph, type Value } from './graph-builder.ts';
import { ELEMENT_TYPE } from './onnx-proto.ts';

/**
 * VoRA's vision embedding, folded.
 *
 * Inputs: `patches` u8 [N, 3 · p · p] in (channel, row, column) order; `grid` i64 [2] = (rows, columns), N = rows · columns.
 * Output: `embeddings` f32 [N, hidden]. All weights are inside the model.
 *
 * The patch is divided by its norm before the wide product, and the positions are what that product adds to: nothing of
 * the output's width is touched twice, which is a fifth of the time at 7B size.
 */
export function patchEmbedGraph(folded: FoldedEmbedding): OnnxGraph {
  const { patchLength, hidden, visionHidden } = folded;
  const length = patchLength + 1;
  return createGraph('patch_embed', (graph) => {
    const patches = graph.input('patches', 'u8', ['patches', patchLength]);
    const grid = graph.input('grid', 'i64', [2]);
    const norm = graph.constant('norm', 'f32', [length, folded.norm.length / length], folded.norm);
    const content = graph.constant('content', 'f32', [length, hidden], folded.content);

    const bytes = graph.node('Cast', [patches], { attributes: { to: { int: ELEMENT_TYPE.f32 } } });
    const centred = graph.node('Sub', [bytes, graph.constant('centre', 'f32', [patchLength], folded.centre)]);
    const oneMore = graph.indices('one_more_column', [0, 0, 0, 1]);
    const patch = graph.node('Pad', [centred, oneMore, scalar(graph, 'one_f32', 1)]);
    const square = graph.node('ReduceSumSquare', [
      graph.node('MatMul', [patch, norm]),
      graph.indices('last_axis', [1]),
    ]);
    const mean = graph.node('Div', [square, scalar(graph, 'vision_hidden', visionHidden)]);
    const rms = graph.node('Sqrt', [graph.node('Add', [mean, scalar(graph, 'eps', folded.eps)])]);
    const normed = graph.node('Div', [patch, rms]);
    const embeddings = graph.node('Gemm', [normed, content, positions(graph, folded, patches, grid)], {
      name: 'embeddings',
    });
    graph.output(embeddings, 'f32', ['patches', hidden]);
  });
}

function scalar(graph: GraphBuilder, name: string, value: number): Value {
  return graph.constant(name, 'f32', [], Float32Array.of(value));
}

/**
 * Position rows for N patches. Up to the table's size they are its first N rows in raster order, whatever the grid: the
 * reference does that (models/vision_embedding.py), and its models learnt with it. Above, the square table is resized to
 * the grid, bilinear with half-pixel centres.
 */
export function positions(graph: GraphBuilder, folded: PositionTable, patches: Value, grid: Value): Value {
  const { hidden } = folded;
  const tableRows = folded.positions.length / hidden;
  const side = Math.sqrt(tableRows);
  const table = graph.constant('positions', 'f32', [tableRows, hidden], folded.positions);
  const first = graph.indices('first', [0]);
  const count = graph.node('Shape', [patches], { attributes: { start: { int: 0 }, end: { int: 1 } } });
  const fits = graph.node('LessOrEqual', [count, graph.indices('table_rows', [tableRows])]);

  const firstRows = graph.branch('first_rows', (branch) => branch.node('Slice', [table, first, count, first]));
  const resized = graph.branch('resized', (branch) => {
    const square = branch.node('Reshape', [table, branch.indices('square_shape', [1, side, side, hidden])]);
    const size = branch.node('Concat', [branch.indices('one', [1]), grid, branch.indices('hidden', [hidden])], {
      attributes: { axis: { int: 0 } },
    });
    const image = branch.node('Resize', [square, null, null, size], {
      attributes: { mode: { string: 'linear' }, coordinate_transformation_mode: { string: 'half_pixel' } },
    });
    return branch.node('Reshape', [image, branch.indices('rows_shape', [-1, hidden])]);
  });
  return graph.node('If', [fits], { attributes: { then_branch: firstRows, else_branch: resized } });
}

/** A position table of square geometry, [rows, hidden]. */
export type PositionTable = Pick<FoldedEmbedding, 'hidden' | 'positions'>;
