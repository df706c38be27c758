import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Manifest } from '../core/model/manifest.ts';
import { attentionBias } from '../core/prompt/attention-bias.ts';
import { CACHE_PARTS, checkGraph, decoderContract, embedTokensContract } from './graph-contract.ts';
import { type KeysValues, positionsOf } from './keys-values.ts';
import { createPrefixCache } from './prefix-cache.ts';
import { sequenceWindow } from './prompt-window.ts';
import type { Work } from './scheduler.ts';
import type { Sequence } from './sequence.ts';

export interface ModelRunner {
  /** Computes each piece of work; returns for each the logits float32 [vocabulary] after its last position. */
  run(work: readonly Work[]): Promise<Float32Array[]>;
  /** Gives a sequence the keys and values of another one, which are never written to: as far as their prompts are one. */
  fork(from: Sequence, to: Sequence): void;
  /** Gives a sequence the keys and values of what its prompt begins with, where they are held; returns how many positions. */
  resume(sequence: Sequence): number;
  /** Drops a sequence's keys and values; the prefix cache may keep them. */
  release(sequence: Sequence): void;
  /** How many sequences' keys and values are held. */
  cached(): number;
  /** Frees the weights. */
  close(): Promise<void>;
}

/**
 * The language model on ONNX Runtime. The sequences of one call run one after the other; to run them as one padded
 * batch is a change inside `run`.
 *
 * @param files paths of `decoder.onnx` and `embed_tokens.onnx`.
 * @param prefixCacheBytes how much of what was read is kept for prompts that begin alike.
 * @throws MalformedFile when a graph is not of the manifest's model.
 */
export async function createModelRunner(
  files: { decoder: string; embedTokens: string },
  manifest: Manifest,
  prefixCacheBytes = 0,
): Promise<ModelRunner> {
  const decoder = await InferenceSession.create(files.decoder);
  const embedTokens = await InferenceSession.create(files.embedTokens);
  checkGraph(files.decoder, decoder, decoderContract(manifest));
  checkGraph(files.embedTokens, embedTokens, embedTokensContract(manifest));
  const { hiddenSize, kvHeads, headDim } = manifest.llm;
  const cacheNames = Array.from({ length: manifest.llm.layers }, (_, layer) =>
    CACHE_PARTS.map((part) => ({ past: `past_key_values.${layer}.${part}`, present: `present.${layer}.${part}` })),
  ).flat();
  const emptyCache: KeysValues = Object.fromEntries(
    cacheNames.map(({ past }) => [past, new Tensor('float32', new Float32Array(), [1, kvHeads, 0, headDim])]),
  );
  const caches = new Map<Sequence, KeysValues>();
  const prefixes = createPrefixCache({ maxBytes: prefixCacheBytes, hiddenSize });

  async function run(work: readonly Work[]): Promise<Float32Array[]> {
    const logits: Float32Array[] = [];
    for (const piece of work) {
      logits.push(await runOne(piece));
    }
    return logits;
  }

  async function runOne({ sequence, start, length }: Work): Promise<Float32Array> {
    const total = start + length;
    const past = caches.get(sequence) ?? emptyCache;
    const results = await decoder.run({
      inputs_embeds: new Tensor('float32', await embed(sequence, start, length), [1, length, hiddenSize]),
      attention_bias: new Tensor('float32', attentionBias(sequence.prompt.runs, start, length, total), [
        1,
        1,
        length,
        total,
      ]),
      seqlens_k: new Tensor('int32', [total - 1], [1]),
      total_sequence_length: new Tensor('int32', [total], []),
      num_logits_to_keep: new Tensor('int64', [1n], []),
      ...past,
    });
    caches.set(sequence, Object.fromEntries(cacheNames.map((name) => [name.past, output(results, name.present)])));
    return floats(output(results, 'logits'));
  }

  async function embed(sequence: Sequence, start: number, length: number): Promise<Float32Array> {
    const embeddings = new Float32Array(length * hiddenSize);
    let filled = 0;
    for (const piece of sequenceWindow(sequence, start, length, hiddenSize)) {
      const rows = piece.kind === 'image' ? piece.embeddings : await embedIds(piece.ids);
      embeddings.set(rows, filled);
      filled += rows.length;
    }
    return embeddings;
  }

  async function embedIds(ids: readonly number[]): Promise<Float32Array> {
    const input_ids = new Tensor('int64', BigInt64Array.from(ids, BigInt), [1, ids.length]);
    return floats(output(await embedTokens.run({ input_ids }), 'inputs_embeds'));
  }

  return {
    run,
    fork(from, to) {
      const cache = caches.get(from);
      if (cache === undefined) {
        throw new Error('a fork of a sequence that has no keys and values');
      }
      caches.set(to, cache);
    },
    resume(sequence) {
      const cache = prefixes.find(sequence);
      if (cache === null) {
        return 0;
      }
      caches.set(sequence, cache);
      return positionsOf(cache);
    },
    release(sequence) {
      const cache = caches.get(sequence);
      if (cache !== undefined) {
        prefixes.keep(sequence, cache);
        caches.delete(sequence);
      }
    },
    cached: () => caches.size,
    close: async () => {
      await decoder.release();
      await embedTokens.release();
    },
  };
}

function output(results: InferenceSession.OnnxValueMapType, name: string): Tensor {
  const value = results[name];
  if (!(value instanceof Tensor)) {
    throw new Error(`the graph gave no ${name}`);
  }
  return value;
}

function floats({ data }: Tensor): Float32Array {
  if (!(data instanceof Float32Array)) {
    throw new Error('the graph gave another element type than float32');
  }
  return data;
}
