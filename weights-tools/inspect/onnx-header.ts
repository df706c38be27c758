import type { ByteSource } from '../../src/core/bytes/byte-source.ts';
import { MalformedFile } from '../../src/core/bytes/malformed-file.ts';
import { TENSOR_RANK_MAX } from '../../src/core/limits.ts';
import { createProtobufReader, type Field, type ProtobufReader } from './protobuf-fields.ts';

/** A weight of a graph: where its bytes lie, in the model's own file or in the one beside it. */
export interface OnnxTensor {
  readonly name: string;
  /** TensorProto.DataType. */
  readonly dataType: number;
  readonly shape: readonly number[];
  /** Null: the bytes are in the model, from `start` to `end`. */
  readonly file: string | null;
  readonly start: number;
  readonly end: number;
}

export interface OnnxNode {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Attributes that are whole numbers. */
  readonly integers: ReadonlyMap<string, number>;
}

export interface OnnxPort {
  readonly name: string;
  /** TensorProto.DataType; 0 for what is no tensor. */
  readonly dataType: number;
  readonly shape: readonly (number | string)[];
}

export interface OnnxHeader {
  readonly producer: string;
  /** Domain to version; '' is ONNX's own. */
  readonly opsets: ReadonlyMap<string, number>;
  /** Of the main graph; branches of an `If` are not looked into. */
  readonly nodes: readonly OnnxNode[];
  readonly tensors: ReadonlyMap<string, OnnxTensor>;
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
}

/** Field numbers of onnx/onnx.proto. */
const MODEL = { producer: 2, graph: 7, opset: 8 };
const OPSET = { domain: 1, version: 2 };
const GRAPH = { node: 1, initializer: 5, input: 11, output: 12 };
const NODE = { input: 1, output: 2, operator: 4, attribute: 5 };
const ATTRIBUTE = { name: 1, integer: 3 };
const TENSOR = { dims: 1, dataType: 2, name: 8, raw: 9, external: 13 };
const ENTRY = { key: 1, value: 2 };
const PORT = { name: 1, type: 2 };
const TYPE = { tensor: 1 };
const TENSOR_TYPE = { dataType: 1, shape: 2 };
const SHAPE = { dim: 1 };
const DIM = { value: 1, parameter: 2 };

/**
 * Reads what a model is without its weights: nodes, ports, and where each weight lies. A file of any size takes little more
 * memory than its names.
 *
 * @throws MalformedFile
 */
export async function readOnnxHeader(source: ByteSource): Promise<OnnxHeader> {
  const reader = createProtobufReader(source);
  const header = {
    producer: '',
    opsets: new Map<string, number>(),
    nodes: new Array<OnnxNode>(),
    tensors: new Map<string, OnnxTensor>(),
    inputs: new Array<OnnxPort>(),
    outputs: new Array<OnnxPort>(),
  };
  let graphs = 0;
  for await (const field of reader.fields(0, source.byteLength)) {
    if (field.id === MODEL.producer) {
      header.producer = await reader.text(field);
    } else if (field.id === MODEL.opset) {
      const { domain, version } = await readOpset(reader, field);
      header.opsets.set(domain, version);
    } else if (field.id === MODEL.graph) {
      graphs += 1;
      await readGraph(source.name, reader, field, header);
    }
  }
  if (graphs !== 1) {
    throw new MalformedFile(source.name, 'graph', String(graphs), 'one: is this an ONNX model?');
  }
  return header;
}

async function readGraph(
  file: string,
  reader: ProtobufReader,
  graph: Field,
  header: { nodes: OnnxNode[]; tensors: Map<string, OnnxTensor>; inputs: OnnxPort[]; outputs: OnnxPort[] },
): Promise<void> {
  for await (const field of inside(reader, graph)) {
    if (field.id === GRAPH.node) {
      header.nodes.push(await readNode(reader, field));
    } else if (field.id === GRAPH.initializer) {
      const tensor = await readTensor(file, reader, field);
      if (header.tensors.has(tensor.name)) {
        throw new MalformedFile(file, `initializer ${JSON.stringify(tensor.name)}`, 'it twice', 'it once');
      }
      header.tensors.set(tensor.name, tensor);
    } else if (field.id === GRAPH.input) {
      header.inputs.push(await readPort(reader, field));
    } else if (field.id === GRAPH.output) {
      header.outputs.push(await readPort(reader, field));
    }
  }
}

/** The fields of a message that is itself a field. */
async function* inside(reader: ProtobufReader, field: Field): AsyncGenerator<Field> {
  if (field.wire === 'bytes') {
    yield* reader.fields(field.start, field.end);
  }
}

async function readOpset(reader: ProtobufReader, opset: Field): Promise<{ domain: string; version: number }> {
  const found = { domain: '', version: 0 };
  for await (const field of inside(reader, opset)) {
    if (field.id === OPSET.domain) {
      found.domain = await reader.text(field);
    } else if (field.id === OPSET.version) {
      found.version = numberOf(field);
    }
  }
  return found;
}

