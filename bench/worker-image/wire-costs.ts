import { base64Length } from '../../src/core/bytes/base64.ts';
import { encodeTorchTensor } from '../../src/core/bytes/torch-tensor.ts';
import { encodePng } from '../../src/core/image/encode-png.ts';
import { preprocess, shrinkOf } from '../../src/core/image/preprocess.ts';
import { sniffImage } from '../../src/core/image/sniff.ts';
import type { WireForm } from '../../src/core/upstream/capability.ts';
import { loadImageDecoder } from '../../src/endpoint/image-codecs.ts';
import { SHAPE_7B } from '../embed-graphs.ts';
import { percentile } from '../percentile.ts';

const VISION = { imageSize: 448, patchSize: 14, resize: { mode: 'square' } } as const;

const RUNS = 9;

/** What src/core/upstream/wire-choice.ts weighs. */
export interface WireCosts {
  /** Of a picture upstream, in each form, base64 included. */
  readonly bytes: Record<WireForm, number>;
  /** To write the model's input as PNG, the median of several. */
  readonly pngMs: number;
}

export async function wireCosts(file: Uint8Array): Promise<WireCosts> {
  const { positions, hidden } = SHAPE_7B;
  const data = new Uint8Array(positions * hidden * 2);
  const tensor = encodeTorchTensor({ dtype: 'bf16', shape: [positions, hidden], data });
  const header = sniffImage(file, 'file');
  const decoder = await loadImageDecoder();
  const rows = await decoder.open(file, header, 'file', shrinkOf(header, VISION, 'file'));
  const input = await preprocess(header, rows, VISION, 'file', decoder.passes);
  const png = await encodePng(input);
  const times: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const startMs = performance.now();
    await encodePng(input);
    times.push(performance.now() - startMs);
  }
  return {
    bytes: {
      image_embeds: base64Length(tensor.head.length + tensor.data.length + tensor.tail.length),
      pixels: base64Length(png.length),
      original: base64Length(file.length),
    },
    pngMs: percentile(times, 0.5),
  };
}
