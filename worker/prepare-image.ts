import { encodeTorchTensor } from '../src/core/bytes/torch-tensor.ts';
import { encodePng } from '../src/core/image/encode-png.ts';
import { patchify } from '../src/core/image/patchify.ts';
import { visionForDetail } from '../src/core/image/resize-for-detail.ts';
import type { Rgb } from '../src/core/image/rgb.ts';
import type { ImageHeader } from '../src/core/image/sniff.ts';
import type { Detail } from '../src/core/protocol/chat-message.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import type { WireForm } from '../src/core/upstream/capability.ts';
import { decodableImage } from './convert-image.ts';
import type { Deps } from './deps.ts';
import { decodeImage, inTurn } from './decode-image.ts';
import type { EnclosedFiles } from './enclosed-files.ts';
import { type ImageSources, loadImage } from './load-image.ts';
import { type ImageReuse, recallImage } from './recall-image.ts';
import type { PreparedImage } from './prepared-image.ts';
import { withShare } from './room-share.ts';
import type { Stopwatch } from './stopwatch.ts';
import type { ReadUpload } from './uploads.ts';

/** What the preparation of a request's images has in common. */
export interface ImageContext {
  /** The form that the upstream takes. */
  wire: WireForm;
  stopwatch: Stopwatch;
  signal: AbortSignal;
  enclosed: EnclosedFiles;
  /** What `r2:` URLs name. */
  uploads: ReadUpload;
  /** Null where nothing is remembered between requests. */
  reuse: ImageReuse | null;
  /** Bytes that embeddings may take while they are made. */
  room: number;
  made: RoomForMade;
  /** By `param`, what files came to, where that is all that may be asked of them; null where they may be needed again. */
  seen: Map<string, SeenImage> | null;
}

/** Of an isolate's memory, for what is made of a request's images. */
export interface RoomForMade {
  /** Waits until there is room. */
  enter: () => Promise<void>;
  /** Who holds some of it does not wait for a download: whoever has one may be waiting for this room. */
  isHeld: () => boolean;
}

/** For a picture that is not a request's own. */
export const ALWAYS_ROOM: RoomForMade = { enter: async () => undefined, isHeld: () => false };

/** All that an image's one form is made of: some 600 kB, where its file may be 20 MB. */
export interface SeenImage {
  readonly input: Rgb;
  /** Null where nothing is remembered. */
  readonly name: string | null;
}

/** An image as a request asks about it. */
export interface AskedImage {
  url: string;
  detail: Detail;
  /** Path of the URL; every failure names it. */
  param: string;
}

interface LoadedImage {
  readonly file: Uint8Array<ArrayBuffer>;
  readonly header: ImageHeader;
}

type Load = () => Promise<LoadedImage>;

/**
 * From a client's URL to what the upstream takes: load, sniff, decode and resize row by row, embed; or what is left to do
 * of it, where its owner showed the same file lately.
 *
 * Peak memory, beside the encoded file: what decoders hold (src/core/image/decode.ts), then the small model input, then embeddings as bf16 (7 MB for 1024 patches at 7B size; ONNX Runtime holds them as f32 too). Only the payload outlives the call.
 *
 * @throws RequestError `image-too-large` where there is no room for its embeddings.
 */
export async function prepareImage(
  asked: AskedImage,
  deps: Pick<Deps, 'bundle' | 'convert' | 'embedder' | 'fetch' | 'rooms'>,
  context: ImageContext,
): Promise<PreparedImage> {
  return withShare(deps.rooms.downloads, context.signal, ({ take, takeNow }) =>
    prepare(asked, deps, context, (bytes) => (context.made.isHeld() ? takeNow(bytes) : take(bytes))),
  );
}

