import type { LlmFacts } from '../../src/core/model/manifest.ts';
import { EMBED_TOKENS } from '../../src/core/model/tensor-names.ts';
import { createGraph, type OnnxGraph } from './graph-builder.ts';

/** Token embedding: `input_ids` i64 [B, S] → `inputs_embeds` f32 [B, S, hidden]. */
export function embedTokensGraph({ vocabSize, hiddenSize }: LlmFacts): OnnxGraph {
  return createGraph('embed_tokens', (graph) => {
    const ids = graph.input('input_ids', 'i64', ['batch', 'sequence']);
    const table = graph.external({ name: EMBED_TOKENS, type: 'f32', shape: [vocabSize, hiddenSize] });
    const embeds = graph.node('Gather', [table, ids], { name: 'inputs_embeds' });
    graph.output(embeds, 'f32', ['batch', 'sequence', hiddenSize]);
  });
}
