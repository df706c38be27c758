import { MalformedFile } from '../bytes/malformed-file.ts';
import { ONNX_FIELDS_MAX, TENSOR_RANK_MAX } from '../limits.ts';

/** A tensor inside an ONNX model, its bytes in place. */
export interface OnnxTensorBytes {
  /** TensorProto.DataType. */
  readonly dataType: number;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Field numbers of onnx/onnx.proto. */
const MODEL = { graph: 7 };
const GRAPH = { initializer: 5 };
const TENSOR = { dims: 1, dataType: 2, name: 8, raw: 9 };
/** Wire types (protobuf.dev, Encoding). */
const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;
/** Seven bits each: sizes and counts beyond 2⁴⁹ are none. */
const VARINT_MAX_BYTES = 7;

/**
 * The tensors of a small model's main graph by name. Copies nothing, and knows of ONNX what it takes to find them: the
 * model's meaning is its exporter's and its reader's affair.
 *
 * @param file name for errors
 * @throws MalformedFile
 */
export function readOnnxTensors(file: string, model: Uint8Array): ReadonlyMap<string, OnnxTensorBytes> {
  const tensors = new Map<string, OnnxTensorBytes>();
  let left = ONNX_FIELDS_MAX;

  function refuse(position: number, found: string, expected: string): never {
    throw new MalformedFile(file, `byte ${position}`, found, expected);
  }

  function varint(start: number, end: number): { value: number; next: number } {
    let value = 0;
    for (let i = 0; i < VARINT_MAX_BYTES && start + i < end; i++) {
      const byte = model[start + i] ?? 0;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) {
        return { value, next: start + i + 1 };
      }
    }
    return refuse(start, 'no end of a number', 'a protobuf varint');
  }

  /** Calls `visit` with each field between two places: a number, or where its bytes lie. */
  function eachField(start: number, end: number, visit: (id: number, value: number, from: number, to: number) => void) {
    for (let at = start; at < end;) {
      left -= 1;
      if (left < 0) {
        refuse(at, `over ${ONNX_FIELDS_MAX} fields`, 'fewer');
      }
      const tag = varint(at, end);
      const wire = tag.value & 7;
      const id = Math.floor(tag.value / 8);
      const { value, next } =
        wire === VARINT || wire === LENGTH
          ? varint(tag.next, end)
          : {
              value: wire === FIXED64 ? 8 : wire === FIXED32 ? 4 : refuse(at, `wire type ${wire}`, 'one of protobuf’s'),
              next: tag.next,
            };
      const to = wire === VARINT ? next : next + value;
      if (to > end) {
        refuse(at, `a field that ends at ${to}`, `one within its message, which ends at ${end}`);
      }
      visit(id, value, next, to);
      at = to;
    }
  }

  function readTensor(start: number, end: number): void {
    const shape: number[] = [];
    let [name, dataType, bytes] = ['', 0, new Uint8Array()];
    const dim = (value: number): void => {
      if (shape.push(value) > TENSOR_RANK_MAX) {
        refuse(start, `a tensor of over ${TENSOR_RANK_MAX} dimensions`, 'fewer');
      }
    };
    eachField(start, end, (id, value, from, to) => {
      if (id === TENSOR.dims && from === to) {
        dim(value);
      } else if (id === TENSOR.dims) {
        for (let at = from; at < to;) {
          const { value: size, next } = varint(at, to);
          dim(size);
          at = next;
        }
      } else if (id === TENSOR.dataType) {
        dataType = value;
      } else if (id === TENSOR.name) {
        name = new TextDecoder().decode(model.subarray(from, to));
      } else if (id === TENSOR.raw) {
        bytes = model.subarray(from, to) as Uint8Array<ArrayBuffer>;
      }
    });
    if (tensors.has(name)) {
      refuse(start, `a second tensor ${JSON.stringify(name)}`, 'one of each name');
    }
    tensors.set(name, { dataType, shape, bytes });
  }

  eachField(0, model.length, (modelField, _, graphStart, graphEnd) => {
    if (modelField === MODEL.graph) {
      eachField(graphStart, graphEnd, (graphField, __, from, to) => {
        if (graphField === GRAPH.initializer) {
          readTensor(from, to);
        }
      });
    }
  });
  return tensors;
}
