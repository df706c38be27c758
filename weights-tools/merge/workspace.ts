import { createGemm, type Gemm } from './gemm.ts';

/** What all merged weights of one model share: the matrix product, and one buffer for factors and blocks. */
export interface Workspace {
  gemm(): Promise<Gemm>;
  /** The buffer, cut into parts of so many floats, which hold what they held, unless the buffer had to grow. */
  parts<const Sizes extends readonly number[]>(sizes: Sizes): { -readonly [Index in keyof Sizes]: Float32Array };
  /** Calls `fill` unless it was for `owner` that it was called last. */
  load(owner: object, fill: () => Promise<void>): Promise<void>;
  release(): Promise<void>;
}

/** @param threads of a product; all processors unless told */
export function createWorkspace(threads?: number): Workspace {
  let gemm: Promise<Gemm> | null = null;
  let buffer = new ArrayBuffer(0);
  let loaded: object | null = null;

  /** Transferring to size 0 frees memory now; a collector would let old and new stand side by side. */
  function replace(bytes: number): void {
    buffer.transfer(0);
    buffer = new ArrayBuffer(bytes);
    loaded = null;
  }

  return {
    gemm: () => (gemm ??= createGemm(threads)),
    parts(sizes) {
      const bytes = 4 * sizes.reduce((sum, size) => sum + size, 0);
      if (buffer.byteLength < bytes) {
        replace(bytes);
      }
      let at = 0;
      const cut = (size: number): Float32Array => {
        const part = new Float32Array(buffer, at, size);
        at += part.byteLength;
        return part;
      };
      return sizes.map(cut) as { [Index in keyof typeof sizes]: Float32Array };
    },
    async load(owner, fill) {
      if (loaded !== owner) {
        loaded = null;
        await fill();
        loaded = owner;
      }
    },
    async release() {
      replace(0);
      await (await gemm)?.release();
    },
  };
}
