import type { LlmFacts } from '../../src/core/model/manifest.ts';
import {
  FINAL_NORM,
  HEAD_NORMS,
  INPUT_NORM,
  layerTensor,
  LINEARS,
  llmShapes,
  LM_HEAD,
  POST_ATTENTION_NORM,
  type Linear,
} from '../../src/core/model/tensor-names.ts';
import { createGraph, MICROSOFT, type GraphBuilder, type OnnxGraph, type Value } from './graph-builder.ts';
import { linear } from './linear-node.ts';
import type { StoredWeight, WeightEncoding } from './stored-weight.ts';

/** The RoPE tables, the decoder's only weights that no checkpoint holds: f32 [maxPositions, headDim / 2]. */
export const COS_CACHE = 'rope.cos_cache';
export const SIN_CACHE = 'rope.sin_cache';

/** ONNX's way to say "to the end" in a Slice. */
const TO_THE_END = Number.MAX_SAFE_INTEGER;

export interface DecoderEncodings {
  /** The seven linears of every block. */
  readonly blocks: WeightEncoding;
  readonly lmHead: WeightEncoding;
}

/**
 * Linears whose inputs an observed decoder gives out, and those that read the same input: `input_squares.{layer}.{linear}` f32
 * [in], the squares of what comes in, summed over all positions.
 */
export const OBSERVED_INPUTS = { q: ['q', 'k', 'v'], o: ['o'], gate: ['gate', 'up'], down: ['down'] } as const;
export type ObservedLinear = keyof typeof OBSERVED_INPUTS;

export function inputSquares(layer: number, linear: ObservedLinear): string {
  return `input_squares.${layer}.${linear}`;
}

export interface DecoderGraph extends OnnxGraph {
  /** Every tensor it takes from the checkpoint. */
  readonly weights: readonly StoredWeight[];
}

