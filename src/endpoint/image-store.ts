/** Embeddings of images that a worker has named, so that it can show them again without sending them. */
export interface ImageStore {
  get(uuid: string): Float32Array | null;
  /** Keeps an image under its name; the longest unused go where there is no room. */
  put(uuid: string, embeddings: Float32Array): void;
}

/** @param maxBytes of all embeddings together; 0 keeps none. */
export function createImageStore(maxBytes: number): ImageStore {
  /** The latest used last. */
  const images = new Map<string, Float32Array>();
  let bytes = 0;

  function remove(uuid: string): void {
    bytes -= images.get(uuid)?.byteLength ?? 0;
    images.delete(uuid);
  }

  return {
    get(uuid) {
      const found = images.get(uuid);
      if (found === undefined) {
        return null;
      }
      images.delete(uuid);
      images.set(uuid, found);
      return found;
    },
    put(uuid, embeddings) {
      remove(uuid);
      if (embeddings.byteLength > maxBytes) {
        return;
      }
      images.set(uuid, embeddings);
      bytes += embeddings.byteLength;
      for (const oldest of images.keys()) {
        if (bytes <= maxBytes) {
          break;
        }
        remove(oldest);
      }
    },
  };
}
