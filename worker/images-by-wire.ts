import { type ChatRequest, partPath } from '../src/core/protocol/chat-request.ts';
import type { WireForm } from '../src/core/upstream/capability.ts';
import type { Deps } from './deps.ts';
import { type ImageContext, prepareImage, type PreparedImage } from './prepare-image.ts';

/** A request's images in the form that an upstream takes. */
export type ImagesByWire = (wire: WireForm) => Promise<PreparedImage[]>;

/**
 * Makes each form once, when an upstream is called that takes it; all upstreams of most deployments take the same one.
 * Where they differ, an image behind a URL is downloaded once for each form.
 */
export function imagesByWire(
  chat: ChatRequest,
  deps: Pick<Deps, 'bundle' | 'embedder' | 'fetch'>,
  context: Omit<ImageContext, 'wire'>,
): ImagesByWire {
  const made = new Map<WireForm, Promise<PreparedImage[]>>();
  return (wire) => {
    const images = made.get(wire) ?? prepareImages(chat, deps, { ...context, wire });
    made.set(wire, images);
    return images;
  };
}

/** One image after another: the peak is that of the largest photo, not of their sum. */
async function prepareImages(
  chat: ChatRequest,
  deps: Pick<Deps, 'bundle' | 'embedder' | 'fetch'>,
  context: ImageContext,
): Promise<PreparedImage[]> {
  const images: PreparedImage[] = [];
  for (const [m, { content }] of chat.messages.entries()) {
    for (const [p, part] of content.entries()) {
      if (part.type === 'image_url') {
        images.push(await prepareImage(part.url, `${partPath(m, p)}.image_url.url`, deps, context));
      }
    }
  }
  return images;
}
