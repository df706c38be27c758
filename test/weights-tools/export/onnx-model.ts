import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { LlmFacts } from '../../../src/core/model/manifest.ts';

/** An exported model, run without the endpoint: no cache, one forward pass a call. */
export interface OnnxModel {
  /** f32 [ids, hidden] */
  embed(ids: readonly number[]): Promise<Float32Array>;
  /** Logits of the last `keep` rows, one array each. `mask` is [L, L], 1 = may attend. */
  forward(embeds: Float32Array, mask: Uint8Array, keep: number): Promise<Float32Array[]>;
}

/** A bias that leaves a masked key no weight. */
const MASKED = -3.4028234663852886e38;

export async function openOnnxModel(folder: string, llm: LlmFacts): Promise<OnnxModel> {
  const options = { intraOpNumThreads: 1, logSeverityLevel: 3 } as const;
  const decoder = await InferenceSession.create(join(folder, 'decoder.onnx'), options);
  const embedTokens = await InferenceSession.create(join(folder, 'embed_tokens.onnx'), options);
  const empty = new Tensor('float32', new Float32Array(), [1, llm.kvHeads, 0, llm.headDim]);
  const cache = Object.fromEntries(
    Array.from({ length: llm.layers }, (_, layer) => layer).flatMap((layer) => [
      [`past_key_values.${layer}.key`, empty],
      [`past_key_values.${layer}.value`, empty],
    ]),
  ) as Record<string, Tensor>;
  return {
    async embed(ids) {
      const input = new Tensor('int64', BigInt64Array.from(ids, BigInt), [1, ids.length]);
      return floatsOf(await embedTokens.run({ input_ids: input }), 'inputs_embeds');
    },
    async forward(embeds, mask, keep) {
      const length = embeds.length / llm.hiddenSize;
      const bias = Float32Array.from(mask, (allowed) => (allowed === 1 ? 0 : MASKED));
      const logits = floatsOf(
        await decoder.run({
          inputs_embeds: new Tensor('float32', embeds, [1, length, llm.hiddenSize]),
          attention_bias: new Tensor('float32', bias, [1, 1, length, length]),
          seqlens_k: new Tensor('int32', Int32Array.of(length - 1), [1]),
          total_sequence_length: new Tensor('int32', Int32Array.of(length), []),
          num_logits_to_keep: new Tensor('int64', BigInt64Array.of(BigInt(keep)), []),
          ...cache,
        }),
        'logits',
      );
      return Array.from({ length: logits.length / llm.vocabSize }, (_, row) =>
        logits.subarray(row * llm.vocabSize, (row + 1) * llm.vocabSize),
      );
    },
  };
}

function floatsOf(results: Awaited<ReturnType<InferenceSession['run']>>, name: string): Float32Array {
  const data = results[name]?.data;
  if (!(data instanceof Float32Array)) {
    throw new TypeError(`${name} is no f32 output`);
  }
  return data;
}