async function readNode(reader: ProtobufReader, node: Field): Promise<OnnxNode> {
  const found = {
    operator: '',
    inputs: new Array<string>(),
    outputs: new Array<string>(),
    integers: new Map<string, number>(),
  };
  for await (const field of inside(reader, node)) {
    if (field.id === NODE.input) {
      found.inputs.push(await reader.text(field));
    } else if (field.id === NODE.output) {
      found.outputs.push(await reader.text(field));
    } else if (field.id === NODE.operator) {
      found.operator = await reader.text(field);
    } else if (field.id === NODE.attribute) {
      await readAttribute(reader, field, found.integers);
    }
  }
  return found;
}

async function readAttribute(reader: ProtobufReader, attribute: Field, integers: Map<string, number>): Promise<void> {
  let name = '';
  let value: number | undefined;
  for await (const field of inside(reader, attribute)) {
    if (field.id === ATTRIBUTE.name) {
      name = await reader.text(field);
    } else if (field.id === ATTRIBUTE.integer) {
      value = numberOf(field);
    }
  }
  if (value !== undefined) {
    integers.set(name, value);
  }
}

async function readTensor(file: string, reader: ProtobufReader, tensor: Field): Promise<OnnxTensor> {
  const shape: number[] = [];
  const external = new Map<string, string>();
  let [name, dataType, start, end] = ['', 0, 0, 0];
  for await (const field of inside(reader, tensor)) {
    if (field.id === TENSOR.dims) {
      await reader.integers(field, shape, TENSOR_RANK_MAX);
    } else if (field.id === TENSOR.dataType) {
      dataType = numberOf(field);
    } else if (field.id === TENSOR.name) {
      name = await reader.text(field);
    } else if (field.id === TENSOR.raw && field.wire === 'bytes') {
      [start, end] = [field.start, field.end];
    } else if (field.id === TENSOR.external) {
      const { key, value } = await readEntry(reader, field);
      external.set(key, value);
    }
  }
  if (external.size === 0) {
    return { name, dataType, shape, file: null, start, end };
  }
  return { name, dataType, shape, ...externalPlace(file, name, external) };
}

/** onnx/docs/ExternalData.md. The file must not leave the model's folder. */
function externalPlace(
  model: string,
  tensor: string,
  external: ReadonlyMap<string, string>,
): { file: string; start: number; end: number } {
  const place = `initializer ${JSON.stringify(tensor)} external_data`;
  const file = external.get('location') ?? '';
  if (!/^\w[\w.-]*$/.test(file)) {
    throw new MalformedFile(model, place, JSON.stringify(file.slice(0, 80)), 'the plain name of a file beside it');
  }
  const start = Number(external.get('offset') ?? '0');
  const length = Number(external.get('length'));
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(start + length) || start < 0 || length < 0) {
    throw new MalformedFile(model, place, `offset ${start}, length ${length}`, 'whole numbers');
  }
  return { file, start, end: start + length };
}

async function readEntry(reader: ProtobufReader, entry: Field): Promise<{ key: string; value: string }> {
  const found = { key: '', value: '' };
  for await (const field of inside(reader, entry)) {
    if (field.id === ENTRY.key) {
      found.key = await reader.text(field);
    } else if (field.id === ENTRY.value) {
      found.value = await reader.text(field);
    }
  }
  return found;
}

async function readPort(reader: ProtobufReader, port: Field): Promise<OnnxPort> {
  const shape: (number | string)[] = [];
  let [name, dataType] = ['', 0];
  for await (const field of inside(reader, port)) {
    if (field.id === PORT.name) {
      name = await reader.text(field);
    } else if (field.id === PORT.type) {
      for await (const type of inside(reader, field)) {
        dataType = type.id === TYPE.tensor ? await readTensorType(reader, type, shape) : dataType;
      }
    }
  }
  return { name, dataType, shape };
}

async function readTensorType(reader: ProtobufReader, type: Field, shape: (number | string)[]): Promise<number> {
  let dataType = 0;
  for await (const field of inside(reader, type)) {
    if (field.id === TENSOR_TYPE.dataType) {
      dataType = numberOf(field);
    } else if (field.id === TENSOR_TYPE.shape) {
      for await (const dim of inside(reader, field)) {
        if (dim.id === SHAPE.dim) {
          shape.push(await readDim(reader, dim));
        }
      }
    }
  }
  return dataType;
}

async function readDim(reader: ProtobufReader, dim: Field): Promise<number | string> {
  let size: number | string = '?';
  for await (const field of inside(reader, dim)) {
    if (field.id === DIM.value) {
      size = numberOf(field);
    } else if (field.id === DIM.parameter) {
      size = await reader.text(field);
    }
  }
  return size;
}

function numberOf(field: Field): number {
  return field.wire === 'varint' ? Number(field.value) : 0;
}
