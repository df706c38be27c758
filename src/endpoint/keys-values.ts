import { Tensor } from 'onnxruntime-node';

/** Keys and values of the first positions of a sequence, each f32 [1, kvHeads, positions, headDim], by the decoder's input. */
export type KeysValues = Readonly<Record<string, Tensor>>;

/** How many positions they are of. */
export function positionsOf(cache: KeysValues): number {
  return Object.values(cache)[0]?.dims[2] ?? 0;
}

export function byteSize(cache: KeysValues): number {
  return Object.values(cache).reduce((sum, { data }) => sum + floats(data).byteLength, 0);
}

/** Those of the first `positions`: a copy where there are more, since every head's lie apart. */
export function firstPositions(cache: KeysValues, positions: number): KeysValues {
  if (positions === positionsOf(cache)) {
    return cache;
  }
  return Object.fromEntries(Object.entries(cache).map(([name, tensor]) => [name, cut(tensor, positions)]));
}

function cut({ data, dims }: Tensor, positions: number): Tensor {
  const [batch = 1, heads = 0, held = 0, headDim = 0] = dims;
  const [from, to] = [floats(data), new Float32Array(batch * heads * positions * headDim)];
  for (let head = 0; head < batch * heads; head++) {
    const start = head * held * headDim;
    to.set(from.subarray(start, start + positions * headDim), head * positions * headDim);
  }
  return new Tensor('float32', to, [batch, heads, positions, headDim]);
}

function floats(data: Tensor['data']): Float32Array {
  if (!(data instanceof Float32Array)) {
    throw new Error('keys and values of another element type than float32');
  }
  return data;
}
