import { decodeBase64 } from '../core/bytes/base64.ts';
import { bf16ToF32, f16ToF32 } from '../core/bytes/float.ts';
import { MalformedFile } from '../core/bytes/malformed-file.ts';
import { decodeTorchTensor, type TorchTensor } from '../core/bytes/torch-tensor.ts';
import type { Decoder } from '../core/image/decode.ts';
import type { PatchEmbedder } from '../core/image/patch-embedder.ts';
import { patchify } from '../core/image/patchify.ts';
import { preprocess, shrinkOf } from '../core/image/preprocess.ts';
import { visionForDetail } from '../core/image/resize-for-detail.ts';
import { sniffImage } from '../core/image/sniff.ts';
import { IMAGE_MAX_BYTES } from '../core/limits.ts';
import type { SeeingManifest } from '../core/model/manifest.ts';
import type { ContentPart } from '../core/protocol/chat-message.ts';
import { RequestError } from '../core/protocol/failure.ts';
import { IMAGE_NOT_STORED } from '../core/protocol/stored-image.ts';
import type { ImageStore } from './image-store.ts';

export type ImagePart = Exclude<ContentPart, { type: 'text' }>;
type PixelsPart = Extract<ContentPart, { type: 'image_url' }>;

export interface ImageReader {
  /**
   * Embeddings float32 [N, hidden] of one image part: ready-made, computed from its pixels, or held under its uuid. An image that is
   * model-sized already (wire form `pixels`) passes through preprocessing unchanged.
   *
   * @param place the part in the client's terms, e.g. `messages[0].content[1]`.
   * @param isReady pixels were made model-sized by a worker.
   * @throws RequestError naming the field at fault; `vision-mismatch` for ready pixels that have another size here.
   */
  read(part: ImagePart, place: string, isReady?: boolean): Promise<Float32Array>;
}

export function createImageReader(
  { llm, vision }: SeeingManifest,
  { decoder, embedder, store }: { decoder: Decoder; embedder: PatchEmbedder; store: ImageStore },
): ImageReader {
  async function readPixels({ url, detail }: PixelsPart, param: string, isReady: boolean): Promise<Float32Array> {
    const bytes = dataUrlBytes(url, param);
    const header = sniffImage(bytes, param);
    const sight = visionForDetail(vision, detail);
    const rows = await decoder.open(bytes, header, param, shrinkOf(header, sight, param));
    const input = await preprocess(header, rows, sight, param, decoder.passes);
    if (isReady) {
      requireSize(header, input);
    }
    return embedder.embed(patchify(input, vision.patchSize));
  }

  return {
    async read(part, place, isReady = false) {
      if (part.type === 'stored_image') {
        return store.get(part.uuid) ?? refuseUnknown(place);
      }
      const embeddings =
        part.type === 'image_url'
          ? await readPixels(part, part.field ?? `${place}.image_url.url`, isReady)
          : readEmbeddings(part.data, llm.hiddenSize, `${place}.image_embeds`);
      if (part.uuid !== undefined) {
        store.put(part.uuid, embeddings);
      }
      return embeddings;
    },
  };
}

interface Size {
  width: number;
  height: number;
}

/** A worker whose bundle sizes images otherwise shows the model another picture, or another part of its positions. */
function requireSize(found: Size, expected: Size): void {
  if (found.width !== expected.width || found.height !== expected.height) {
    const text = ({ width, height }: Size): string => `an input of ${width}×${height} px`;
    throw new RequestError({ kind: 'vision-mismatch', expected: text(expected), found: text(found) });
  }
}

function refuseUnknown(place: string): never {
  const param = `${place}.uuid`;
  const message = `${param}: no image is held under this uuid; send it again`;
  throw new RequestError({ kind: 'invalid-request', param, message, code: IMAGE_NOT_STORED });
}

/** Longest text before the data of a data URL: a media type with a few parameters. */
const DATA_URL_HEADER_MAX_CHARS = 256;

/** The media type is not looked at: the bytes say what they are. */
function dataUrlBytes(url: string, param: string): Uint8Array {
  const comma = url.slice(0, DATA_URL_HEADER_MAX_CHARS).indexOf(',');
  if (!/^data:/i.test(url) || !/;base64$/i.test(url.slice(0, Math.max(comma, 0)))) {
    throw refused(param, 'expected a base64 data URL; this endpoint fetches nothing, a VoRA worker does that');
  }
  const start = comma + 1;
  if ((url.length - start) * 0.75 > IMAGE_MAX_BYTES) {
    throw new RequestError({ kind: 'image-too-large', param, message: `The image has over ${IMAGE_MAX_BYTES} bytes` });
  }
  return blaming(param, () => decodeBase64(url, 'data URL', start));
}

function readEmbeddings(base64: string, hiddenSize: number, param: string): Float32Array {
  const tensor = blaming(param, () => decodeTorchTensor(decodeBase64(base64, 'base64'), 'tensor'));
  const [rows, columns] = tensor.shape;
  if (columns !== hiddenSize || rows === 0) {
    throw refused(param, `found a tensor [${rows}, ${columns}], expected [N, ${hiddenSize}] with N of at least 1`);
  }
  const values = floats(tensor);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad !== -1) {
    const at = `[${Math.floor(bad / columns)}, ${bad % columns}]`;
    throw refused(param, `found ${values[bad]} at ${at}, expected finite values`);
  }
  return values;
}

function floats({ dtype, data }: TorchTensor): Float32Array {
  // A copy, since the data lies at any offset of its file.
  const { buffer } = Uint8Array.from(data);
  if (dtype === 'f32') {
    return new Float32Array(buffer);
  }
  return dtype === 'bf16' ? bf16ToF32(new Uint16Array(buffer)) : f16ToF32(new Uint16Array(buffer));
}

/** Malformed bytes inside a request are the request's fault. */
function blaming<Result>(param: string, read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    throw cause instanceof MalformedFile ? refused(param, cause.message, cause) : cause;
  }
}

function refused(param: string, message: string, cause?: unknown): RequestError {
  return new RequestError({ kind: 'invalid-request', param, message: `${param}: ${message}` }, { cause });
}
