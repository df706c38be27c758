import type { Server, WireForm } from './capability.ts';

/** What is known of a request's images before any is made. */
export interface ImageSizes {
  /** Prompt tokens of one image. */
  readonly tokens: number;
  /** Numbers of one embedding. */
  readonly hiddenSize: number;
  /** Of the model's input. */
  readonly pixels: number;
}

/** A model server as far as the choice depends on it. */
export interface WireTaker {
  readonly server: Server;
  /** Forms that it takes. */
  readonly wires: readonly WireForm[];
  /** Of the way to it. */
  readonly uplinkMbps: number;
}

export interface WireChoice {
  readonly wire: WireForm;
  /** For people. */
  readonly why: string;
}

/**
 * Milliseconds of work and bytes of base64, of a photo of 1024 × 768 px at VoRA-7B's size, as `npm run bench -- image` finds
 * them: Cloudflare's clocks stand still while code runs, so a worker cannot measure its own.
 */
const EMBED_MS_PER_NUMBER = 65 / (1024 * 3584);
const PNG_MS_PER_PIXEL = 30 / 448 ** 2;
const PNG_BYTES_PER_PIXEL = 155_000 / 448 ** 2;
/** bf16 in base64. */
const EMBEDS_BYTES_PER_NUMBER = 2 * (4 / 3);

/**
 * The form in which images travel to a server: of those that it takes and that keep the answer exactly the same, the one
 * with which an image is soonest with the model. Decoding costs the same everywhere and counts nowhere. The client's own
 * file is exact only as far as the server's decoder is ours, so it is for servers that take nothing else.
 *
 * @param sizes null where no model of ours is behind the server.
 */
export function chooseWire({ server, wires, uplinkMbps }: WireTaker, sizes: ImageSizes | null): WireChoice {
  const [only, ...others] = wires;
  if (only === undefined) {
    throw new RangeError('a server that takes images in no form');
  }
  if (others.length === 0 || sizes === null) {
    return { wire: only, why: others.length === 0 ? 'its only form' : 'its first form' };
  }
  const exact = wires.filter((wire) => wire !== 'original');
  const costs = exact.map((wire) => ({ wire, ms: costMs(wire, server, sizes, uplinkMbps) }));
  const [best = { wire: only, ms: 0 }, ...rest] = costs.toSorted((a, b) => a.ms - b.ms);
  const compared = [best, ...rest].map(({ wire, ms }) => `${wire} ${ms.toFixed(1)} ms`).join(', ');
  return { wire: best.wire, why: rest.length === 0 ? 'its only exact form' : `soonest there: ${compared}` };
}

function costMs(
  wire: WireForm,
  server: Server,
  { tokens, hiddenSize, pixels }: ImageSizes,
  uplinkMbps: number,
): number {
  const numbers = tokens * hiddenSize;
  const bytesPerMs = (uplinkMbps * 1e6) / 8 / 1000;
  if (wire === 'image_embeds') {
    return numbers * EMBED_MS_PER_NUMBER + (numbers * EMBEDS_BYTES_PER_NUMBER) / bytesPerMs;
  }
  // vLLM embeds on its GPU, in no time; `vora serve` does it as the worker would.
  const embedMs = server === 'vora' ? numbers * EMBED_MS_PER_NUMBER : 0;
  return pixels * PNG_MS_PER_PIXEL + (pixels * PNG_BYTES_PER_PIXEL) / bytesPerMs + embedMs;
}
