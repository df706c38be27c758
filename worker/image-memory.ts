import { writePieces } from './write-pieces.ts';

/** An image as it was made, or as an upstream was sent it. */
export interface KeptImage {
  /** Prompt tokens; 0 where only upstream knows. */
  tokens: number;
  /** What goes into its part as base64, in pieces. */
  payload: readonly Uint8Array[];
}

/**
 * What is remembered of images by their names, in Cloudflare's cache of this place. Whatever it has lost, or cannot do at
 * all (on workers.dev), is made or sent again.
 */
export interface ImageMemory {
  find(name: string): Promise<KeptImage | null>;
  keep(name: string, image: KeptImage, seconds: number): Promise<void>;
  /** Tokens of an image that an upstream was sent; null where nobody knows of it. */
  sent(upstream: string, name: string): Promise<number | null>;
  noteSent(upstream: string, name: string, tokens: number, seconds: number): Promise<void>;
  forgetSent(upstream: string, name: string): Promise<void>;
}

/** The cache needs URLs; nothing answers at this one. */
const ORIGIN = 'https://images.vora-edge.invalid';
const TOKENS_HEADER = 'x-tokens';

export function imageMemory(cache: Pick<Cache, 'match' | 'put' | 'delete'>): ImageMemory {
  const madeUrl = (name: string): string => `${ORIGIN}/made/${name}`;
  const sentUrl = (upstream: string, name: string): string => `${ORIGIN}/sent/${upstream}/${name}`;

  async function read(url: string): Promise<{ tokens: number; response: Response } | null> {
    const response = await cache.match(url).catch(() => undefined);
    return response === undefined ? null : { tokens: Number(response.headers.get(TOKENS_HEADER)), response };
  }

  async function put(url: string, body: ReadableStream | null, tokens: number, seconds: number): Promise<void> {
    const headers = { 'cache-control': `max-age=${seconds}`, [TOKENS_HEADER]: String(tokens) };
    await cache.put(url, new Response(body, { headers })).catch(() => undefined);
  }

  return {
    async find(name) {
      const found = await read(madeUrl(name));
      return found && { tokens: found.tokens, payload: [new Uint8Array(await found.response.arrayBuffer())] };
    },
    keep: (name, { tokens, payload }, seconds) => put(madeUrl(name), streamOf(payload), tokens, seconds),
    async sent(upstream, name) {
      const found = await read(sentUrl(upstream, name));
      await found?.response.body?.cancel();
      return found && found.tokens;
    },
    noteSent: (upstream, name, tokens, seconds) => put(sentUrl(upstream, name), null, tokens, seconds),
    async forgetSent(upstream, name) {
      await cache.delete(sentUrl(upstream, name)).catch(() => false);
    },
  };
}

/** Of known length, which a cache asks for. Joined in memory the pieces would be there twice. */
function streamOf(pieces: readonly Uint8Array[]): ReadableStream {
  const { readable, writable } = new FixedLengthStream(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  // A cache that takes none of it has failed already.
  void writePieces(pieces, writable.getWriter()).catch(() => undefined);
  return readable;
}
