import { base64Length } from '../src/core/bytes/base64.ts';
import { resizeForDetail } from '../src/core/image/resize-for-detail.ts';
import { EMBEDDINGS_MAX_BYTES, IMAGE_EMBEDDINGS_MAX_BYTES } from '../src/core/limits.ts';
import type { Detail } from '../src/core/protocol/chat-message.ts';
import { type ChatRequest, partPath } from '../src/core/protocol/chat-request.ts';
import type { WireForm } from '../src/core/upstream/capability.ts';
import { chooseWire, type ImageSizes, type WireChoice } from '../src/core/upstream/wire-choice.ts';
import type { WireReport } from '../src/core/upstream/wire-header.ts';
import type { Deps } from './deps.ts';
import { type Sight, sightOfModel } from './named-bundles.ts';
import { freeMemory } from './free-memory.ts';
import { NOTHING_ENCLOSED } from './enclosed-files.ts';
import { type AskedImage, type ImageContext, prepareImage, type SeenImage } from './prepare-image.ts';
import type { PreparedImage } from './prepared-image.ts';
import type { ImageReuse } from './recall-image.ts';
import { shareRoom } from './room-share.ts';
import type { Upstream } from './upstream-config.ts';

/** A request's images as they go to one upstream. */
export interface ShownImages {
  choice: WireChoice;
  /** In the order of their parts. */
  images: PreparedImage[];
  /** What `detail: "high"` came to; null where nobody asked for it. */
  high: string | null;
}

/** A request's images, in whatever form upstreams take them. */
export interface RequestImages {
  /**
   * In the form that suits an upstream best; a reference stands for each image that it holds, unless they are wanted
   * `whole`.
   *
   * @param write makes the request's body of them, before anybody else can let go of their bytes; {@link sent} follows,
   *   but for a body that is null.
   */
  shownTo<Body>(
    upstream: Upstream,
    write: (images: PreparedImage[]) => Body,
    options?: { whole: boolean },
  ): Promise<ShownImages & { body: Body }>;
  /** A body is sent whole. What was made is let go of: should another upstream be asked, it is made again. */
  sent(): void;
  /** The upstream has taken them, and holds those that have a name. */
  taken(upstream: Upstream, shown: ShownImages): void;
  /** The upstream holds them no more. */
  lost(upstream: Upstream, shown: ShownImages): Promise<void>;
  /** No other upstream will be asked. An answer may take minutes, and each image is megabytes. */
  release(): void;
}

export type OwnerReuse = Omit<ImageReuse, 'holder'>;

/**
 * Makes each form once, when an upstream is called that takes it; all upstreams of most deployments take the same one.
 * Where they differ, an image behind a URL is downloaded once for each form.
 *
 * @param chain who may be asked.
 * @param context `letGo` hears that the body they came in is held no more, but for so many bytes.
 * @param reuse null where nothing is remembered between requests.
 */
