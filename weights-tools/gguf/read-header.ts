import type { ByteSource } from '../../src/core/bytes/byte-source.ts';
import { MalformedFile } from '../../src/core/bytes/malformed-file.ts';
import {
  GGUF_ALIGNMENT_MAX_BYTES,
  GGUF_ARRAY_ELEMENTS_MAX,
  GGUF_HEADER_MAX_BYTES,
  GGUF_KEY_MAX_BYTES,
  GGUF_NAME_MAX_BYTES,
  GGUF_PAIRS_MAX,
  GGUF_TENSORS_MAX,
} from '../checkpoint-limits.ts';
import { type GgmlTypeName, ggmlTypeName, rowBytes } from './ggml-type.ts';
import { createHeaderCursor, type HeaderCursor } from './header-cursor.ts';
import {
  ARRAY_ID,
  type ElementType,
  elementType,
  type MetadataScalar,
  type MetadataValue,
  readFixed,
  VALUE_TYPES,
} from './metadata-value.ts';

export interface GgufTensor {
  readonly name: string;
  readonly type: GgmlTypeName;
  /** Row-major as everywhere else, [out, in]: the file has the dimensions in the other order. */
  readonly shape: readonly number[];
  /** Absolute byte range in the file, without padding. */
  readonly start: number;
  readonly end: number;
}

export interface GgufHeader {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  /** In the order of the data. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /** First byte of the data section. */
  readonly dataStart: number;
}

export const GGUF_MAGIC = 'GGUF';
const ALIGNMENT_KEY = 'general.alignment';
export const DEFAULT_ALIGNMENT_BYTES = 32;
const DIMENSIONS_MAX = 4;

/**
 * Reads and checks the header of a little-endian GGUF file, version 2 or 3, as llama.cpp's loader does
 * (ggml/src/gguf.cpp): keys and names once, whole blocks in a row, offsets the running sum of padded sizes. Stricter in
 * what sizes memory (src/core/limits.ts), in booleans that are neither 0 nor 1, in text that is not UTF-8, in empty
 * dimensions and in bytes after the last tensor's padding.
 *
 * @throws MalformedFile
 */
export async function readGgufHeader(source: ByteSource): Promise<GgufHeader> {
  const file = source.name;
  const cursor = createHeaderCursor(source, GGUF_HEADER_MAX_BYTES);
  const magic = await cursor.take(GGUF_MAGIC.length, 'magic');
  const found = String.fromCharCode(...new Uint8Array(magic.buffer, magic.byteOffset, magic.byteLength));
  if (found !== GGUF_MAGIC) {
    throw new MalformedFile(file, 'magic', JSON.stringify(found), `"${GGUF_MAGIC}"`);
  }
  const version = await cursor.u32('version');
  if (version !== 2 && version !== 3) {
    const isSwapped = version % 0x10000 === 0 && version !== 0;
    throw new MalformedFile(
      file,
      'version',
      isSwapped ? 'a big-endian file' : String(version),
      '2 or 3, little-endian',
    );
  }
  const tensorCount = await cursor.count(GGUF_TENSORS_MAX, 'tensor count');
  const pairCount = await cursor.count(GGUF_PAIRS_MAX, 'metadata count');
  const metadata = await readMetadata(file, cursor, pairCount);
  const alignment = alignmentOf(file, metadata);
  const tensors = await readTensors(file, cursor, tensorCount);
  const dataStart = pad(cursor.position(), alignment);
  return { version, metadata, tensors: placeTensors(source, tensors, dataStart, alignment, cursor), dataStart };
}

/** The next multiple of an alignment. */
export function pad(bytes: number, alignment: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}

async function readMetadata(file: string, cursor: HeaderCursor, count: number): Promise<Map<string, MetadataValue>> {
  const metadata = new Map<string, MetadataValue>();
  let elementsLeft = GGUF_ARRAY_ELEMENTS_MAX;
  for (let i = 0; i < count; i += 1) {
    const key = await cursor.string(GGUF_KEY_MAX_BYTES, `key ${i}`);
    const place = `metadata ${shown(key)}`;
    if (key === '' || metadata.has(key)) {
      throw new MalformedFile(file, place, key === '' ? 'an empty key' : 'the key twice', 'every key once');
    }
    const typeId = await cursor.u32(`${place} type`);
    if (typeId === ARRAY_ID) {
      const of = requireElement(file, `${place} element type`, await cursor.u32(place));
      const length = await cursor.count(elementsLeft, `${place} length`);
      elementsLeft -= length;
      metadata.set(key, { type: 'array', of, values: await readValues(file, cursor, of, length, place) });
    } else {
      const type = requireElement(file, `${place} type`, typeId);
      const [value] = await readValues(file, cursor, type, 1, place);
      metadata.set(key, { type, value: value ?? '' });
    }
  }
  return metadata;
}

function requireElement(file: string, place: string, id: number): ElementType {
  const type = elementType(id);
  if (type === undefined) {
    throw new MalformedFile(file, place, id === ARRAY_ID ? 'an array in an array' : String(id), 'a type of the format');
  }
  return type;
}

