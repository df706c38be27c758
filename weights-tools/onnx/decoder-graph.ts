import type { LlmFacts } from '../../src/core/model/manifest.ts';
import { createGraph, MICROSOFT, type GraphBuilder, type OnnxGraph, type Value } from './graph-builder.ts';
import { linear, type Linear, type LinearEncoding } from './linear-node.ts';

/** The RoPE tables, the decoder's only weights that no checkpoint holds: f32 [maxPositions, headDim / 2]. */
export const COS_CACHE = 'rope.cos_cache';
export const SIN_CACHE = 'rope.sin_cache';

/** ONNX's way to say "to the end" in a Slice. */
const TO_THE_END = Number.MAX_SAFE_INTEGER;

export interface DecoderEncodings {
  /** The seven linears of every block. */
  readonly blocks: LinearEncoding;
  readonly lmHead: LinearEncoding;
}

export interface DecoderGraph extends OnnxGraph {
  /** Every linear layer; its encoding says which tensors its weight becomes. All other weights are f32. */
  readonly linears: readonly Linear[];
}

/** What every part of the decoder needs to build its nodes. */
interface Scope {
  readonly graph: GraphBuilder;
  readonly llm: LlmFacts;
  readonly encodings: DecoderEncodings;
  readonly linears: Linear[];
  readonly lastPosition: Value;
  readonly totalLength: Value;
  readonly attentionBias: Value;
  readonly cosCache: Value;
  readonly sinCache: Value;
}

/**
 * The Qwen2 decoder (transformers, models/qwen2/modeling_qwen2.py) without its embedding; the KV cache goes in and out.
 *
 * Inputs: `inputs_embeds` f32 [B, S, hidden]; `attention_bias` f32 [B, 1, S, T], 0 or a large negative number, added to
 * the scores; `seqlens_k` i32 [B] = T − 1; `total_sequence_length` i32 = T; `num_logits_to_keep` i64: how many last
 * positions get logits, 0 for all; `past_key_values.{i}.key|value` f32 [B, kvHeads, P, headDim], T = P + S.
 * Outputs: `logits` f32 [B, kept, vocab]; `present.{i}.key|value` f32 [B, kvHeads, T, headDim].
 *
 * The bias alone carries the mask, causality included: the operator's own causal mask could not be undone by a bias, and
 * the tokens of one image see each other both ways. Weights keep their checkpoint names.
 */
export function decoderGraph(llm: LlmFacts, encodings: DecoderEncodings): DecoderGraph {
  const linears: Linear[] = [];
  const onnx = createGraph('decoder', (graph) => {
    let residual = graph.input('inputs_embeds', 'f32', ['batch', 'sequence', llm.hiddenSize]);
    const attentionBias = graph.input('attention_bias', 'f32', ['batch', 1, 'sequence', 'total']);
    const lastPosition = graph.input('seqlens_k', 'i32', ['batch']);
    const totalLength = graph.input('total_sequence_length', 'i32', []);
    const logitsToKeep = graph.input('num_logits_to_keep', 'i64', []);
    const rope = [llm.maxPositions, llm.headDim / 2];
    const cosCache = graph.external({ name: COS_CACHE, type: 'f32', shape: rope });
    const sinCache = graph.external({ name: SIN_CACHE, type: 'f32', shape: rope });
    const scope = { graph, llm, encodings, linears, lastPosition, totalLength, attentionBias, cosCache, sinCache };

    let normed = norm(scope, residual, 'model.layers.0.input_layernorm');
    for (let layer = 0; layer < llm.layers; layer++) {
      const block = `model.layers.${layer}`;
      const attended = attention(scope, normed, layer);
      [normed, residual] = addAndNorm(scope, residual, attended, `${block}.post_attention_layernorm`);
      const output = feedForward(scope, normed, `${block}.mlp`);
      const next = layer + 1 < llm.layers ? `model.layers.${layer + 1}.input_layernorm` : 'model.norm';
      [normed, residual] = addAndNorm(scope, residual, output, next);
    }

    const kept = lastRows(graph, normed, logitsToKeep);
    const logits = linear(graph, kept, lmHead(scope), { output: 'logits' });
    graph.output(logits, 'f32', ['batch', 'kept', llm.vocabSize]);
  });
  return { ...onnx, linears };
}

