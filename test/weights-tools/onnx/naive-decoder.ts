import type { LlmFacts } from '../../../src/core/model/manifest.ts';
import { llmShapes } from '../../../src/core/model/tensor-names.ts';

/** Weights by checkpoint name. */
export type Weights = Map<string, Float32Array>;

/** Deterministic weights of a small model, from one seed. */
export function randomDecoder(llm: LlmFacts, seed = 1): Weights {
  const random = mulberry32(seed);
  const tensor = (count: number, scale: number, offset = 0): Float32Array =>
    Float32Array.from({ length: count }, () => offset + scale * (random() + random() + random() - 1.5));
  const weights: Weights = new Map();
  for (const [name, shape] of llmShapes(llm)) {
    const [outs = 0, ins] = shape;
    if (ins !== undefined) {
      weights.set(name, tensor(outs * ins, 2 / Math.sqrt(ins)));
    } else {
      weights.set(name, name.endsWith('bias') ? tensor(outs, 1) : tensor(outs, 0.3, 1));
    }
  }
  return weights;
}

/**
 * Qwen2, Qwen3 or Llama in float64, as plain as it can be written: embeddings [L][hidden] and the mask `allowed(query, key)` in, logits
 * [L][vocab] out. The oracle for the ONNX decoder; shares no code with it.
 */
export function naiveDecoder(
  llm: LlmFacts,
  weights: Weights,
  embeds: number[][],
  allowed: (query: number, key: number) => boolean,
  onInput: (linear: string, x: readonly number[]) => void = () => undefined,
): number[][] {
  const get = (name: string): Float32Array => weights.get(name) ?? new Float32Array();
  const linear = (x: number[], name: string, outs: number): number[] => {
    onInput(name, x);
    const weight = get(`${name}.weight`);
    const bias = get(`${name}.bias`);
    return Array.from({ length: outs }, (_, o) =>
      x.reduce((sum, value, i) => sum + value * (weight[o * x.length + i] ?? 0), bias[o] ?? 0),
    );
  };
  const norm = (x: number[], name: string): number[] => {
    const rms = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length + llm.rmsNormEps);
    return x.map((value, i) => (value / rms) * (get(`${name}.weight`)[i] ?? 0));
  };
  const headNorm = (head: number[], name: string): number[] =>
    weights.has(`${name}.weight`) ? norm(head, name) : head;
  const frequency = (i: number): number => {
    const plain = llm.ropeTheta ** (-(2 * i) / llm.headDim);
    if (llm.ropeScaling === null) {
      return plain;
    }
    const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions } = llm.ropeScaling;
    const wavelength = (2 * Math.PI) / plain;
    if (wavelength < originalMaxPositions / high) {
      return plain;
    }
    if (wavelength > originalMaxPositions / low) {
      return plain / factor;
    }
    const smooth = (originalMaxPositions / wavelength - low) / (high - low);
    return ((1 - smooth) * plain) / factor + smooth * plain;
  };
  const rotate = (head: number[], position: number): number[] => {
    const half = head.length / 2;
    return head.map((value, i) => {
      const angle = position * frequency(i % half);
      const partner = i < half ? -(head[i + half] ?? 0) : (head[i - half] ?? 0);
      return value * Math.cos(angle) + partner * Math.sin(angle);
    });
  };
  const heads = (x: number[], count: number): number[][] =>
    Array.from({ length: count }, (_, head) => x.slice(head * llm.headDim, (head + 1) * llm.headDim));

  let rows = embeds;
  for (let layer = 0; layer < llm.layers; layer++) {
    const block = `model.layers.${layer}`;
    const normed = rows.map((row) => norm(row, `${block}.input_layernorm`));
    const project = (part: string, count: number): number[][][] =>
      normed.map((row) => heads(linear(row, `${block}.self_attn.${part}_proj`, count * llm.headDim), count));
    const turned = (part: string, count: number): number[][][] =>
      project(part, count).map((row, at) =>
        row.map((head) => rotate(headNorm(head, `${block}.self_attn.${part}_norm`), at)),
      );
    const query = turned('q', llm.attentionHeads);
    const key = turned('k', llm.kvHeads);
    const value = project('v', llm.kvHeads);
    rows = rows.map((row, at) => {
      const attended = (query[at] ?? []).flatMap((head, index) => {
        const group = Math.floor(index / (llm.attentionHeads / llm.kvHeads));
        const scores = key.map((other, to) =>
          allowed(at, to)
            ? head.reduce((sum, q, i) => sum + q * (other[group]?.[i] ?? 0), 0) / Math.sqrt(llm.headDim)
            : -Infinity,
        );
        const peak = Math.max(...scores);
        const weightsOf = scores.map((score) => Math.exp(score - peak));
        const total = weightsOf.reduce((sum, weight) => sum + weight, 0);
        return head.map((_, i) =>
          value.reduce((sum, other, to) => sum + ((weightsOf[to] ?? 0) / total) * (other[group]?.[i] ?? 0), 0),
        );
      });
      const output = linear(attended, `${block}.self_attn.o_proj`, llm.hiddenSize);
      return row.map((value, i) => value + (output[i] ?? 0));
    });
    rows = rows.map((row) => {
      const x = norm(row, `${block}.post_attention_layernorm`);
      const gate = linear(x, `${block}.mlp.gate_proj`, llm.intermediateSize);
      const up = linear(x, `${block}.mlp.up_proj`, llm.intermediateSize);
      const inner = gate.map((value, i) => (value / (1 + Math.exp(-value))) * (up[i] ?? 0));
      const output = linear(inner, `${block}.mlp.down_proj`, llm.hiddenSize);
      return row.map((value, i) => value + (output[i] ?? 0));
    });
  }
  return rows.map((row) => linear(norm(row, 'model.norm'), 'lm_head', llm.vocabSize));
}

/** A small seeded generator (public-domain mulberry32): the same numbers on every machine. */
export function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
