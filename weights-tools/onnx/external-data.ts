import { ELEMENT_BYTES, type ElementType } from './onnx-proto.ts';

/** onnx/docs/ExternalData.md: offsets should be multiples of the page size, so that a runtime can map the file. */
const ALIGNMENT_BYTES = 4096;

/** A weight that lives in the data file beside a model. Row-major, little-endian. */
export interface ExternalTensor {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
}

/** Where every external weight of one data file lies, in bytes from its start. */
export interface ExternalLayout {
  /** Name of the data file, relative to the model. */
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
export interface ExternalDataWriter {
  /** Throws for a name that was not declared and for bytes past the tensor's end. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /** Throws, naming them, when tensors are incomplete. */
  finish(): void;
}

/** Declares every tensor of a data file. Throws when two have one name. */
export function layoutExternalData(file: string, tensors: readonly ExternalTensor[]): ExternalLayout {
  const places = new Map<string, { start: number; end: number }>();
  let end = 0;
  for (const { name, type, shape } of tensors) {
    if (places.has(name)) {
      throw new Error(`${file}: tensor ${name} is declared twice`);
    }
    const start = Math.ceil(end / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    end = start + shape.reduce((product, size) => product * size, ELEMENT_BYTES[type]);
    places.set(name, { start, end });
  }
  return { file, places, byteLength: end };
}

export function createExternalDataWriter(layout: ExternalLayout, sink: PositionedSink): ExternalDataWriter {
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
