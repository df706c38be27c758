import { f32ToBf16, f32ToF16 } from '../../src/core/bytes/float.ts';
import { encodeTorchTensor } from '../../src/core/bytes/torch-tensor.ts';

/** Embeddings [N, hidden] in the wire form `image_embeds`: base64 of a torch.save file. */
export function imageEmbeds(values: Float32Array, hiddenSize: number, dtype: 'bf16' | 'f16' | 'f32'): string {
  const items = dtype === 'f32' ? values : dtype === 'bf16' ? f32ToBf16(values) : f32ToF16(values);
  const data = new Uint8Array(items.buffer, items.byteOffset, items.byteLength);
  const { head, tail } = encodeTorchTensor({ dtype, shape: [values.length / hiddenSize, hiddenSize], data });
  return Buffer.concat([head, data, tail]).toString('base64');
}
