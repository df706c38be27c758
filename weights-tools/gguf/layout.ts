import { type ByteList, createByteList } from './byte-list.ts';
import { GGML_TYPES, type GgmlTypeName, rowBytes } from './ggml-type.ts';
import {
  ARRAY_ID,
  type ElementType,
  type MetadataScalar,
  type MetadataValue,
  STRING_ID,
  VALUE_TYPES,
} from './metadata-value.ts';
import { DEFAULT_ALIGNMENT_BYTES, GGUF_MAGIC, pad } from './read-header.ts';

const VERSION = 3;

/** A tensor to place: row-major shape, [out, in]. */
export interface TensorToPlace {
  readonly name: string;
  readonly type: GgmlTypeName;
  readonly shape: readonly number[];
}

export interface GgufLayout {
  /** Everything before the data, padded. */
  readonly header: Uint8Array;
  /** Absolute byte ranges, without padding, in the order of the data. */
  readonly places: ReadonlyMap<string, { readonly start: number; readonly end: number }>;
  /** Of the whole file; the last tensor is padded too, as llama.cpp's own writer does. */
  readonly byteLength: number;
}

/**
 * Plans a GGUF file, version 3, little-endian: pure, so that the whole file is known before its first byte is written.
 *
 * @throws RangeError for a name given twice or rows that do not fill whole blocks
 */
export function layoutGguf(
  metadata: ReadonlyMap<string, MetadataValue>,
  tensors: readonly TensorToPlace[],
): GgufLayout {
  const bytes = createByteList();
  bytes.raw(new TextEncoder().encode(GGUF_MAGIC));
  bytes.number('u32', VERSION);
  bytes.number('u64', BigInt(tensors.length));
  bytes.number('u64', BigInt(metadata.size));
  for (const [key, value] of metadata) {
    bytes.string(key);
    writeValue(bytes, value);
  }
  const offsets = new Map<string, { start: number; end: number }>();
  let end = 0;
  for (const { name, type, shape } of tensors) {
    const start = pad(end, DEFAULT_ALIGNMENT_BYTES);
    end = start + tensorBytes(name, type, shape);
    if (offsets.has(name)) {
      throw new RangeError(`tensor ${name} is given twice`);
    }
    offsets.set(name, { start, end });
    bytes.string(name);
    bytes.number('u32', shape.length);
    shape.toReversed().forEach((size) => {
      bytes.number('u64', BigInt(size));
    });
    bytes.number('u32', GGML_TYPES[type].id);
    bytes.number('u64', BigInt(start));
  }
  const dataStart = pad(bytes.length(), DEFAULT_ALIGNMENT_BYTES);
  const header = bytes.padded(dataStart);
  const places = [...offsets].map(([name, range]): [string, { start: number; end: number }] => [
    name,
    { start: dataStart + range.start, end: dataStart + range.end },
  ]);
  return { header, places: new Map(places), byteLength: dataStart + pad(end, DEFAULT_ALIGNMENT_BYTES) };
}

function tensorBytes(name: string, type: GgmlTypeName, shape: readonly number[]): number {
  const row = rowBytes(type, shape.at(-1) ?? 0);
  if (row === undefined) {
    throw new RangeError(`tensor ${name}: rows of [${shape.join(', ')}] do not fill whole blocks of ${type}`);
  }
  return shape.slice(0, -1).reduce((product, size) => product * size, row);
}

function writeValue(bytes: ByteList, value: MetadataValue): void {
  if (value.type === 'array') {
    bytes.number('u32', ARRAY_ID);
    bytes.number('u32', idOf(value.of));
    bytes.number('u64', BigInt(value.values.length));
    for (const element of value.values) {
      writeScalar(bytes, value.of, element);
    }
  } else {
    bytes.number('u32', idOf(value.type));
    writeScalar(bytes, value.type, value.value);
  }
}

function idOf(type: ElementType): number {
  return type === 'string' ? STRING_ID : VALUE_TYPES[type].id;
}

function writeScalar(bytes: ByteList, type: ElementType, value: MetadataScalar): void {
  if (type === 'string') {
    bytes.string(String(value));
  } else if (typeof value !== 'string') {
    bytes.number(type, value);
  } else {
    throw new RangeError(`metadata ${JSON.stringify(value)} is no ${type}`);
  }
}