async function prepare(
  asked: AskedImage,
  deps: Pick<Deps, 'bundle' | 'convert' | 'embedder' | 'fetch'>,
  context: ImageContext,
  enter: ImageSources['enter'],
): Promise<PreparedImage> {
  const { url, detail, param } = asked;
  const { wire, stopwatch, signal, enclosed, uploads, reuse } = context;
  const seen = context.seen?.get(param);
  if (seen !== undefined) {
    await context.made.enter();
    const again = (): Promise<PreparedImage> => formOf(seen.input, param, deps, context);
    return reuse === null || seen.name === null ? again() : recallImage(seen.name, wire, reuse, again);
  }
  const load: Load = async () => {
    const file =
      enclosed.get(url)?.(param) ??
      (await stopwatch.time('fetch', () => loadImage(url, param, { fetch: deps.fetch, uploads, enter, signal })));
    return decodableImage(file, param, deps.convert, stopwatch);
  };
  // A host may be slow, and others need not wait for it. What is here already is enough to hold until its turn comes.
  const downloaded = enclosed.has(url) || /^data:/i.test(url) ? null : await load();
  const unpack: Load = async () => downloaded ?? load();
  await context.made.enter();
  const make = (name: string | null): Promise<PreparedImage> => makeImage(unpack, name, asked, deps, context);
  if (reuse === null) {
    return make(null);
  }
  // Preprocessing too, and not the weights alone: a bundle may be exported anew with another size or mode, and a request
  // may ask for another detail. What a server makes of a detail is its own.
  const sight = wire === 'original' ? detail : visionForDetail((await deps.bundle.manifest()).vision, detail);
  const made = JSON.stringify([wire, sight]);
  const name = await inTurn(async () => reuse.names.image((await unpack()).file, made));
  return recallImage(name, wire, reuse, () => make(name));
}

async function makeImage(
  unpack: Load,
  name: string | null,
  { detail, param }: AskedImage,
  deps: Pick<Deps, 'bundle' | 'embedder'>,
  context: ImageContext,
): Promise<PreparedImage> {
  if (context.wire === 'original') {
    const { file, header } = await unpack();
    const prefix = `data:image/${header.format};base64,`;
    return { part: 'image_url', prefix, payload: [file], tokens: 0, from: 'made' };
  }
  const { vision } = await deps.bundle.manifest();
  const input = await inTurn(async () => {
    const { file, header } = await unpack();
    return context.stopwatch.time('decode', () => decodeImage(file, header, visionForDetail(vision, detail), param));
  });
  context.seen?.set(param, { input, name });
  return formOf(input, param, deps, context);
}

/** What travels of the model's input. */
async function formOf(
  input: Rgb,
  param: string,
  { bundle, embedder }: Pick<Deps, 'bundle' | 'embedder'>,
  { wire, stopwatch, room }: ImageContext,
): Promise<PreparedImage> {
  const from = 'made';
  const { vision, llm } = await bundle.manifest();
  const patches = patchify(input, vision.patchSize);
  const tokens = patches.rows * patches.cols;
  if (wire === 'pixels') {
    const png = await stopwatch.time('encode', () => encodePng(input));
    return { part: 'image_url', prefix: 'data:image/png;base64,', payload: [png], tokens, from };
  }
  requireRoom(tokens, tokens * llm.hiddenSize * embedder.bytesPerNumber, room, param);
  const bf16 = await stopwatch.time('embed', () => embedder.embedBf16(patches));
  const { head, data, tail } = encodeTorchTensor({
    dtype: 'bf16',
    shape: [tokens, llm.hiddenSize],
    data: new Uint8Array(bf16.buffer, bf16.byteOffset, bf16.byteLength),
  });
  return { part: 'image_embeds', prefix: '', payload: [head, data, tail], tokens, from };
}

function requireRoom(tokens: number, bytes: number, room: number, param: string): void {
  if (bytes > room) {
    const found = `Its ${tokens} patches take ${bytes} bytes as embeddings, and there is room for ${room}`;
    throw new RequestError({
      kind: 'image-too-large',
      param,
      message: `${found}: ask for less detail, or fewer images`,
    });
  }
}
