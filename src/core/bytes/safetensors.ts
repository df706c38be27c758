import { SAFETENSORS_HEADER_MAX_BYTES, TENSOR_RANK_MAX } from '../limits.ts';
import type { ByteSource } from './byte-source.ts';
import { MalformedFile } from './malformed-file.ts';
import { type Dtype, isDtype, tensorBytes } from './safetensors-dtype.ts';
import { decodeUtf8, parseStrictJson } from './strict-json.ts';

export interface TensorInfo {
  readonly name: string;
  readonly dtype: Dtype;
  /** Row-major; `[]` is a scalar. */
  readonly shape: readonly number[];
  /** Absolute byte range in the file. */
  readonly start: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly metadata: ReadonlyMap<string, string>;
  /** In the order of the data. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
}

/** Bytes of the header's length field. */
export const LENGTH_FIELD_BYTES = 8;
export const METADATA_KEY = '__metadata__';

/**
 * Reads and checks the header of a safetensors file as the Rust crate does (safetensors/src/tensor.rs, `validate`):
 * tensors cover the data section from its start to the end of the file, without hole or overlap, each with exactly the
 * bytes of its shape and dtype. Stricter than the crate in three places: a key given twice, a rank over the limit and a
 * number over 2^53 - 1 are refused. Two reads; the second is bounded by the file and by the limit.
 *
 * @throws MalformedFile
 */
export async function parseSafetensorsHeader(source: ByteSource): Promise<SafetensorsHeader> {
  const file = source.name;
  const headerBytes = await readHeaderLength(source);
  const dataStart = LENGTH_FIELD_BYTES + headerBytes;
  const text = decodeUtf8(file, await source.slice(LENGTH_FIELD_BYTES, dataStart));
  if (!text.startsWith('{')) {
    const found = JSON.stringify(text.slice(0, 1));
    throw new MalformedFile(file, 'header', found, 'a JSON object from the first byte on');
  }

  let metadata = new Map<string, string>();
  const tensors: TensorInfo[] = [];
  for (const [name, entry] of Object.entries(requireRecord(file, 'header', parseStrictJson(file, text)))) {
    if (name === METADATA_KEY) {
      metadata = parseMetadata(file, entry);
    } else {
      tensors.push(parseEntry(file, name, entry, dataStart));
    }
  }
  tensors.sort((a, b) => a.start - b.start || a.end - b.end);
  checkCoverage(file, tensors, dataStart, source.byteLength);
  return { metadata, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])) };
}

/** Compared as a u64 before it becomes a number, so that no value of it can pass for a smaller one. */
async function readHeaderLength(source: ByteSource): Promise<number> {
  const { name: file, byteLength } = source;
  if (byteLength < LENGTH_FIELD_BYTES) {
    throw new MalformedFile(file, 'header length', `${byteLength} bytes`, `${LENGTH_FIELD_BYTES} at least`);
  }
  const field = await source.slice(0, LENGTH_FIELD_BYTES);
  const found = new DataView(field.buffer, field.byteOffset).getBigUint64(0, true);
  const limit = Math.min(SAFETENSORS_HEADER_MAX_BYTES, byteLength - LENGTH_FIELD_BYTES);
  if (found > BigInt(limit)) {
    throw new MalformedFile(file, 'header length', `${found} bytes`, `at most ${limit} bytes`);
  }
  return Number(found);
}

function parseMetadata(file: string, value: unknown): Map<string, string> {
  const metadata = new Map<string, string>();
  for (const [key, text] of Object.entries(requireRecord(file, METADATA_KEY, value))) {
    if (typeof text !== 'string') {
      const place = `${METADATA_KEY}.${key}`;
      throw new MalformedFile(file, place, describe(text), 'a string');
    }
    metadata.set(key, text);
  }
  return metadata;
}

function parseEntry(file: string, name: string, value: unknown, dataStart: number): TensorInfo {
  const place = `tensor ${JSON.stringify(name)}`;
  const { dtype, shape, data_offsets: offsets } = requireRecord(file, place, value);
  if (!isDtype(dtype)) {
    const found = describe(dtype);
    throw new MalformedFile(file, `${place} dtype`, found, 'a dtype of the format');
  }
  if (!isCountList(shape) || shape.length > TENSOR_RANK_MAX) {
    const expected = `up to ${TENSOR_RANK_MAX} whole numbers`;
    throw new MalformedFile(file, `${place} shape`, describe(shape), expected);
  }
  const [begin, end] = isCountList(offsets) && offsets.length === 2 ? offsets : [];
  if (begin === undefined || end === undefined) {
    const expected = 'two whole numbers';
    throw new MalformedFile(file, `${place} data_offsets`, describe(offsets), expected);
  }
  const bytes = tensorBytes(dtype, shape);
  if (bytes === undefined) {
    const found = `${dtype} [${shape.join(', ')}]`;
    throw new MalformedFile(file, `${place} shape`, found, 'a whole, countable number of bytes');
  }
  if (end - begin !== bytes) {
    throw new MalformedFile(
      file,
      `${place} data_offsets`,
      `[${begin}, ${end}]`,
      `${bytes} bytes for ${dtype} [${shape.join(', ')}]`,
    );
  }
  return { name, dtype, shape, start: dataStart + begin, end: dataStart + end };
}

function checkCoverage(file: string, tensors: readonly TensorInfo[], dataStart: number, byteLength: number): void {
  let covered = dataStart;
  for (const { name, start, end } of tensors) {
    if (start !== covered) {
      throw new MalformedFile(
        file,
        `tensor ${JSON.stringify(name)} data_offsets`,
        `a start at ${start - dataStart}`,
        `${covered - dataStart}, the end of the tensor before it`,
      );
    }
    covered = end;
  }
  if (covered !== byteLength) {
    throw new MalformedFile(file, 'end of file', `${byteLength} bytes`, `${covered}, the end of the last tensor`);
  }
}

function requireRecord(file: string, place: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MalformedFile(file, place, describe(value), 'a JSON object');
  }
  return value as Record<string, unknown>;
}

function isCountList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

/** Short enough for a message, whatever the file holds. */
function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