function attention(scope: Scope, x: Value, layer: number): Value {
  const { graph, llm } = scope;
  const name = `model.layers.${layer}.self_attn`;
  const width = llm.attentionHeads * llm.headDim;
  const kvWidth = llm.kvHeads * llm.headDim;
  const query = project(scope, x, `${name}.q_proj`, llm.hiddenSize, width, { biased: true });
  const key = project(scope, x, `${name}.k_proj`, llm.hiddenSize, kvWidth, { biased: true });
  const value = project(scope, x, `${name}.v_proj`, llm.hiddenSize, kvWidth, { biased: true });
  const cache = (part: string): Value =>
    graph.input(`past_key_values.${layer}.${part}`, 'f32', ['batch', llm.kvHeads, 'past', llm.headDim]);
  const pastKey = cache('key');
  const pastValue = cache('value');
  const { lastPosition, totalLength, cosCache, sinCache, attentionBias } = scope;
  const [attended, presentKey, presentValue] = graph.nodes(
    'GroupQueryAttention',
    [query, key, value, pastKey, pastValue, lastPosition, totalLength, cosCache, sinCache, null, attentionBias],
    [name, `present.${layer}.key`, `present.${layer}.value`],
    {
      domain: MICROSOFT,
      attributes: {
        num_heads: { int: llm.attentionHeads },
        kv_num_heads: { int: llm.kvHeads },
        do_rotary: { int: 1 },
        rotary_interleaved: { int: 0 },
        causal: { int: 0 },
        local_window_size: { int: -1 },
      },
    },
  );
  for (const present of [presentKey, presentValue]) {
    graph.output(present, 'f32', ['batch', llm.kvHeads, 'total', llm.headDim]);
  }
  return project(scope, attended, `${name}.o_proj`, width, llm.hiddenSize);
}

function feedForward(scope: Scope, x: Value, name: string): Value {
  const { graph, llm } = scope;
  const gate = project(scope, x, `${name}.gate_proj`, llm.hiddenSize, llm.intermediateSize);
  const up = project(scope, x, `${name}.up_proj`, llm.hiddenSize, llm.intermediateSize);
  const silu = graph.node('Mul', [gate, graph.node('Sigmoid', [gate])]);
  return project(scope, graph.node('Mul', [silu, up]), `${name}.down_proj`, llm.intermediateSize, llm.hiddenSize);
}

function project(
  { graph, encodings, linears }: Scope,
  x: Value,
  name: string,
  inFeatures: number,
  outFeatures: number,
  { biased = false } = {},
): Value {
  const layer = { name: `${name}.weight`, inFeatures, outFeatures, encoding: encodings.blocks };
  linears.push(layer);
  const bias = biased ? graph.external({ name: `${name}.bias`, type: 'f32', shape: [outFeatures] }) : null;
  return linear(graph, x, layer, { bias });
}

function lmHead({ llm, encodings, linears }: Scope): Linear {
  const { hiddenSize: inFeatures, vocabSize: outFeatures } = llm;
  const layer = { name: 'lm_head.weight', inFeatures, outFeatures, encoding: encodings.lmHead };
  linears.push(layer);
  return layer;
}

/** RMSNorm. */
function norm({ graph, llm }: Scope, x: Value, name: string): Value {
  const weight = graph.external({ name: `${name}.weight`, type: 'f32', shape: [llm.hiddenSize] });
  const attributes = { axis: { int: -1 }, epsilon: { float: llm.rmsNormEps } };
  return graph.node('SimplifiedLayerNormalization', [x, weight], { attributes });
}

/** The sum residual + x, and its RMSNorm, in one pass over memory. */
function addAndNorm({ graph, llm }: Scope, residual: Value, x: Value, name: string): [normed: Value, sum: Value] {
  const weight = graph.external({ name: `${name}.weight`, type: 'f32', shape: [llm.hiddenSize] });
  const [normed, , , sum] = graph.nodes(
    'SkipSimplifiedLayerNormalization',
    [residual, x, weight],
    [name, '', '', `${name}/residual`],
    { domain: MICROSOFT, attributes: { epsilon: { float: llm.rmsNormEps } } },
  );
  return [normed, sum];
}

/** The last `count` rows of x [B, S, hidden]; all of them for 0. */
function lastRows(graph: GraphBuilder, x: Value, count: Value): Value {
  const axis = graph.indices('sequence_axis', [1]);
  const start = graph.node('Unsqueeze', [graph.node('Neg', [count]), graph.indices('first_axis', [0])]);
  return graph.node('Slice', [x, start, graph.indices('to_the_end', [TO_THE_END]), axis]);
}
