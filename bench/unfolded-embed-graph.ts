import type { PixelNormalisation, VisionEmbedding } from '../src/core/model/fold.ts';
import { createGraph, type OnnxGraph } from '../weights-tools/onnx/graph-builder.ts';
import { ELEMENT_TYPE } from '../weights-tools/onnx/onnx-proto.ts';

/**
 * VoRA's vision embedding as the reference computes it: what the fold is measured against. Same inputs and output as
 * patch_embed.onnx, for no more patches than the position table has rows.
 *
 * A strong opponent: the convolution is a matrix product already, since kernel and stride are one patch, and pixel
 * normalisation is one multiply and add.
 */
export function unfoldedEmbedGraph(vision: VisionEmbedding, { mean, std, eps }: PixelNormalisation): OnnxGraph {
  const { visionHidden, hidden } = vision;
  const patchLength = vision.convWeight.length / visionHidden;
  const positions = vision.posEmbed.length / visionHidden;
  const channelOf = (i: number): number => Math.floor((i * mean.length) / patchLength);
  const scale = Float32Array.from({ length: patchLength }, (_, i) => 1 / (255 * (std[channelOf(i)] ?? 1)));
  const shift = Float32Array.from(
    { length: patchLength },
    (_, i) => -(mean[channelOf(i)] ?? 0) / (std[channelOf(i)] ?? 1),
  );
  return createGraph('unfolded_patch_embed', (graph) => {
    const patches = graph.input('patches', 'u8', ['patches', patchLength]);
    graph.input('grid', 'i64', [2]);
    const bytes = graph.node('Cast', [patches], { attributes: { to: { int: ELEMENT_TYPE.f32 } } });
    const scaled = graph.node('Mul', [bytes, graph.constant('scale', 'f32', [patchLength], scale)]);
    const pixels = graph.node('Add', [scaled, graph.constant('shift', 'f32', [patchLength], shift)]);
    const conv = graph.node(
      'Gemm',
      [
        pixels,
        graph.constant('conv', 'f32', [visionHidden, patchLength], vision.convWeight),
        graph.constant('conv_bias', 'f32', [visionHidden], vision.convBias),
      ],
      { attributes: { transB: { int: 1 } } },
    );
    const norm = graph.constant('norm', 'f32', [visionHidden], vision.normWeight);
    const normed = graph.node('SimplifiedLayerNormalization', [conv, norm], {
      attributes: { axis: { int: -1 }, epsilon: { float: eps } },
    });
    const table = graph.constant('pos_embed', 'f32', [positions, visionHidden], vision.posEmbed);
    const count = graph.node('Shape', [patches], { attributes: { start: { int: 0 }, end: { int: 1 } } });
    const first = graph.indices('first', [0]);
    const tokens = graph.node('Add', [normed, graph.node('Slice', [table, first, count, first])]);
    const outProj = graph.constant('out_proj', 'f32', [hidden, visionHidden], vision.outProj);
    const embeddings = graph.node('Gemm', [tokens, outProj], {
      name: 'embeddings',
      attributes: { transB: { int: 1 } },
    });
    graph.output(embeddings, 'f32', ['patches', hidden]);
  });
}