export function requestImages(
  chat: ChatRequest,
  chain: readonly (readonly Upstream[])[],
  deps: Pick<Deps, 'bundle' | 'convert' | 'embedder' | 'fetch' | 'namedBundle' | 'rooms'>,
  { letGo, ...common }: CommonContext & { letGo: (heldBytes: number) => void },
  reuse: OwnerReuse | null,
): RequestImages {
  const made = new Map<string, Promise<PreparedImage[]>>();
  const seen = haveOneForm(chain.flat()) ? new Map<string, SeenImage>() : null;
  let source: Source | null = { parts: imageParts(chat), context: { ...common, seen } };
  const count = source.parts.length;
  const closest = source.parts.some(({ detail }) => detail === 'high') ? 'high' : 'auto';

  const share = shareRoom(deps.rooms.made, common.signal);
  let keeping: Promise<unknown>[] = [];
  /** Bodies that were written and are not sent. */
  let unsent = 0;

  function keep(work: Promise<unknown>): void {
    keeping.push(work);
    reuse?.waitUntil(work);
  }

  function letGoOfMade(): void {
    const images = [...made.values()];
    made.clear();
    const leave = share.detach();
    const kept = keeping;
    keeping = [];
    const over = endImages(images, kept, () => {
      leave();
      return seen !== null && unsent === 0;
    });
    if (kept.length > 0) {
      reuse?.waitUntil(over);
    }
  }

  /** One image after another: the peak is that of the largest photo, not of their sum. */
  async function prepare(sight: Sight, how: Pick<ImageContext, 'wire' | 'reuse'>): Promise<PreparedImage[]> {
    const mostBytes = count === 0 ? 0 : count * (await payloadBound(how.wire, sight, closest));
    if (source === null) {
      throw new Error('images were asked for after they were let go');
    }
    // Not before the first is here: hosts may be slow.
    let entered: Promise<void> | undefined;
    const room = { enter: () => (entered ??= share.take(mostBytes)), isHeld: share.isHeld };
    const images: PreparedImage[] = [];
    let leftBytes = EMBEDDINGS_MAX_BYTES;
    const { parts, context } = source;
    for (const part of parts) {
      const image = await prepareImage(
        part,
        { ...sight, fetch: deps.fetch, convert: deps.convert, rooms: deps.rooms },
        { ...context, ...how, made: room, room: Math.min(leftBytes, IMAGE_EMBEDDINGS_MAX_BYTES) },
      );
      leftBytes -= payloadBytes(image);
      images.push(image);
    }
    await share.take(EMBEDDINGS_MAX_BYTES - leftBytes - mostBytes);
    if (count > 0 && seen?.size === count && source !== null) {
      source = {
        parts: parts.map((part) => ({ ...part, url: '' })),
        context: { ...context, enclosed: NOTHING_ENCLOSED },
      };
      letGo(seenBytes(seen));
    }
    return images;
  }

  return {
    async shownTo(upstream, write, { whole } = { whole: false }) {
      const sight = sightOfModel(deps, upstream);
      const choice = chooseWire(upstream, count === 0 ? null : await sizesFor(upstream, sight, closest));
      const holder = upstream.can.has('image_uuids') ? { upstream: upstream.name, isAsked: !whole } : null;
      const key = [choice.wire, upstream.bundle, holder?.upstream, holder?.isAsked].join(' ');
      const images =
        made.get(key) ?? prepare(sight, { wire: choice.wire, reuse: reuse && { ...reuse, holder, waitUntil: keep } });
      made.set(key, images);
      const high = closest === 'high' ? await highDetail(choice.wire, sight) : null;
      const shown = await images;
      const body = write(shown);
      unsent += body === null ? 0 : 1;
      return { choice, images: shown, high, body };
    },
    taken({ name }, { images }) {
      for (const { uuid, tokens, from } of images) {
        if (reuse !== null && uuid !== undefined && from !== 'upstream') {
          reuse.waitUntil(reuse.memory.noteSent(name, uuid, tokens, reuse.seconds));
        }
      }
    },
    async lost({ name }, { images }) {
      const names = images.flatMap(({ uuid }) => uuid ?? []);
      await Promise.all(names.map(async (uuid) => reuse?.memory.forgetSent(name, uuid)));
    },
    sent() {
      unsent -= 1;
      letGoOfMade();
    },
    release() {
      source = null;
      letGoOfMade();
      letGo(0);
    },
  };
}

/**
 * Whoever still holds the images for what is told of them no longer holds their bytes. When they are kept, too, their memory
 * is given back at once, if `isOver` says that nobody reads them: the engine would hold megabytes until it next collects.
 */
async function endImages(
  images: readonly Promise<PreparedImage[]>[],
  kept: readonly Promise<unknown>[],
  isOver: () => boolean,
): Promise<void> {
  const made = await Promise.allSettled(images);
  const payloads = made.flatMap((one) => (one.status === 'fulfilled' ? one.value.map(takePayload) : []));
  await Promise.allSettled(kept);
  if (isOver()) {
    for (const piece of payloads.flat()) {
      freeMemory(piece);
    }
  }
}

