import type { TensorLayout } from '../tensor-writer.ts';
import type { ExternalTensor } from './external-data.ts';
import {
  ATTRIBUTE_TYPE,
  DATA_LOCATION_EXTERNAL,
  ELEMENT_TYPE,
  encodeModel,
  type AttributeProto,
  type ElementType,
  type GraphProto,
  type TensorProto,
  type ValueInfoProto,
} from './onnx-proto.ts';

/** The IR version that an opset belongs to (onnx/docs/Versioning.md). */
const IR_VERSIONS = { 21: 10, 23: 11 } as const;
export type Opset = keyof typeof IR_VERSIONS;
const MICROSOFT_OPSET = 1;

/** Domain of ONNX Runtime's own operators (docs/ContribOperators.md). */
export const MICROSOFT = 'com.microsoft';

/** One value that flows through a graph: a graph input, a weight, or what a node puts out. */
export interface Value {
  readonly name: string;
}

/** Sizes of a value; a name stands for a size known only at run time. */
export type Dims = readonly (number | string)[];

export type Attribute = { int: number } | { float: number } | { ints: readonly number[] } | { string: string } | Branch;

/** A subgraph of an `If`: it may read every value built before it in the graph around it. */
export interface Branch {
  readonly graph: GraphProto;
}

export interface NodeOptions {
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** Name of the node and of its first output; numbered by operator when absent. */
  readonly name?: string;
}

/**
 * One ONNX graph, built node by node in the order of the data.
 *
 * Throws when two values get one name: the second would silently replace the first.
 */
export interface GraphBuilder {
  input(name: string, type: ElementType, dims: Dims): Value;
  /** A small tensor inside the `.onnx` file itself. */
  constant(name: string, type: ElementType, shape: readonly number[], data: ArrayBufferView): Value;
  /** An i64 vector, the form in which ONNX takes axes, sizes and indices. */
  indices(name: string, values: readonly number[]): Value;
  /** A weight whose bytes live in the data file beside the model. */
  external(tensor: ExternalTensor): Value;
  /** One operator with one output. `null` leaves an optional input out. */
  node(operator: string, inputs: readonly (Value | null)[], options?: NodeOptions): Value;
  /** One operator with several named outputs. */
  nodes<const Names extends readonly string[]>(
    operator: string,
    inputs: readonly (Value | null)[],
    outputs: Names,
    options?: NodeOptions,
  ): { [Index in keyof Names]: Value };
  /** Makes a value an output of the graph, under the value's own name. */
  output(value: Value, type: ElementType, dims: Dims): void;
  /** A branch whose one output is the value that `build` returns. */
  branch(name: string, build: (branch: GraphBuilder) => Value): Branch;
}

/** A finished graph: what it needs from outside, and its bytes once that has a place. */
export interface OnnxGraph {
  /** Every weight declared with `external`, in order. */
  readonly externals: readonly ExternalTensor[];
  /** The `.onnx` bytes. `layout` says where each external weight lies. */
  encode(layout?: TensorLayout): Uint8Array;
}

/**
 * Builds a graph: `build` receives the builder and adds inputs, nodes and outputs to it.
 *
 * @param opset 21 is what every runtime has; 23 brings RMSNormalization
 */
export function createGraph(name: string, build: (graph: GraphBuilder) => void, opset: Opset = 21): OnnxGraph {
  const externals: ExternalTensor[] = [];
  const graph = emptyGraph(name);
  build(builderOf(graph, externals, new Set()));
  return {
    externals,
    encode(layout) {
      const weights = externals.map((tensor) => externalProto(tensor, layout));
      return encodeModel({
        irVersion: IR_VERSIONS[opset],
        producerName: 'vora-edge',
        graph: { ...graph, initializer: [...graph.initializer, ...weights] },
        opsetImport: [
          { domain: '', version: opset },
          { domain: MICROSOFT, version: MICROSOFT_OPSET },
        ],
      });
    },
  };
}

function emptyGraph(name: string): GraphProto {
  return { name, node: [], initializer: [], input: [], output: [] };
}

