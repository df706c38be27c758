import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { fromBytes } from '../../../src/core/bytes/byte-source.ts';
import { type OnnxHeader, readOnnxHeader } from '../../../weights-tools/inspect/onnx-header.ts';
import { decodeModel, encodeModel, type ModelProto, type TensorProto } from '../../../weights-tools/onnx/onnx-proto.ts';
import { countingSource } from '../../support/counting-source.ts';

function modelWith(tensors: TensorProto[], changes: Partial<ModelProto> = {}): Uint8Array {
  const graph = { name: 'g', node: [], initializer: tensors, input: [], output: [] };
  return encodeModel({ irVersion: 10, producerName: 'test', graph, opsetImport: [], ...changes });
}

function read(bytes: Uint8Array): Promise<OnnxHeader> {
  return readOnnxHeader(fromBytes('a.onnx', bytes));
}

function external(entries: Record<string, string>): Uint8Array {
  const externalData = Object.entries(entries).map(([key, value]) => ({ key, value }));
  return modelWith([{ name: 'w', dims: [2], dataType: 1, externalData, dataLocation: 1 }]);
}

describe('the header of an ONNX model', () => {
  it.each(['decoder.onnx', 'embed_tokens.onnx', 'patch_embed.onnx'])('of %s is what protobufjs reads', async (name) => {
    const bytes = new Uint8Array(await readFile(join(inject('artifacts').onnx, name)));
    const header = await read(bytes);
    const { graph, opsetImport } = decodeModel(bytes);
    expect([...header.opsets]).toEqual(opsetImport.map(({ domain, version }) => [domain, version]));
    expect(header.nodes).toHaveLength(graph.node.length);
    header.nodes.forEach(({ operator, inputs, outputs, integers }, i) => {
      const node = graph.node[i];
      expect([operator, inputs, outputs]).toEqual([node?.opType, node?.input, node?.output]);
      const expected = node?.attribute.flatMap(({ name: key, i: value }) =>
        value === undefined ? [] : [[key, value]],
      );
      expect([...integers].filter(([, value]) => value !== 0)).toEqual(expected?.filter(([, value]) => value !== 0));
    });
    expect([...header.tensors.values()].map((tensor) => [tensor.name, tensor.dataType, tensor.shape])).toEqual(
      graph.initializer.map((tensor) => [tensor.name, tensor.dataType, tensor.dims]),
    );
    for (const { name: tensor, start, end, file } of header.tensors.values()) {
      const proto = graph.initializer.find((candidate) => candidate.name === tensor);
      const offset = proto?.externalData?.find(({ key }) => key === 'offset')?.value;
      expect(file === null ? bytes.slice(start, end) : String(start)).toEqual(
        file === null ? Uint8Array.from(proto?.rawData ?? []) : offset,
      );
    }
  });

  it('is read without the weights inside the file', async () => {
    const rawData = new Uint8Array(8_000_000);
    const source = countingSource(modelWith([{ name: 'w', dims: [2_000_000], dataType: 1, rawData }]));
    const { tensors } = await readOnnxHeader(source);
    expect(tensors.get('w')).toMatchObject({ shape: [2_000_000], file: null });
    expect(source.bytesRead).toBeLessThan(200_000);
  });
});

describe('an ONNX header is refused', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['that is empty', new Uint8Array(), /graph: found 0, expected one: is this an ONNX model\?/],
    ['that is something else', new TextEncoder().encode('{"a": 1}'), /^a\.onnx: /],
    ['with two graphs', Uint8Array.of(0x3a, 0, 0x3a, 0), /graph: found 2, expected one/],
    [
      'with a field past its end',
      Uint8Array.of(0x3a, 0x7f, 1),
      /byte 2: found a field of 127 bytes, expected at most 1/,
    ],
    ['with a number without end', new Uint8Array(11).fill(0xff), /byte 0: found a number of over ten bytes/],
    ['that ends in a number', Uint8Array.of(0x08, 0x80), /byte 2: found the end of the message/],
    ['with a group', Uint8Array.of(0x3b), /byte 0: found wire type 3, expected a protobuf message/],
    [
      'with a length of 2^63',
      Uint8Array.of(0x3a, ...Array.from({ length: 9 }, () => 0x80), 1),
      /found a field of 9223372036854775808 bytes/,
    ],
    [
      'with a weight twice',
      modelWith([1, 2].map(() => ({ name: 'w', dims: [], dataType: 1 }))),
      /initializer "w": found it twice/,
    ],
    [
      'with too many dimensions',
      modelWith([{ name: 'w', dims: Array.from({ length: 9 }, () => 1), dataType: 1 }]),
      /up to 8 whole numbers/,
    ],
    ['with a size below zero', modelWith([{ name: 'w', dims: [-1], dataType: 1 }]), /up to 8 whole numbers/],
    [
      'that leaves its folder',
      external({ location: '../x', offset: '0', length: '8' }),
      /found "\.\.\/x", expected the plain name/,
    ],
    ['with an absolute path', external({ location: '/etc/passwd', length: '8' }), /the plain name of a file beside it/],
    [
      'with data before the file',
      external({ location: 'x', offset: '-8', length: '8' }),
      /offset -8, length 8, expected whole numbers/,
    ],
    ['with data without a length', external({ location: 'x' }), /length NaN, expected whole numbers/],
    ['with a name that is no UTF-8', Uint8Array.of(0x12, 1, 0xff), /UTF-8/],
  ])('%s', async (_, bytes, message) => {
    await expect(read(bytes)).rejects.toThrow(message);
  });

  it('with more parts than any model has, before they fill the memory', async () => {
    // A graph of 350 000 empty nodes, two bytes each.
    const bytes = new Uint8Array(4 + 700_000).fill(0x0a);
    bytes.set([0x3a, 0xe0, 0xdc, 0x2a]);
    for (let i = 5; i < bytes.length; i += 2) {
      bytes[i] = 0;
    }
    await expect(read(bytes)).rejects.toThrow(/found over 250000 fields, expected fewer/);
  });
});
