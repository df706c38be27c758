import { basename } from 'node:path';
import { tensorPart } from '../../src/core/model/tensor-names.ts';
import { openFileSource } from '../file-source.ts';
import { countWords, type Fact, type InspectedTensor, type Inspection, inspectionOf } from './inspection.ts';
import { type OnnxHeader, type OnnxPort, readOnnxHeader } from './onnx-header.ts';

/** TensorProto.DataType of onnx/onnx.proto. */
const TYPE_NAMES = new Map([
  [1, 'f32'],
  [2, 'u8'],
  [3, 'i8'],
  [4, 'u16'],
  [5, 'i16'],
  [6, 'i32'],
  [7, 'i64'],
  [8, 'string'],
  [9, 'bool'],
  [10, 'f16'],
  [11, 'f64'],
  [12, 'u32'],
  [13, 'u64'],
  [16, 'bf16'],
  [21, 'u4'],
  [22, 'i4'],
]);

/** Ports that are listed; a decoder has two for each layer's cache, all alike. */
const PORTS_SHOWN = 8;

/** One `.onnx` file; the data beside it is not opened. */
export async function inspectOnnx(path: string): Promise<Inspection> {
  const source = await openFileSource(path);
  try {
    const header = await readOnnxHeader(source);
    const details = { manifest: null, config: null, graph: describeGraph(header) };
    return inspectionOf({ path, kind: 'ONNX model', facts: onnxFacts(header), details }, onnxTensors(path, header));
  } finally {
    await source.close();
  }
}

function onnxFacts({ producer, opsets, nodes, inputs, outputs }: OnnxHeader): Fact[] {
  const versions = [...opsets].map(([domain, version]) => `${domain === '' ? 'ai.onnx' : domain} ${version}`);
  return [
    { label: 'written by', text: `${producer === '' ? 'nobody named' : producer}, ${versions.join(', ')}` },
    { label: 'operators', text: countWords(nodes.map(({ operator }) => operator)) },
    { label: 'inputs', text: listPorts(inputs) },
    { label: 'outputs', text: listPorts(outputs) },
  ];
}

function onnxTensors(path: string, { tensors }: OnnxHeader): InspectedTensor[] {
  return [...tensors.values()].map(({ name, dataType, shape, file, start, end }) => ({
    name,
    dtype: typeName(dataType),
    shape,
    bytes: end - start,
    file: file ?? basename(path),
    part: tensorPart(name) === 'other' ? 'constants of the graph' : tensorPart(name),
  }));
}

function describeGraph({ nodes, opsets, inputs, outputs }: OnnxHeader): object {
  const ports = (list: readonly OnnxPort[]): object[] =>
    list.map(({ name, dataType, shape }) => ({ name, type: typeName(dataType), shape }));
  return { nodes: nodes.length, opsets: Object.fromEntries(opsets), inputs: ports(inputs), outputs: ports(outputs) };
}

function listPorts(ports: readonly OnnxPort[]): string {
  const shown = ports.slice(0, PORTS_SHOWN).map(({ name, dataType, shape }) => {
    return `${name} ${typeName(dataType)} [${shape.join(', ')}]`;
  });
  const more = ports.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? `, and ${more} more` : ''}`;
}

function typeName(dataType: number): string {
  return TYPE_NAMES.get(dataType) ?? `type ${dataType}`;
}
