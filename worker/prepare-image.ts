import { f32ToBf16 } from '../src/core/bytes/float.ts';
import { encodeTorchTensor } from '../src/core/bytes/torch-tensor.ts';
import { encodePng } from '../src/core/image/encode-png.ts';
import { patchify } from '../src/core/image/patchify.ts';
import { type ImageHeader, sniffImage } from '../src/core/image/sniff.ts';
import type { WireForm } from '../src/core/upstream/capability.ts';
import type { Deps } from './deps.ts';
import { decodeImage, inTurn } from './decode-image.ts';
import { loadImage } from './load-image.ts';
import type { Stopwatch } from './stopwatch.ts';

/** An image in the form in which it travels upstream. */
export interface PreparedImage {
  part: 'image_embeds' | 'image_url';
  /** What stands before the base64 text: a data URL's head, or nothing. */
  prefix: string;
  /** Bytes whose concatenation, as base64, is the part's payload. */
  payload: Uint8Array[];
  /** Prompt tokens that the image becomes; 0 where only upstream knows. */
  tokens: number;
}

/** What the preparation of a request's images has in common. */
export interface ImageContext {
  /** The form that the upstream takes. */
  wire: WireForm;
  stopwatch: Stopwatch;
  signal: AbortSignal;
  /** Files that came beside the request, by the `cid:` URL that names them in it (RFC 2392). */
  enclosed: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

interface LoadedImage {
  readonly file: Uint8Array<ArrayBuffer>;
  readonly header: ImageHeader;
}

/**
 * From a client's URL to what the upstream takes: load, sniff, decode and resize row by row, embed.
 *
 * Peak memory, beside the encoded file: what decoders hold (src/core/image/decode.ts), then the small model input, then embeddings as f32 and bf16 (22 MB for 1024 patches at 7B size). Only the payload outlives the call.
 *
 * @param param path of the part; every failure names it.
 */
export async function prepareImage(
  url: string,
  param: string,
  { bundle, embedder, fetch }: Pick<Deps, 'bundle' | 'embedder' | 'fetch'>,
  { wire, stopwatch, signal, enclosed }: ImageContext,
): Promise<PreparedImage> {
  const load = async (): Promise<LoadedImage> => {
    const file = enclosed.get(url) ?? (await stopwatch.time('fetch', () => loadImage(url, param, fetch, signal)));
    return { file, header: sniffImage(file, param) };
  };
  if (wire === 'original') {
    const { file, header } = await load();
    return { part: 'image_url', prefix: `data:image/${header.format};base64,`, payload: [file], tokens: 0 };
  }
  const { vision, llm } = await bundle.manifest();
  // A host may be slow, and others need not wait for it. The text of a data URL is enough to hold until its turn comes.
  const downloaded = /^data:/i.test(url) ? null : await load();
  const input = await inTurn(async () => {
    const { file, header } = downloaded ?? (await load());
    return stopwatch.time('decode', () => decodeImage(file, header, vision, param));
  });
  const patches = patchify(input, vision.patchSize);
  const tokens = patches.rows * patches.cols;
  if (wire === 'pixels') {
    const png = await stopwatch.time('encode', () => encodePng(input));
    return { part: 'image_url', prefix: 'data:image/png;base64,', payload: [png], tokens };
  }
  const embeddings = await stopwatch.time('embed', () => embedder.embed(patches));
  const bf16 = f32ToBf16(embeddings);
  const { head, data, tail } = encodeTorchTensor({
    dtype: 'bf16',
    shape: [tokens, llm.hiddenSize],
    data: new Uint8Array(bf16.buffer, bf16.byteOffset, bf16.byteLength),
  });
  return { part: 'image_embeds', prefix: '', payload: [head, data, tail], tokens };
}