function builderOf(graph: GraphProto, externals: ExternalTensor[], names: Set<string>): GraphBuilder {
  const counts = new Map<string, number>();

  function claim(name: string): Value {
    if (names.has(name)) {
      throw new Error(`graph ${graph.name}: two values are called ${name}`);
    }
    names.add(name);
    return { name };
  }

  function nextName(operator: string): string {
    const count = counts.get(operator) ?? 0;
    counts.set(operator, count + 1);
    return `${graph.name}/${operator}_${count}`;
  }

  function addNode(
    operator: string,
    inputs: readonly (Value | null)[],
    outputs: readonly string[],
    name: string,
    { domain = '', attributes = {} }: NodeOptions,
  ): void {
    graph.node.push({
      name,
      opType: operator,
      domain,
      input: inputs.map((value) => value?.name ?? ''),
      output: [...outputs],
      attribute: Object.entries(attributes).map(([key, value]) => attributeProto(key, value)),
    });
  }

  const builder: GraphBuilder = {
    input(name, type, dims) {
      graph.input.push(valueInfo(name, type, dims));
      return claim(name);
    },
    constant(name, type, shape, data) {
      const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      graph.initializer.push({ name, dims: [...shape], dataType: ELEMENT_TYPE[type], rawData });
      return claim(name);
    },
    indices(name, values) {
      return builder.constant(name, 'i64', [values.length], BigInt64Array.from(values, BigInt));
    },
    external(tensor) {
      externals.push(tensor);
      return claim(tensor.name);
    },
    node(operator, inputs, options = {}) {
      const name = options.name ?? nextName(operator);
      addNode(operator, inputs, [name], name, options);
      return claim(name);
    },
    nodes(operator, inputs, outputs, options = {}) {
      addNode(operator, inputs, outputs, options.name ?? nextName(operator), options);
      return mapTuple(outputs, claim);
    },
    output(value, type, dims) {
      graph.output.push(valueInfo(value.name, type, dims));
    },
    branch(name, build) {
      const inner = emptyGraph(name);
      const result = build(builderOf(inner, externals, names));
      return { graph: { ...inner, output: [{ name: result.name }] } };
    },
  };
  return builder;
}

/** `map` that keeps the length of a tuple in its type. */
function mapTuple<const Names extends readonly string[]>(
  names: Names,
  map: (name: string) => Value,
): { [Index in keyof Names]: Value } {
  return names.map(map) as { [Index in keyof Names]: Value };
}

function valueInfo(name: string, type: ElementType, dims: Dims): ValueInfoProto {
  const dim = dims.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: ELEMENT_TYPE[type], shape: { dim } } } };
}

function attributeProto(name: string, attribute: Attribute): AttributeProto {
  if ('int' in attribute) {
    return { name, type: ATTRIBUTE_TYPE.int, i: attribute.int };
  }
  if ('float' in attribute) {
    return { name, type: ATTRIBUTE_TYPE.float, f: attribute.float };
  }
  if ('ints' in attribute) {
    return { name, type: ATTRIBUTE_TYPE.ints, ints: [...attribute.ints] };
  }
  if ('string' in attribute) {
    return { name, type: ATTRIBUTE_TYPE.string, s: new TextEncoder().encode(attribute.string) };
  }
  return { name, type: ATTRIBUTE_TYPE.graph, g: attribute.graph };
}

/** onnx/docs/ExternalData.md: location, offset and length are strings. */
function externalProto(tensor: ExternalTensor, layout: TensorLayout | undefined): TensorProto {
  const place = layout?.places.get(tensor.name);
  if (layout === undefined || place === undefined) {
    throw new Error(`external weight ${tensor.name} has no place in the data file`);
  }
  return {
    name: tensor.name,
    dims: [...tensor.shape],
    dataType: ELEMENT_TYPE[tensor.type],
    dataLocation: DATA_LOCATION_EXTERNAL,
    externalData: [
      { key: 'location', value: layout.file },
      { key: 'offset', value: String(place.start) },
      { key: 'length', value: String(place.end - place.start) },
    ],
  };
}
