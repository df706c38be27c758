import { base64Length } from '../src/core/bytes/base64.ts';
import { type ChatRequest, partPath } from '../src/core/protocol/chat-request.ts';
import { chooseWire, type ImageSizes, type WireChoice } from '../src/core/upstream/wire-choice.ts';
import type { WireReport } from '../src/core/upstream/wire-header.ts';
import type { Deps } from './deps.ts';
import { type Sight, sightOfModel } from './named-bundles.ts';
import { type ImageContext, prepareImage } from './prepare-image.ts';
import type { PreparedImage } from './prepared-image.ts';
import type { ImageReuse } from './recall-image.ts';
import type { Upstream } from './upstream-config.ts';

/** A request's images as they go to one upstream. */
export interface ShownImages {
  choice: WireChoice;
  /** In the order of their parts. */
  images: PreparedImage[];
}

/** A request's images, in whatever form upstreams take them. */
export interface RequestImages {
  /**
   * In the form that suits an upstream best; a reference stands for each image that it holds, unless they are wanted
   * `whole`.
   */
  shownTo(upstream: Upstream, options?: { whole: boolean }): Promise<ShownImages>;
  /** The upstream has taken them, and holds those that have a name. */
  taken(upstream: Upstream, shown: ShownImages): void;
  /** The upstream holds them no more. */
  lost(upstream: Upstream, shown: ShownImages): Promise<void>;
}

export type OwnerReuse = Omit<ImageReuse, 'holder'>;

/**
 * Makes each form once, when an upstream is called that takes it; all upstreams of most deployments take the same one.
 * Where they differ, an image behind a URL is downloaded once for each form.
 *
 * @param reuse null where nothing is remembered between requests.
 */
export function requestImages(
  chat: ChatRequest,
  deps: Pick<Deps, 'bundle' | 'convert' | 'embedder' | 'fetch' | 'namedBundle'>,
  context: Omit<ImageContext, 'wire' | 'reuse'>,
  reuse: OwnerReuse | null,
): RequestImages {
  const made = new Map<string, Promise<PreparedImage[]>>();
  const parts = chat.messages.flatMap(({ content }, m) =>
    content.flatMap((part, p) =>
      part.type === 'image_url' ? [{ url: part.url, param: `${partPath(m, p)}.image_url.url` }] : [],
    ),
  );

  /** One image after another: the peak is that of the largest photo, not of their sum. */
  async function prepare(sight: Sight, imageContext: ImageContext): Promise<PreparedImage[]> {
    const images: PreparedImage[] = [];
    for (const { url, param } of parts) {
      images.push(await prepareImage(url, param, { ...sight, fetch: deps.fetch, convert: deps.convert }, imageContext));
    }
    return images;
  }

  return {
    async shownTo(upstream, { whole } = { whole: false }) {
      const sight = sightOfModel(deps, upstream);
      const choice = chooseWire(upstream, parts.length === 0 ? null : await sizesFor(upstream, sight));
      const holder = upstream.can.has('image_uuids') ? { upstream: upstream.name, isAsked: !whole } : null;
      const key = [choice.wire, upstream.bundle, holder?.upstream, holder?.isAsked].join(' ');
      const images =
        made.get(key) ?? prepare(sight, { ...context, wire: choice.wire, reuse: reuse && { ...reuse, holder } });
      made.set(key, images);
      return { choice, images: await images };
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
  };
}

/** Null where the choice does not depend on them: the bundle may not even be there. */
async function sizesFor({ wires }: Upstream, { bundle }: Sight): Promise<ImageSizes | null> {
  if (wires.length === 1) {
    return null;
  }
  const { vision, llm } = await bundle.manifest();
  const pixels = vision.imageSize ** 2;
  return { tokens: pixels / vision.patchSize ** 2, hiddenSize: llm.hiddenSize, pixels };
}

/** What a client is told of how its images travelled. */
export function wireReport({ choice, images }: ShownImages): WireReport {
  const count = (from: PreparedImage['from']): number => images.filter((image) => image.from === from).length;
  const bytes = images.flatMap(({ payload }) => [
    base64Length(payload.reduce((sum, piece) => sum + piece.byteLength, 0)),
  ]);
  return {
    wire: choice.wire,
    images: images.length,
    held: count('upstream'),
    cached: count('cache'),
    bytes: bytes.reduce((sum, size) => sum + size, 0),
    why: choice.why,
  };
}
