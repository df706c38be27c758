import { base64Length } from '../../src/core/bytes/base64.ts';
import { encodeTorchTensor } from '../../src/core/bytes/torch-tensor.ts';
import { encodePng } from '../../src/core/image/encode-png.ts';
import { preprocess } from '../../src/core/image/preprocess.ts';
import { sniffImage } from '../../src/core/image/sniff.ts';
import type { WireForm } from '../../src/core/upstream/capability.ts';
import { loadImageDecoder } from '../../src/endpoint/image-codecs.ts';
import { SHAPE_7B } from '../embed-graphs.ts';

const VISION = { imageSize: 448, patchSize: 14, resize: { mode: 'square' } } as const;

/** Bytes of a picture upstream, in each form, base64 included. */
export async function wireBytes(file: Uint8Array): Promise<Record<WireForm, number>> {
  const { positions, hidden } = SHAPE_7B;
  const data = new Uint8Array(positions * hidden * 2);
  const tensor = encodeTorchTensor({ dtype: 'bf16', shape: [positions, hidden], data });
  const header = sniffImage(file, 'file');
  const rows = await (await loadImageDecoder()).open(file, header, 'file');
  const png = await encodePng(await preprocess(header, rows, VISION, 'file'));
  return {
    image_embeds: base64Length(tensor.head.length + tensor.data.length + tensor.tail.length),
    pixels: base64Length(png.length),
    original: base64Length(file.length),
  };
}
