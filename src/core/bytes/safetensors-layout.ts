import { SAFETENSORS_HEADER_MAX_BYTES } from '../limits.ts';
import { LENGTH_FIELD_BYTES, METADATA_KEY, type TensorInfo } from './safetensors.ts';
import { compareDtypes, tensorBytes } from './safetensors-dtype.ts';

export interface SafetensorsLayout {
  /** Everything before the data: the length field and the padded JSON. */
  readonly header: Uint8Array;
  /** In the order of the data. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly byteLength: number;
}

/** What transformers wants to see before it loads a file. */
const METADATA = new Map([['format', 'pt']]);

/**
 * Places tensors as the Rust crate's writer does: widest alignment first, then by name (code points), header padded
 * with spaces to a multiple of 8. Pure, so that a whole output file is known before its first byte is written.
 *
 * @throws RangeError for a name given twice or a header over the format's limit
 */
export function layoutSafetensors(
  tensors: readonly Pick<TensorInfo, 'name' | 'dtype' | 'shape'>[],
  metadata: ReadonlyMap<string, string> = METADATA,
): SafetensorsLayout {
  const sorted = [...tensors].sort((a, b) => compareDtypes(a.dtype, b.dtype) || compareNames(a.name, b.name));
  const parts = [`${JSON.stringify(METADATA_KEY)}:${JSON.stringify(Object.fromEntries(metadata))}`];
  let offset = 0;
  const ranges = sorted.map(({ name, dtype, shape }) => {
    const bytes = tensorBytes(dtype, shape);
    if (bytes === undefined || name === METADATA_KEY) {
      throw new RangeError(`tensor ${JSON.stringify(name)} ${dtype} [${shape.join(', ')}] cannot be stored`);
    }
    const begin = offset;
    offset += bytes;
    parts.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, offset] })}`);
    return { name, dtype, shape, start: begin, end: offset };
  });

  const json = new TextEncoder().encode(`{${parts.join(',')}}`);
  const jsonBytes = Math.ceil(json.byteLength / 8) * 8;
  if (jsonBytes > SAFETENSORS_HEADER_MAX_BYTES) {
    throw new RangeError(`a header of ${jsonBytes} bytes is over the format's ${SAFETENSORS_HEADER_MAX_BYTES}`);
  }
  const dataStart = LENGTH_FIELD_BYTES + jsonBytes;
  const header = new Uint8Array(dataStart).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(jsonBytes), true);
  header.set(json, LENGTH_FIELD_BYTES);

  const placed = new Map(
    ranges.map((range) => [range.name, { ...range, start: dataStart + range.start, end: dataStart + range.end }]),
  );
  if (placed.size !== sorted.length) {
    throw new RangeError('a tensor name is given twice');
  }
  return { header, tensors: placed, byteLength: dataStart + offset };
}

/** Order of code points, which is Rust's order of UTF-8 bytes; JavaScript's own `<` compares UTF-16 units. */
function compareNames(a: string, b: string): number {
  const left = Array.from(a);
  const right = Array.from(b);
  for (const [i, char] of left.entries()) {
    const other = right[i];
    if (other === undefined) {
      return 1;
    }
    if (char !== other) {
      return (char.codePointAt(0) ?? 0) - (other.codePointAt(0) ?? 0);
    }
  }
  return left.length - right.length;
}
