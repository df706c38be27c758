import type { ByteSource } from '../../src/core/bytes/byte-source.ts';
import { MalformedFile } from '../../src/core/bytes/malformed-file.ts';
import { decodeUtf8 } from '../../src/core/bytes/strict-json.ts';
import { ONNX_FIELDS_MAX } from '../../src/core/limits.ts';
import { ONNX_TEXT_MAX_BYTES } from '../checkpoint-limits.ts';

/** One field of a protobuf message: a number, or where its bytes lie in the file. Other wire types are skipped. */
export type Field =
  | { readonly id: number; readonly wire: 'varint'; readonly value: bigint }
  | { readonly id: number; readonly wire: 'fixed32'; readonly start: number }
  | { readonly id: number; readonly wire: 'bytes'; readonly start: number; readonly end: number };

/**
 * Reads protobuf in place: payloads are skipped until somebody asks for them, so a file of any size takes one window. Gives
 * out at most ONNX_FIELDS_MAX fields and ONNX_TEXT_MAX_BYTES of text, then throws MalformedFile.
 */
export interface ProtobufReader {
  /** @throws MalformedFile where the message is none, or a field reaches past its end */
  fields(start: number, end: number): AsyncGenerator<Field>;
  /** A UTF-8 string field. */
  text(field: Field): Promise<string>;
  /** A repeated int64 field, packed or one at a time, appended to `values`, of which there may be `limit`. */
  integers(field: Field, values: number[], limit: number): Promise<void>;
}

const WINDOW_BYTES = 64 * 1024;
/** A varint has at most ten bytes of seven bits (protobuf.dev, Encoding). */
const VARINT_MAX_BYTES = 10;

export function createProtobufReader(source: ByteSource): ProtobufReader {
  let window: Uint8Array = new Uint8Array();
  let windowStart = 0;
  let fieldCount = 0;
  let textBytes = 0;

  function refuse(position: number, found: string, expected: string): never {
    throw new MalformedFile(source.name, `byte ${position}`, found, expected);
  }

  /** Has the window hold what the next tag and length can take, or all up to `end`. */
  async function load(position: number, end: number): Promise<void> {
    const needed = Math.min(position + 2 * VARINT_MAX_BYTES, end);
    if (position < windowStart || needed > windowStart + window.byteLength) {
      window = await source.slice(position, Math.min(position + WINDOW_BYTES, source.byteLength));
      windowStart = position;
    }
  }

  /** Of loaded bytes. */
  function varint(start: number, end: number): { value: bigint; next: number } {
    let value = 0n;
    for (let i = 0; i < VARINT_MAX_BYTES; i += 1) {
      if (start + i >= end) {
        refuse(start + i, 'the end of the message', 'another byte of a number');
      }
      const byte = window[start + i - windowStart] ?? 0;
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte < 0x80) {
        return { value: BigInt.asIntN(64, value), next: start + i + 1 };
      }
    }
    return refuse(start, 'a number of over ten bytes', 'a protobuf varint');
  }

  function checkEnd(position: number, length: bigint, end: number): number {
    if (length < 0n || length > BigInt(end - position)) {
      refuse(position, `a field of ${BigInt.asUintN(64, length)} bytes`, `at most ${end - position}`);
    }
    return position + Number(length);
  }

  async function* fields(start: number, end: number): AsyncGenerator<Field> {
    let position = start;
    while (position < end) {
      fieldCount += 1;
      if (fieldCount > ONNX_FIELDS_MAX) {
        refuse(position, `over ${ONNX_FIELDS_MAX} fields`, 'fewer');
      }
      await load(position, end);
      const tag = varint(position, end);
      const id = Number(BigInt.asUintN(64, tag.value) >> 3n);
      const wire = Number(tag.value & 7n);
      if (wire === 0) {
        const { value, next } = varint(tag.next, end);
        yield { id, wire: 'varint', value };
        position = next;
      } else if (wire === 1) {
        position = checkEnd(tag.next, 8n, end);
      } else if (wire === 2) {
        const length = varint(tag.next, end);
        const fieldEnd = checkEnd(length.next, length.value, end);
        yield { id, wire: 'bytes', start: length.next, end: fieldEnd };
        position = fieldEnd;
      } else if (wire === 5) {
        const fieldEnd = checkEnd(tag.next, 4n, end);
        yield { id, wire: 'fixed32', start: tag.next };
        position = fieldEnd;
      } else {
        refuse(position, `wire type ${wire}`, 'a protobuf message');
      }
    }
  }

  return {
    fields,
    async text(field) {
      if (field.wire !== 'bytes') {
        return refuse(0, `a number in field ${field.id}`, 'a string');
      }
      textBytes += field.end - field.start;
      if (textBytes > ONNX_TEXT_MAX_BYTES) {
        refuse(field.start, `over ${ONNX_TEXT_MAX_BYTES} bytes of text`, 'less');
      }
      return decodeUtf8(source.name, await source.slice(field.start, field.end));
    },
    async integers(field, values, limit) {
      if (field.wire === 'varint') {
        values.push(Number(field.value));
      } else if (field.wire === 'bytes') {
        for (let position = field.start; position < field.end && values.length <= limit;) {
          await load(position, field.end);
          const { value, next } = varint(position, field.end);
          values.push(Number(value));
          position = next;
        }
      }
      if (values.length > limit || values.some((value) => !Number.isSafeInteger(value) || value < 0)) {
        refuse('start' in field ? field.start : 0, `field ${field.id} as it is`, `up to ${limit} whole numbers`);
      }
    },
  };
}