function takePayload(image: PreparedImage): Uint8Array[] {
  const { payload } = image;
  image.payload = [];
  return payload;
}

/** What images are made of. */
interface Source {
  readonly parts: readonly AskedImage[];
  readonly context: CommonContext & Pick<ImageContext, 'seen'>;
}

type CommonContext = Omit<ImageContext, 'wire' | 'reuse' | 'made' | 'room' | 'seen'>;

const RGB_BYTES = 3;
const BF16_BYTES = 2;

function imageParts(chat: ChatRequest): AskedImage[] {
  return chat.messages.flatMap(({ content }, m) =>
    content.flatMap((part, p) =>
      part.type === 'image_url'
        ? [{ url: part.url, detail: part.detail, param: part.field ?? `${partPath(m, p)}.image_url.url` }]
        : [],
    ),
  );
}

/** The chat with its images' places alone: what they show is for {@link RequestImages} to hold, and to let go. */
export function withoutPictures(chat: ChatRequest): ChatRequest {
  const messages = chat.messages.map((message) => ({
    ...message,
    content: message.content.map((part) => (part.type === 'image_url' ? { ...part, url: '' } : part)),
  }));
  return { ...chat, messages };
}

/** What becomes of `detail: "high"`, for people. */
async function highDetail(wire: WireForm, { bundle }: Sight): Promise<string> {
  if (wire === 'original') {
    return 'passed on';
  }
  const { resize, imageSize } = (await bundle.manifest()).vision;
  return resize.mode === 'square' ? `as auto: this model takes squares of ${imageSize} px` : 'native resolution';
}

/** Whether all of them take the same form of every image, and it is made of what the model sees. */
function haveOneForm([first, ...others]: readonly Upstream[]): boolean {
  const forms = (upstream: Upstream): string => [upstream.bundle, ...upstream.wires].join();
  return (
    first?.wires.length === 1 && first.wires[0] !== 'original' && others.every((other) => forms(other) === forms(first))
  );
}

function seenBytes(seen: ReadonlyMap<string, SeenImage>): number {
  return [...seen.values()].reduce((sum, { input }) => sum + input.data.byteLength, 0);
}

/** The most bytes that an image of this detail can be sent as; none where they are those of its file. */
async function payloadBound(wire: WireForm, sight: Sight, closest: Detail): Promise<number> {
  if (wire === 'original') {
    return 0;
  }
  const { tokens, hiddenSize, pixels } = await imageSizes(sight, closest);
  return wire === 'pixels' ? pixels * RGB_BYTES : tokens * hiddenSize * BF16_BYTES;
}

function payloadBytes({ payload }: PreparedImage): number {
  return payload.reduce((sum, piece) => sum + piece.byteLength, 0);
}

/** Null where the choice does not depend on them: the bundle may not even be there. */
async function sizesFor({ wires }: Upstream, sight: Sight, closest: Detail): Promise<ImageSizes | null> {
  return wires.length === 1 ? null : imageSizes(sight, closest);
}

/** Of the largest image that this detail allows. */
async function imageSizes({ bundle }: Sight, closest: Detail): Promise<ImageSizes> {
  const { vision, llm } = await bundle.manifest();
  const resize = resizeForDetail(vision.resize, closest);
  const pixels = resize.mode === 'square' ? vision.imageSize ** 2 : resize.maxPixels;
  return { tokens: pixels / vision.patchSize ** 2, hiddenSize: llm.hiddenSize, pixels };
}

/** What a client is told of how its images travelled. */
export function wireReport({ choice, images, high }: ShownImages): WireReport {
  const count = (from: PreparedImage['from']): number => images.filter((image) => image.from === from).length;
  return {
    wire: choice.wire,
    images: images.length,
    held: count('upstream'),
    cached: count('cache'),
    bytes: images.reduce((sum, image) => sum + base64Length(payloadBytes(image)), 0),
    why: choice.why,
    high,
  };
}
