import { Buffer } from 'node:buffer';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../../src/core/bytes/crc32.ts';
import { MalformedFile } from '../../../src/core/bytes/malformed-file.ts';
import { writeTensorPickle } from '../../../src/core/bytes/torch-pickle.ts';
import { decodeTorchTensor, encodeTorchTensor, type TorchTensor } from '../../../src/core/bytes/torch-tensor.ts';

/** torch accepted this pickle of a [2, 4] bf16 tensor (107 bytes; found by experiment with torch 2.13). */
const GOLDEN_PICKLE =
  '800263746f7263682e5f7574696c730a5f72656275696c645f74656e736f725f76320a2828580700000073746f7261676563746f7263680a42466c6f6174' +
  '313653746f726167650a58010000003058030000006370754b0874514b004b024b04864b044b0186897d74522e';

const fixture = (name: string) =>
  new Uint8Array(readFileSync(new URL(`../../fixtures/torch/${name}.pt`, import.meta.url)));

/** bf16 [rows, columns] whose values are exact: 0, 1, 2, … modulo 128, over 4. */
function bf16Tensor(rows: number, columns: number): { tensor: TorchTensor; values: number[] } {
  const values = Array.from({ length: rows * columns }, (_, i) => ((i % 128) - 64) / 4);
  const f32 = new Uint16Array(Float32Array.from(values).buffer);
  const items = Uint16Array.from({ length: values.length }, (_, i) => f32[2 * i + 1] ?? 0);
  return { tensor: { dtype: 'bf16', shape: [rows, columns], data: new Uint8Array(items.buffer) }, values };
}

function file(tensor: TorchTensor): Uint8Array {
  const { head, data, tail } = encodeTorchTensor(tensor);
  return new Uint8Array(Buffer.concat([head, data, tail]));
}

/** A copy with some bytes replaced; `at` may be counted from the end. */
function patched(bytes: Uint8Array, at: number, replacement: number[]): Uint8Array {
  const copy = bytes.slice();
  copy.set(replacement, at < 0 ? copy.length + at : at);
  return copy;
}

function find(bytes: Uint8Array, text: string, nth = 0): number {
  let at = -1;
  for (let i = 0; i <= nth; i++) {
    at = Buffer.from(bytes).indexOf(text, at + 1, 'latin1');
  }
  expect(at).toBeGreaterThanOrEqual(0);
  return at;
}

describe('encodeTorchTensor', () => {
  it('writes the golden pickle', () => {
    expect(Buffer.from(writeTensorPickle('bf16', [2, 4])).toString('hex')).toBe(GOLDEN_PICKLE);
  });

  it('starts the data at a multiple of three and is a file of the declared length', () => {
    for (const [rows, columns] of [
      [1, 1],
      [5, 128],
      [256, 128],
      [300, 300],
      [1024, 3584],
    ] as const) {
      const { tensor } = bf16Tensor(rows, columns);
      const { head, data, tail, byteLength } = encodeTorchTensor(tensor);
      expect(head.byteLength % 3).toBe(0);
      expect(data).toBe(tensor.data);
      expect(head.byteLength + data.byteLength + tail.byteLength).toBe(byteLength);
      expect(byteLength - data.byteLength).toBeLessThanOrEqual(523 + 5);
    }
  });

  it('gives equal bytes for equal tensors', () => {
    expect(file(bf16Tensor(5, 128).tensor)).toEqual(file(bf16Tensor(5, 128).tensor));
  });

  it('refuses data that does not fill the shape', () => {
    const { tensor } = bf16Tensor(2, 4);
    expect(() => encodeTorchTensor({ ...tensor, shape: [2, 5] })).toThrow(/16 bytes; \[2, 5\] needs 20/);
  });

  it('leaves a file and its values for the Python test, which loads it with torch.load(weights_only=True)', () => {
    const { tensor, values } = bf16Tensor(5, 128);
    const folder = new URL('../../../.cache/artifacts/', import.meta.url);
    mkdirSync(folder, { recursive: true });
    writeFileSync(new URL('torch-tensor.bin', folder), file(tensor));
    writeFileSync(new URL('torch-tensor.json', folder), JSON.stringify({ shape: tensor.shape, values }));
    expect(existsSync(new URL('torch-tensor.bin', folder))).toBe(true);
  });
});

