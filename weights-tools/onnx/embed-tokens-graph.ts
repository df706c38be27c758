import type { LlmFacts } from '../../src/core/model/manifest.ts';
import { createGraph, type GraphBuilder, MICROSOFT, type OnnxGraph, type Value } from './graph-builder.ts';
import { storedTensors, type StoredWeight } from './stored-weight.ts';

/**
 * Token embedding: `input_ids` i64 [B, S] → `inputs_embeds` f32 [B, S, hidden].
 *
 * @param table the weight that holds it, [vocab, hidden], f32 or 8 bits and symmetric. Of a model with tied embeddings it
 *   is the head, so that both graphs read the same bytes.
 */
export function embedTokensGraph({ hiddenSize }: LlmFacts, table: StoredWeight): OnnxGraph {
  return createGraph('embed_tokens', (graph) => {
    const ids = graph.input('input_ids', 'i64', ['batch', 'sequence']);
    const embeds = gatherRows(graph, table, ids, hiddenSize, 'inputs_embeds');
    graph.output(embeds, 'f32', ['batch', 'sequence', hiddenSize]);
  });
}

function gatherRows(graph: GraphBuilder, table: StoredWeight, ids: Value, columns: number, name: string): Value {
  const { encoding } = table;
  const [values, scales] = storedTensors(table);
  if (values === undefined || scales === undefined || encoding === 'f32') {
    return graph.node('Gather', [graph.external({ ...table, type: 'f32' }), ids], { name });
  }
  // MatMulNBits keeps the groups of a row apart, GatherBlockQuantized has them side by side: the bytes are the same.
  const [rows = 0, groups = 0, groupBytes = 0] = values.shape;
  const width = groups * groupBytes;
  const codes = graph.external({ ...values, shape: [rows, width] });
  const options = {
    domain: MICROSOFT,
    attributes: {
      bits: { int: encoding.bits },
      block_size: { int: encoding.groupSize },
      gather_axis: { int: 0 },
      quantize_axis: { int: 1 },
    },
  };
  const inputs = [codes, ids, graph.external(scales)];
  if (width === columns) {
    return graph.node('GatherBlockQuantized', inputs, { ...options, name });
  }
  const filledUp = graph.node('GatherBlockQuantized', inputs, options);
  const [from, to, axis] = [
    graph.indices('from', [0]),
    graph.indices('to', [columns]),
    graph.indices('last_axis', [-1]),
  ];
  return graph.node('Slice', [filledUp, from, to, axis], { name });
}
