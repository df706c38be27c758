import { base64Length } from '../src/core/bytes/base64.ts';
import { encodeTorchTensor } from '../src/core/bytes/torch-tensor.ts';
import { encodePng } from '../src/core/image/encode-png.ts';
import type { Rgb } from '../src/core/image/rgb.ts';

export type WireForm = 'image_embeds' | 'pixels' | 'original';

export type WireSizes = Partial<Record<WireForm, number>>;

/** Base64 bytes that a picture takes in each form, encoded as the worker encodes it; `fileBytes` is null where unknown. */
export async function wireSizes(
  fileBytes: number | null,
  input: Rgb,
  { tokens, hiddenSize }: { tokens: number; hiddenSize: number },
): Promise<WireSizes> {
  const embeddings = encodeTorchTensor({
    dtype: 'bf16',
    shape: [tokens, hiddenSize],
    data: new Uint8Array(tokens * hiddenSize * Uint16Array.BYTES_PER_ELEMENT),
  });
  return {
    ...(fileBytes === null ? {} : { original: base64Length(fileBytes) }),
    pixels: base64Length((await encodePng(input)).byteLength),
    image_embeds: base64Length(embeddings.byteLength),
  };
}