describe('decodeTorchTensor', () => {
  it.each(['bf16', 'f16', 'f32'] as const)('reads a %s file by torch.save', (dtype) => {
    const { shape, data, dtype: found } = decodeTorchTensor(fixture(dtype));
    expect(found).toBe(dtype);
    expect(shape).toEqual([3, 5]);
    // 9, 11, -13, 0.0078125, 100 are exact in all three dtypes.
    const lastRow = [9, 11, -13, 0.0078125, 100];
    const item = dtype === 'f32' ? 4 : 2;
    const view = new DataView(data.buffer, data.byteOffset + 10 * item, 5 * item);
    const values = lastRow.map((_, i) => {
      const bits = item === 4 ? 0 : view.getUint16(i * 2, true);
      return dtype === 'f32'
        ? view.getFloat32(i * 4, true)
        : dtype === 'f16'
          ? view.getFloat16(i * 2, true)
          : bf16(bits);
    });
    expect(values).toEqual(lastRow);
  });

  it('reads what we write, without a copy', () => {
    for (const [rows, columns] of [
      [1, 1],
      [5, 128],
      [257, 129],
      [0, 128],
    ] as const) {
      const { tensor } = bf16Tensor(rows, columns);
      const bytes = file(tensor);
      const read = decodeTorchTensor(bytes);
      expect(read).toEqual(tensor);
      expect(read.data.buffer).toBe(bytes.buffer);
    }
  });

  it.each(['transposed', 'view', 'dict', 'vector-i64', 'legacy'])(
    'refuses %s.pt, a legal file that is no wire tensor',
    (name) => {
      expect(() => decodeTorchTensor(fixture(name), 'part')).toThrow(MalformedFile);
    },
  );

  it('refuses every truncation and every extension, of ours and of torch', () => {
    for (const bytes of [file(bf16Tensor(2, 4).tensor), fixture('bf16')]) {
      for (let length = 0; length < bytes.length; length++) {
        expect(() => decodeTorchTensor(bytes.subarray(0, length))).toThrow(MalformedFile);
      }
      expect(() => decodeTorchTensor(new Uint8Array([...bytes, 0]))).toThrow(MalformedFile);
    }
  });

  it('survives every single-byte change: a clear error or a tensor of the declared length', () => {
    for (const bytes of [file(bf16Tensor(2, 4).tensor), fixture('f16')]) {
      for (let at = 0; at < bytes.length; at++) {
        for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
          expect(isWholeOrMalformed(patched(bytes, at, [value]))).toBe(true);
        }
      }
    }
  });
});

function isWholeOrMalformed(bytes: Uint8Array): boolean {
  try {
    const { shape, data, dtype } = decodeTorchTensor(bytes);
    return data.byteLength === shape[0] * shape[1] * (dtype === 'f32' ? 4 : 2);
  } catch (error) {
    return error instanceof MalformedFile;
  }
}