async function readValues(
  file: string,
  cursor: HeaderCursor,
  type: ElementType,
  count: number,
  place: string,
): Promise<MetadataScalar[]> {
  const values: MetadataScalar[] = [];
  if (type === 'string') {
    for (let i = 0; i < count; i += 1) {
      values.push(await cursor.string(GGUF_HEADER_MAX_BYTES, place));
    }
    return values;
  }
  const { bytes } = VALUE_TYPES[type];
  const view = await cursor.take(count * bytes, place);
  for (let i = 0; i < count; i += 1) {
    if (type === 'bool' && view.getUint8(i) > 1) {
      throw new MalformedFile(file, place, `a bool of ${view.getUint8(i)}`, '0 or 1');
    }
    values.push(readFixed(view, type, i * bytes));
  }
  return values;
}

function alignmentOf(file: string, metadata: ReadonlyMap<string, MetadataValue>): number {
  const entry = metadata.get(ALIGNMENT_KEY);
  if (entry === undefined) {
    return DEFAULT_ALIGNMENT_BYTES;
  }
  const value = entry.type === 'u32' ? Number(entry.value) : 0;
  if (value < 1 || value > GGUF_ALIGNMENT_MAX_BYTES || (value & (value - 1)) !== 0) {
    const found = entry.type === 'u32' ? String(value) : entry.type;
    const expected = `a u32 that is a power of two, at most ${GGUF_ALIGNMENT_MAX_BYTES}`;
    throw new MalformedFile(file, `metadata "${ALIGNMENT_KEY}"`, found, expected);
  }
  return value;
}

interface DeclaredTensor {
  readonly name: string;
  readonly type: GgmlTypeName;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** From the data section's start, as the file says. */
  readonly offset: bigint;
}

async function readTensors(file: string, cursor: HeaderCursor, count: number): Promise<DeclaredTensor[]> {
  const tensors: DeclaredTensor[] = [];
  const names = new Set<string>();
  for (let i = 0; i < count; i += 1) {
    const name = await cursor.string(GGUF_NAME_MAX_BYTES, `name of tensor ${i}`);
    const place = `tensor ${shown(name)}`;
    if (names.has(name)) {
      throw new MalformedFile(file, place, 'the name twice', 'every name once');
    }
    names.add(name);
    const rank = await cursor.u32(`${place} dimensions`);
    if (rank < 1 || rank > DIMENSIONS_MAX) {
      throw new MalformedFile(file, `${place} dimensions`, String(rank), `1 to ${DIMENSIONS_MAX}`);
    }
    const shape: number[] = [];
    for (let dimension = 0; dimension < rank; dimension += 1) {
      shape.unshift(await cursor.count(Number.MAX_SAFE_INTEGER, `${place} dimension ${dimension}`));
    }
    const id = await cursor.u32(`${place} type`);
    const type = ggmlTypeName(id);
    if (type === undefined) {
      throw new MalformedFile(file, `${place} type`, String(id), 'a tensor type of the format');
    }
    const bytes = tensorBytes(type, shape);
    if (bytes === undefined) {
      throw new MalformedFile(file, `${place} shape`, `${type} [${shape.join(', ')}]`, 'rows of whole blocks');
    }
    const offset = (await cursor.take(8, `${place} offset`)).getBigUint64(0, true);
    tensors.push({ name, type, shape, bytes, offset });
  }
  return tensors;
}

/** Undefined for rows of broken blocks, for no elements and for more bytes than can be counted. */
function tensorBytes(type: GgmlTypeName, shape: readonly number[]): number | undefined {
  const row = rowBytes(type, shape.at(-1) ?? 0);
  const bytes = shape.slice(0, -1).reduce((product, size) => product * size, row ?? 0);
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}

function placeTensors(
  { name: file, byteLength }: ByteSource,
  declared: readonly DeclaredTensor[],
  dataStart: number,
  alignment: number,
  cursor: HeaderCursor,
): Map<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>();
  let end = cursor.position();
  for (const { name, type, shape, bytes, offset } of declared) {
    const start = pad(end, alignment);
    if (offset !== BigInt(start - dataStart)) {
      const expected = `${start - dataStart}, the padded end of the tensor before it`;
      throw new MalformedFile(file, `tensor ${shown(name)} offset`, String(offset), expected);
    }
    end = start + bytes;
    if (end > byteLength) {
      const found = `the file's end at byte ${byteLength}`;
      throw new MalformedFile(file, `tensor ${shown(name)}`, found, `data from byte ${start} to ${end}`);
    }
    tensors.set(name, { name, type, shape, start, end });
  }
  if (byteLength > pad(end, alignment)) {
    const expected = `${end}, or the padding after it`;
    throw new MalformedFile(file, 'end of file', `${byteLength} bytes`, expected);
  }
  return tensors;
}

/** Short enough for a message, whatever the file holds. */
function shown(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}
