/** Types of a metadata value: number in the file, bytes of one (ggml/include/gguf.h). */
export const VALUE_TYPES = {
  u8: { id: 0, bytes: 1 },
  i8: { id: 1, bytes: 1 },
  u16: { id: 2, bytes: 2 },
  i16: { id: 3, bytes: 2 },
  u32: { id: 4, bytes: 4 },
  i32: { id: 5, bytes: 4 },
  f32: { id: 6, bytes: 4 },
  bool: { id: 7, bytes: 1 },
  u64: { id: 10, bytes: 8 },
  i64: { id: 11, bytes: 8 },
  f64: { id: 12, bytes: 8 },
} as const;

export const STRING_ID = 8;
export const ARRAY_ID = 9;

/** Types of fixed size. */
export type FixedType = keyof typeof VALUE_TYPES;
export type ElementType = FixedType | 'string';

/** u64 and i64 are bigint, every other number is a number. */
export type MetadataScalar = number | bigint | boolean | string;

/** A typed value of a GGUF header. Arrays do not nest. */
export type MetadataValue =
  | { readonly type: ElementType; readonly value: MetadataScalar }
  | { readonly type: 'array'; readonly of: ElementType; readonly values: readonly MetadataScalar[] };

const TYPE_OF_ID = new Map<number, ElementType>([
  ...Object.entries(VALUE_TYPES).map(([name, { id }]): [number, ElementType] => [id, name as FixedType]),
  [STRING_ID, 'string'],
]);

/** Undefined for the id of an array and for those that mean nothing. */
export function elementType(id: number): ElementType | undefined {
  return TYPE_OF_ID.get(id);
}

/** One value of fixed size at byte `at`, little-endian. */
export function readFixed(view: DataView, type: FixedType, at: number): MetadataScalar {
  switch (type) {
    case 'u8':
      return view.getUint8(at);
    case 'i8':
      return view.getInt8(at);
    case 'u16':
      return view.getUint16(at, true);
    case 'i16':
      return view.getInt16(at, true);
    case 'u32':
      return view.getUint32(at, true);
    case 'i32':
      return view.getInt32(at, true);
    case 'f32':
      return view.getFloat32(at, true);
    case 'bool':
      return view.getUint8(at) !== 0;
    case 'u64':
      return view.getBigUint64(at, true);
    case 'i64':
      return view.getBigInt64(at, true);
    case 'f64':
      return view.getFloat64(at, true);
  }
}

export function writeFixed(view: DataView, type: FixedType, at: number, value: number | bigint | boolean): void {
  switch (type) {
    case 'u8':
    case 'bool':
      return view.setUint8(at, Number(value));
    case 'i8':
      return view.setInt8(at, Number(value));
    case 'u16':
      return view.setUint16(at, Number(value), true);
    case 'i16':
      return view.setInt16(at, Number(value), true);
    case 'u32':
      return view.setUint32(at, Number(value), true);
    case 'i32':
      return view.setInt32(at, Number(value), true);
    case 'f32':
      return view.setFloat32(at, Number(value), true);
    case 'u64':
      return view.setBigUint64(at, BigInt(value), true);
    case 'i64':
      return view.setBigInt64(at, BigInt(value), true);
    case 'f64':
      return view.setFloat64(at, Number(value), true);
  }
}
