import { MalformedFile } from '../../src/core/bytes/malformed-file.ts';
import type { LlmFacts } from '../../src/core/model/manifest.ts';
import { llmShapes } from '../../src/core/model/tensor-names.ts';
import { type FileSource, openFileSource } from '../file-source.ts';
import { rowBytes } from '../gguf/ggml-type.ts';
import { turnsNeighbours } from '../gguf/model-metadata.ts';
import { type GgufTensor, readGgufHeader } from '../gguf/read-header.ts';
import { schemeOf } from '../gguf/schemes.ts';
import { ggufName, ROPE_FREQS } from '../gguf/tensor-names.ts';
import { printable } from '../printable.ts';
import { columnsOf, type WeightRows } from '../weight-rows.ts';
import type { StoredModel } from './stored-model.ts';

/**
 * The weights of a GGUF file, dequantized, under their checkpoint names and in their order.
 *
 * @throws MalformedFile for a tensor of another shape, of a type that is only known by name, or that the model does not take
 */
export async function openGgufWeights(path: string, llm: LlmFacts): Promise<StoredModel> {
  const source = await openFileSource(path);
  try {
    const { tensors } = await readGgufHeader(source);
    const weights = new Map<string, WeightRows>();
    const untaken = new Set(tensors.keys());
    untaken.delete(ROPE_FREQS);
    for (const [name, shape] of llmShapes(llm)) {
      const tensor = tensors.get(ggufName(name));
      untaken.delete(ggufName(name));
      if (tensor !== undefined) {
        const rows = tensorRows(name, shape, tensor, source);
        const isTurned = turnsNeighbours(llm) && /\.attn_[qk]\./.test(tensor.name);
        weights.set(name, isTurned ? halvedRotaryRows(rows, llm.headDim) : rows);
      }
    }
    for (const name of untaken) {
      throw new MalformedFile(source.name, `tensor ${printable(name)}`, 'one that no part of the model takes', 'none');
    }
    return { weights, close: () => source.close() };
  } catch (error) {
    await source.close();
    throw error;
  }
}

function tensorRows(name: string, shape: readonly number[], tensor: GgufTensor, source: FileSource): WeightRows {
  const scheme = schemeOf(tensor.type);
  const columns = columnsOf(tensor);
  const bytes = rowBytes(tensor.type, columns);
  if (scheme === undefined || bytes === undefined || tensor.shape.join() !== shape.join()) {
    const found = `${tensor.type} [${tensor.shape.join(', ')}]`;
    throw new MalformedFile(
      source.name,
      `tensor ${tensor.name}`,
      found,
      `[${shape.join(', ')}] of a type that is read here`,
    );
  }
  return {
    name,
    shape,
    scratchFloats: (rows) => Math.ceil((rows * bytes) / 4),
    async read(first, out) {
      const start = tensor.start + first * bytes;
      scheme.dequantize(await source.slice(start, start + (out.length / columns) * bytes), out);
    },
  };
}

/**
 * Query or key rows from the order of llama.cpp's `llama` models, where element i of a head turns with its neighbour, to
 * Hugging Face's, where it turns with element i + headDim / 2. Whole heads are read at a time.
 */
function halvedRotaryRows(from: WeightRows, headDim: number): WeightRows {
  const isVector = from.shape.length === 1;
  const elements = isVector ? 1 : columnsOf(from);
  const total = from.shape[0] ?? 0;
  const rowsRead = (rows: number): number => (isVector ? total : rows + 2 * headDim);
  return {
    name: from.name,
    shape: from.shape,
    scratchFloats: (rows) => from.scratchFloats(isVector ? 1 : rowsRead(rows)) + rowsRead(rows) * elements,
    async read(first, out) {
      const start = isVector ? 0 : Math.floor(first / headDim) * headDim;
      const end = isVector ? total : Math.ceil((first + out.length / elements) / headDim) * headDim;
      const heads = new Float32Array((end - start) * elements);
      await from.read(start, heads);
      for (let row = 0; row < out.length / elements; row += 1) {
        const inHead = (first + row) % headDim;
        const head = first + row - inHead - start;
        const half = headDim / 2;
        const source = head + (inHead < half ? 2 * inHead : 2 * (inHead - half) + 1);
        out.set(heads.subarray(source * elements, (source + 1) * elements), row * elements);
      }
    },
  };
}
