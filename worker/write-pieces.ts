/** Writes each piece when the one before it is taken, and closes. */
export async function writePieces(
  pieces: Iterable<Uint8Array>,
  writer: WritableStreamDefaultWriter<Uint8Array>,
): Promise<void> {
  for (const piece of pieces) {
    await writer.write(piece);
  }
  await writer.close();
}
