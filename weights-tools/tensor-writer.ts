/** Where every tensor of one output file lies, in bytes from its start. */
export interface TensorLayout {
  /** Name of the file. */
  readonly file: string;
  readonly places: ReadonlyMap<string, { readonly start: number; readonly end: number }>;
  readonly byteLength: number;
}

/** Anything that can be written at a position, such as an open file. */
export interface PositionedSink {
  write(bytes: Uint8Array, position: number): Promise<void>;
}

/**
 * Writes tensors into their declared places. A tensor arrives in one or many blocks, in the order of its bytes; tensors
 * may alternate. Holds no bytes.
 */
export interface TensorWriter {
  /** Throws for a name that was not declared and for bytes past the tensor's end. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /** Throws, naming them, when tensors are incomplete. */
  finish(): void;
}

export function createTensorWriter(layout: TensorLayout, sink: PositionedSink): TensorWriter {
  const written = new Map<string, number>([...layout.places].map(([name, { start }]) => [name, start]));

  return {
    async write(name, bytes) {
      const place = layout.places.get(name);
      const position = written.get(name);
      if (place === undefined || position === undefined) {
        throw new Error(`${layout.file}: tensor ${name} was not declared`);
      }
      if (position + bytes.byteLength > place.end) {
        const expected = place.end - place.start;
        const found = position + bytes.byteLength - place.start;
        throw new Error(`${layout.file}: tensor ${name} was declared with ${expected} bytes, got ${found}`);
      }
      written.set(name, position + bytes.byteLength);
      await sink.write(bytes, position);
    },
    finish() {
      const incomplete = [...layout.places].filter(([name, { end }]) => written.get(name) !== end);
      if (incomplete.length > 0) {
        throw new Error(`${layout.file}: incomplete tensors: ${incomplete.map(([name]) => name).join(', ')}`);
      }
    },
  };
}