describe('decodeTorchTensor under attack', () => {
  const { tensor } = bf16Tensor(2, 4);
  const good = file(tensor);
  const centralOf = (record: string) => find(good, record, 1) - 46;

  /** The same file with another pickle, CRC and sizes right, so that only the pickle can be at fault. */
  const withPickle = (change: (pickle: Uint8Array) => Uint8Array) => {
    const pickle = change(writeTensorPickle('bf16', [2, 4]));
    const start = find(good, 'a/data.pkl') + 10;
    const grown = pickle.length - 107;
    const bytes = new Uint8Array(Buffer.concat([good.subarray(0, start), pickle, good.subarray(start + 107)]));
    const view = new DataView(bytes.buffer);
    const central = (record: string) => find(bytes, record, 1) - 46;
    view.setUint32(central('a/data.pkl') + 16, crc32(pickle), true);
    view.setUint32(central('a/data.pkl') + 20, pickle.length, true);
    view.setUint32(central('a/data.pkl') + 24, pickle.length, true);
    for (const record of ['a/byteorder', 'a/version', 'a/data/0']) {
      view.setUint32(central(record) + 42, view.getUint32(central(record) + 42, true) + grown, true);
    }
    view.setUint32(bytes.length - 6, view.getUint32(bytes.length - 6, true) + grown, true);
    return bytes;
  };
  const u32 = (value: number) => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];

  it('the rebuilt file is good as it is', () => {
    expect(decodeTorchTensor(withPickle((pickle) => pickle))).toEqual(tensor);
  });

  const attacks: [string, () => Uint8Array, RegExp][] = [
    ['a deflated record', () => patched(good, centralOf('a/data/0') + 10, [8]), /method 8/],
    [
      'a lying size',
      () => patched(good, centralOf('a/data/0') + 20, [...u32(1e9), ...u32(1e9)]),
      /1000000000 bytes at/,
    ],
    ['a size that differs packed', () => patched(good, centralOf('a/data/0') + 20, u32(1)), /1 of 16 bytes/],
    ['an encrypted record', () => patched(good, centralOf('a/data/0') + 8, [1]), /flags 1/],
    ['a wrong CRC', () => patched(good, find(good, 'a/data/0') + 20, [0xaa]), /CRC-32/],
    ['an offset outside', () => patched(good, centralOf('a/data/0') + 42, u32(0xfffffff0)), /its local header/],
    ['two entries on one record', () => patched(good, centralOf('a/version') + 42, [0, 0, 0, 0]), /its local header/],
    ['a record count that is too high', () => patched(good, -14, [5, 0, 5, 0]), /zip entry 4/],
    ['a record count over the limit', () => patched(good, -14, [0xff, 0x7f, 0xff, 0x7f]), /at most 16/],
    ['zip64 sentinels', () => patched(good, -10, u32(0xffffffff)), /a directory at/],
    ['a directory that starts later', () => patched(good, -6, u32(0xfffffffe)), /a directory at/],
    ['a comment', () => patched(good, -2, [1, 0]), /without comment/],
    ['another protocol', () => withPickle((p) => patched(p, 1, [4])), /protocol 4/],
    ['another constructor', () => withPickle((p) => patched(p, 3, [0x78])), /constructor/],
    ['an opcode that calls', () => withPickle((p) => patched(p, 2, [0x69])), /GLOBAL/],
    ['a storage offset', () => withPickle((p) => patched(p, find(p, 'QK') + 2, [1])), /storage offset/],
    ['another shape', () => withPickle((p) => patched(p, find(p, 'QK') + 4, [3])), /\[3, 4\] over 8/],
    ['another stride', () => withPickle((p) => patched(p, find(p, 'QK') + 9, [8])), /row stride/],
    [
      'more elements than data',
      () => withPickle((p) => patched(patched(p, find(p, 'tQ') - 1, [16]), find(p, 'QK') + 4, [4])),
      /16 bytes/,
    ],
    ['bytes behind STOP', () => withPickle((p) => new Uint8Array([...p, 0x2e])), /the end/],
    ['a giant pickle', () => withPickle((p) => new Uint8Array([...p, ...new Uint8Array(2000)])), /at most 1024/],
    ['a giant string', () => withPickle((p) => patched(p, find(p, 'X'), [0x58, ...u32(0x7fffffff)])), /more bytes/],
  ];
  it.each(attacks)('refuses %s', (_, bytes, message) => {
    expect(() => decodeTorchTensor(bytes(), 'messages[0].content[1].image_embeds')).toThrow(message);
    expect(() => decodeTorchTensor(bytes(), 'messages[0].content[1].image_embeds')).toThrow(MalformedFile);
  });

  it('refuses overlapping records', () => {
    // A fifth record inside the data of data/0: its own local header is hidden in the payload.
    const inner = file(bf16Tensor(1, 1).tensor).slice(0, 30 + 10);
    const data = new Uint8Array(64);
    data.set(inner);
    const bytes = file({ dtype: 'bf16', shape: [4, 8], data });
    const view = new DataView(bytes.buffer);
    const hidden = Buffer.from(bytes).indexOf('PK\u0003\u0004', find(bytes, 'a/data/0'), 'latin1');
    // Point data.pkl's entry at the hidden header, with the size and CRC of what follows it.
    const central = Buffer.from(bytes).lastIndexOf('a/data.pkl', undefined, 'latin1') - 46;
    const stolen = bytes.subarray(hidden + 40, hidden + 50);
    view.setUint32(central + 16, crc32(stolen), true);
    view.setUint32(central + 20, stolen.length, true);
    view.setUint32(central + 24, stolen.length, true);
    view.setUint32(central + 42, hidden, true);
    expect(() => decodeTorchTensor(bytes)).toThrow(/a\/data\.pkl inside a\/data\/0/);
  });
});

function bf16(bits: number): number {
  return new Float32Array(new Uint32Array([bits << 16]).buffer)[0] ?? Number.NaN;
}
