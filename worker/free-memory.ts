/** Gives a buffer back at once; the engine would keep its megabytes until it next collects. Views of it are empty then. */
export function freeMemory({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && !buffer.detached) {
    buffer.transfer(0);
  }
}