/** What every part of the decoder needs to build its nodes. */
interface Scope {
  readonly graph: GraphBuilder;
  readonly llm: LlmFacts;
  readonly encodings: DecoderEncodings;
  /** Of what the model has: a bias or norm that is not there is left out. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly weights: StoredWeight[];
  readonly attentionInputs: readonly Value[];
  readonly attentionBias: Value;
  readonly isObserved: boolean;
}

/**
 * The decoder of Qwen2, Qwen3, Llama and Mistral (transformers, models/<name>/modeling_<name>.py) without its embedding; the
 * KV cache goes in and out.
 *
 * Inputs: `inputs_embeds` f32 [B, S, hidden]; `attention_bias` f32 [B, 1, S, T], 0 or a large negative number, added to
 * the scores; `seqlens_k` i32 [B] = T − 1; `total_sequence_length` i32 = T; `num_logits_to_keep` i64: how many last
 * positions get logits, 0 for all; `past_key_values.{i}.key|value` f32 [B, kvHeads, P, headDim], T = P + S.
 * Outputs: `logits` f32 [B, kept, vocab]; `present.{i}.key|value` f32 [B, kvHeads, T, headDim].
 *
 * The bias alone carries the mask, causality included: the operator's own causal mask could not be undone by a bias, and
 * the tokens of one image see each other both ways. Weights keep their checkpoint names.
 *
 * @param options.isObserved also gives out {@link OBSERVED_INPUTS}, for a calibration run
 */
export function decoderGraph(
  llm: LlmFacts,
  encodings: DecoderEncodings,
  { isObserved = false }: { isObserved?: boolean } = {},
): DecoderGraph {
  const weights: StoredWeight[] = [];
  const onnx = createGraph(
    'decoder',
    (graph) => {
      let residual = graph.input('inputs_embeds', 'f32', ['batch', 'sequence', llm.hiddenSize]);
      const attentionBias = graph.input('attention_bias', 'f32', ['batch', 1, 'sequence', 'total']);
      const lastPosition = graph.input('seqlens_k', 'i32', ['batch']);
      const totalLength = graph.input('total_sequence_length', 'i32', []);
      const logitsToKeep = graph.input('num_logits_to_keep', 'i64', []);
      const table = [llm.maxPositions, llm.headDim / 2];
      const cosCache = graph.external({ name: COS_CACHE, type: 'f32', shape: table });
      const sinCache = graph.external({ name: SIN_CACHE, type: 'f32', shape: table });
      const attentionInputs = [lastPosition, totalLength, cosCache, sinCache];
      const shapes = llmShapes(llm);
      const scope = { graph, llm, encodings, shapes, weights, attentionInputs, attentionBias, isObserved };

      for (let layer = 0; layer < llm.layers; layer += 1) {
        const attended = attention(scope, norm(scope, residual, layerTensor(layer, INPUT_NORM)), layer);
        residual = graph.node('Add', [residual, attended]);
        const fed = feedForward(scope, norm(scope, residual, layerTensor(layer, POST_ATTENTION_NORM)), layer);
        residual = graph.node('Add', [residual, fed]);
      }
      const kept = lastRows(graph, norm(scope, residual, FINAL_NORM), logitsToKeep);
      const logits = lmHead(scope, kept);
      graph.output(logits, 'f32', ['batch', 'kept', llm.vocabSize]);
    },
    23,
  );
  return { ...onnx, weights };
}

function attention(scope: Scope, x: Value, layer: number): Value {
  const { graph, llm } = scope;
  const [queryNorm, keyNorm] = HEAD_NORMS;
  const query = headNorm(scope, project(scope, x, layer, 'q'), layerTensor(layer, queryNorm));
  const key = headNorm(scope, project(scope, x, layer, 'k'), layerTensor(layer, keyNorm));
  const value = project(scope, x, layer, 'v');
  const past = ['key', 'value'].map((part) =>
    graph.input(`past_key_values.${layer}.${part}`, 'f32', ['batch', llm.kvHeads, 'past', llm.headDim]),
  );
  const [attended, presentKey, presentValue] = graph.nodes(
    'GroupQueryAttention',
    [query, key, value, ...past, ...scope.attentionInputs, null, scope.attentionBias],
    [`attended.${layer}`, `present.${layer}.key`, `present.${layer}.value`],
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
  return project(scope, attended, layer, 'o');
}

function feedForward(scope: Scope, x: Value, layer: number): Value {
  const { graph } = scope;
  const gate = project(scope, x, layer, 'gate');
  const silu = graph.node('Mul', [gate, graph.node('Sigmoid', [gate])]);
  return project(scope, graph.node('Mul', [silu, project(scope, x, layer, 'up')]), layer, 'down');
}

/** One of the seven linears of a block, with its bias where the model has one. */
function project(scope: Scope, x: Value, layer: number, which: Linear): Value {
  const { graph, encodings, shapes } = scope;
  const name = layerTensor(layer, LINEARS[which]);
  const bias = layerTensor(layer, LINEARS[which], 'bias');
  const weight = { name, shape: shapes.get(name) ?? [], encoding: encodings.blocks };
  scope.weights.push(weight);
  if (scope.isObserved && isObservedLinear(which)) {
    const squares = graph.node('ReduceSumSquare', [x, graph.indices(`${inputSquares(layer, which)}.axes`, [0, 1])], {
      name: inputSquares(layer, which),
      attributes: { keepdims: { int: 0 } },
    });
    graph.output(squares, 'f32', [weight.shape[1] ?? 0]);
  }
  return linear(graph, x, weight, shapes.has(bias) ? { bias: vector(scope, bias) } : {});
}

function isObservedLinear(linear: Linear): linear is ObservedLinear {
  return linear in OBSERVED_INPUTS;
}

function lmHead({ graph, llm, encodings, weights }: Scope, x: Value): Value {
  const weight = { name: LM_HEAD, shape: [llm.vocabSize, llm.hiddenSize], encoding: encodings.lmHead };
  weights.push(weight);
  return linear(graph, x, weight, { name: 'logits' });
}

/**
 * RMSNorm, by ONNX's own operator. Apart from the residual sum: SkipSimplifiedLayerNormalization, which does both, takes
 * twice as long on ONNX Runtime 1.30's CPU (227 ms against 102 for 56 norms of 256 × 3584).
 */
function norm(scope: Scope, x: Value, weight: string): Value {
  const attributes = { axis: { int: -1 }, epsilon: { float: scope.llm.rmsNormEps } };
  return scope.graph.node('RMSNormalization', [x, vector(scope, weight)], { attributes });
}

/** Qwen3's RMSNorm over each head of x [B, S, heads · headDim]; x itself in a model without. */
function headNorm(scope: Scope, x: Value, weight: string): Value {
  if (!scope.shapes.has(weight)) {
    return x;
  }
  const { graph, llm } = scope;
  const heads = graph.node('Reshape', [x, graph.indices(`${weight}.heads`, [0, 0, -1, llm.headDim])]);
  return graph.node('Reshape', [norm(scope, heads, weight), graph.indices(`${weight}.joined`, [0, 0, -1])]);
}

/** A norm's weight or a linear's bias. */
function vector({ graph, shapes, weights }: Scope, name: string): Value {
  const shape = shapes.get(name) ?? [];
  weights.push({ name, shape, encoding: 'f32' });
  return graph.external({ name, type: 'f32', shape });
}

/** The last `count` rows of x [B, S, hidden]; all of them for 0. */
function lastRows(graph: GraphBuilder, x: Value, count: Value): Value {
  const start = graph.node('Unsqueeze', [graph.node('Neg', [count]), graph.indices('first_axis', [0])]);
  return graph.node('Slice', [
    x,
    start,
    graph.indices('to_the_end', [TO_THE_END]),
    graph.indices('sequence_axis', [1]),
  ]);
}
