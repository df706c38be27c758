import { describe, expect, it } from 'vitest';
import { MalformedFile } from '../../../src/core/bytes/malformed-file.ts';
import { GGUF_ARRAY_ELEMENTS_MAX, GGUF_PAIRS_MAX, GGUF_TENSORS_MAX } from '../../../weights-tools/checkpoint-limits.ts';
import { readGgufHeader } from '../../../weights-tools/gguf/read-header.ts';
import { countingSource } from '../../support/counting-source.ts';

/** A file spelled out: numbers are bytes, so that no writer of ours stands between test and format. */
type Part = number[] | string;

const u32 = (value: number): number[] => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
const u64 = (value: bigint | number): number[] =>
  Array.from({ length: 8 }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 255n));
const str = (text: string): number[] => [
  ...u64(new TextEncoder().encode(text).length),
  ...new TextEncoder().encode(text),
];

function bytesOf(...parts: Part[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => (typeof part === 'string' ? [...new TextEncoder().encode(part)] : part)),
  );
}

const start = (tensors: number | bigint, pairs: number | bigint, version = 3): Uint8Array =>
  bytesOf('GGUF', u32(version), u64(tensors), u64(pairs));

interface Tensor {
  name?: string;
  shape?: (number | bigint)[];
  type?: number;
  offset?: number | bigint;
}

/** Dimensions in the order of the file. */
function tensor({ name = 'a', shape = [2], type = 0, offset = 0 }: Tensor): number[] {
  return [...str(name), ...u32(shape.length), ...shape.flatMap((size) => u64(size)), ...u32(type), ...u64(offset)];
}

/** A file of such tensors, with `dataBytes` after the padded header. */
function file(tensors: Tensor[], dataBytes: number, pairs: number[][] = []): Uint8Array {
  const header = bytesOf([...start(tensors.length, pairs.length)], pairs.flat(), tensors.flatMap(tensor));
  const bytes = new Uint8Array(Math.ceil(header.length / 32) * 32 + dataBytes);
  bytes.set(header);
  return bytes;
}

/** Parses, expects refusal, and proves that nothing beyond the file was asked for. */
async function refusal(bytes: Uint8Array, byteLength = bytes.byteLength): Promise<string> {
  const source = countingSource(bytes, byteLength);
  const error = await readGgufHeader(source).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MalformedFile);
  expect(source.bytesRead).toBeLessThanOrEqual(bytes.byteLength);
  return error instanceof MalformedFile ? error.message : '';
}

describe('a sound GGUF file', () => {
  it('gives values of every type, shapes as [out, in] and absolute ranges, in one read', async () => {
    const pairs = [
      [...str('general.architecture'), ...u32(8), ...str('qwen2')],
      [...str('u8'), ...u32(0), 200],
      [...str('i8'), ...u32(1), 200],
      [...str('u16'), ...u32(2), 1, 255],
      [...str('i16'), ...u32(3), 1, 255],
      [...str('u32'), ...u32(4), ...u32(4_000_000_000)],
      [...str('i32'), ...u32(5), ...u32(4_294_967_295)],
      [...str('f32'), ...u32(6), 0, 0, 192, 63],
      [...str('bool'), ...u32(7), 1],
      [...str('u64'), ...u32(10), ...u64(2n ** 63n)],
      [...str('i64'), ...u32(11), ...u64(2n ** 64n - 1n)],
      [...str('f64'), ...u32(12), 0, 0, 0, 0, 0, 0, 248, 63],
      [...str('tokens'), ...u32(9), ...u32(8), ...u64(2), ...str('Ġa'), ...str('')],
      [...str('types'), ...u32(9), ...u32(5), ...u64(2), ...u32(1), ...u32(3)],
    ];
    const tensors = [
      { name: 'token_embd.weight', shape: [256, 3], type: 12, offset: 0 },
      { name: 'output_norm.weight', shape: [5], offset: 448 },
    ];
    const bytes = file(tensors, 448 + 20, pairs);
    const source = countingSource(bytes);
    const { version, metadata, tensors: found, dataStart } = await readGgufHeader(source);
    expect(version).toBe(3);
    expect(
      Object.fromEntries(
        [...metadata].map(([key, value]) => [key, value.type === 'array' ? value.values : value.value]),
      ),
    ).toEqual({
      'general.architecture': 'qwen2',
      u8: 200,
      i8: -56,
      u16: 65281,
      i16: -255,
      u32: 4_000_000_000,
      i32: -1,
      f32: 1.5,
      bool: true,
      u64: 2n ** 63n,
      i64: -1n,
      f64: 1.5,
      tokens: ['Ġa', ''],
      types: [1, 3],
    });
    expect(dataStart % 32).toBe(0);
    expect([...found.values()]).toEqual([
      { name: 'token_embd.weight', type: 'Q4_K', shape: [3, 256], start: dataStart, end: dataStart + 432 },
      { name: 'output_norm.weight', type: 'F32', shape: [5], start: dataStart + 448, end: dataStart + 468 },
    ]);
    expect(source.reads).toBe(1);
  });

  it.each([8, 32])('may end with %i bytes of data and padding', async (dataBytes) => {
    expect((await readGgufHeader(countingSource(file([{}], dataBytes)))).tensors.size).toBe(1);
  });

  it('may hold no tensors, and a key called __proto__', async () => {
    const bytes = bytesOf([...start(0, 1, 2)], str('__proto__'), u32(7), [0]);
    const { metadata, version } = await readGgufHeader(countingSource(bytes));
    expect([version, metadata.get('__proto__')]).toEqual([2, { type: 'bool', value: false }]);
  });

  it('may ask for another alignment', async () => {
    const pairs = [[...str('general.alignment'), ...u32(4), ...u32(64)]];
    const header = bytesOf([...start(2, 1)], pairs.flat(), tensor({}), tensor({ name: 'b', offset: 64 }));
    const bytes = new Uint8Array(Math.ceil(header.length / 64) * 64 + 72);
    bytes.set(header);
    const { tensors, dataStart } = await readGgufHeader(countingSource(bytes));
    expect(tensors.get('b')?.start).toBe(dataStart + 64);
  });

  it('reads a large header in windows, never the data', async () => {
    const words = Array.from({ length: 40_000 }, (_, i) => `token ${i}`);
    const pair = [...str('tokens'), ...u32(9), ...u32(8), ...u64(words.length), ...words.flatMap(str)];
    const bytes = file([{ shape: [4, 500_000] }], 8_000_000, [pair]);
    const source = countingSource(bytes);
    const { metadata } = await readGgufHeader(source);
    expect(metadata.get('tokens')).toEqual({ type: 'array', of: 'string', values: words });
    expect(source.bytesRead).toBeLessThan(2_000_000);
  });
});

describe('a hostile GGUF file is refused:', () => {
  it.each([
    ['nothing', new Uint8Array(), /magic: found the file's end at byte 0, expected 4 bytes/],
    ['another magic', bytesOf('GGML', u32(3)), /magic: found "GGML", expected "GGUF"/],
    ['version 1', start(0, 0, 1), /version: found 1, expected 2 or 3/],
    ['version 4', start(0, 0, 4), /version: found 4, expected 2 or 3/],
    ['big-endian', start(0, 0, 0x03000000), /version: found a big-endian file/],
    [
      'cut in the counts',
      start(0, 0).subarray(0, 20),
      /metadata count: found the file's end at byte 20, expected 8 bytes/,
    ],
    ['2^64 - 1 tensors', start(2n ** 64n - 1n, 0), /tensor count: found 18446744073709551615, expected at most 65536/],
    ['a tensor too many', start(GGUF_TENSORS_MAX + 1, 0), /tensor count: found 65537/],
    ['a pair too many', start(0, GGUF_PAIRS_MAX + 1), /metadata count: found 4097, expected at most 4096/],
    ['2^63 pairs', start(0, 2n ** 63n), /metadata count: found 9223372036854775808/],
    ['fewer pairs than it says', start(0, 3), /key 0 length: found the file's end/],
    [
      'an endless key',
      bytesOf([...start(0, 1)], u64(2n ** 40n)),
      /key 0 length: found 1099511627776, expected at most 65535/,
    ],
    [
      'a key past the end',
      bytesOf([...start(0, 1)], u64(60), 'abc'),
      /key 0: found the file's end at byte 35, expected 60 bytes/,
    ],
    ['an empty key', bytesOf([...start(0, 1)], str(''), u32(7), [1]), /metadata "": found an empty key/],
    [
      'a key twice',
      bytesOf([...start(0, 2)], str('k'), u32(7), [1], str('k'), u32(7), [1]),
      /metadata "k": found the key twice/,
    ],
    [
      'an unknown value type',
      bytesOf([...start(0, 1)], str('k'), u32(13), [1]),
      /metadata "k" type: found 13, expected a type/,
    ],
    [
      'an array in an array',
      bytesOf([...start(0, 1)], str('k'), u32(9), u32(9), u64(1)),
      /metadata "k" element type: found an array in an array/,
    ],
    [
      'a bool of 2',
      bytesOf([...start(0, 1)], str('k'), u32(7), [2]),
      /metadata "k": found a bool of 2, expected 0 or 1/,
    ],
    [
      'text that is not UTF-8',
      bytesOf([...start(0, 1)], str('k'), u32(8), u64(1), [255]),
      /metadata "k": found bytes that are not UTF-8/,
    ],
    [
      'an array of 2^64 - 1',
      bytesOf([...start(0, 1)], str('k'), u32(9), u32(12), u64(2n ** 64n - 1n)),
      /metadata "k" length: found 18446744073709551615, expected at most 4194304/,
    ],
    [
      'an array past the end',
      bytesOf([...start(0, 1)], str('k'), u32(9), u32(12), u64(1000)),
      /metadata "k": found the file's end at byte 49, expected 8000 bytes/,
    ],
    [
      'a string of 2^50 bytes',
      bytesOf([...start(0, 1)], str('k'), u32(8), u64(2n ** 50n)),
      /metadata "k" length: found 1125899906842624, expected at most 100000000/,
    ],
    ['a short tensor name', bytesOf([...start(1, 0)], u64(4), 'ab'), /name of tensor 0: found the file's end/],
    [
      'a name of 64 bytes',
      file([{ name: 'n'.repeat(64) }], 8),
      /name of tensor 0 length: found 64, expected at most 63/,
    ],
    ['a name twice', file([{}, { offset: 32 }], 64), /tensor "a": found the name twice/],
    ['no dimensions', file([{ shape: [] }], 8), /tensor "a" dimensions: found 0, expected 1 to 4/],
    ['five dimensions', file([{ shape: [1, 1, 1, 1, 1] }], 8), /tensor "a" dimensions: found 5/],
    ['an empty dimension', file([{ shape: [2, 0] }], 8), /tensor "a" shape: found F32 \[0, 2\]/],
    ['a dimension of 2^63', file([{ shape: [2n ** 63n] }], 8), /dimension 0: found 9223372036854775808/],
    [
      'a product past 2^53',
      file([{ shape: [2 ** 40, 2 ** 40] }], 8),
      /tensor "a" shape: found F32 \[1099511627776, 1099511627776\]/,
    ],
    [
      'a broken block',
      file([{ shape: [255], type: 12 }], 144),
      /tensor "a" shape: found Q4_K \[255\], expected rows of whole blocks/,
    ],
    ['a removed type', file([{ type: 4 }], 8), /tensor "a" type: found 4, expected a tensor type of the format/],
    [
      'an offset inside another tensor',
      file([{ shape: [16] }, { name: 'b', offset: 32 }], 96),
      /tensor "b" offset: found 32, expected 64/,
    ],
    ['a hole between tensors', file([{}, { name: 'b', offset: 64 }], 96), /tensor "b" offset: found 64, expected 32/],
    [
      'an offset of 2^64 - 32',
      file([{ offset: 2n ** 64n - 32n }], 8),
      /offset: found 18446744073709551584, expected 0/,
    ],
    [
      'data past the end',
      file([{ shape: [3] }], 8),
      /tensor "a": found the file's end at byte 72, expected data from byte 64 to 76/,
    ],
    ['bytes after the padding', file([{}], 33), /end of file: found 97 bytes, expected 72, or the padding/],
  ])('%s', async (_, bytes, message) => {
    expect(await refusal(bytes)).toMatch(message);
  });

  it.each([
    ['of another type', [...u32(10), ...u64(32)], /found u64, expected a u32/],
    ['of 0', [...u32(4), ...u32(0)], /found 0, expected/],
    ['of 48', [...u32(4), ...u32(48)], /found 48, expected .* power of two/],
    ['of 2^31', [...u32(4), ...u32(2 ** 31)], /found 2147483648, expected .* at most 65536/],
  ])('an alignment %s', async (_, value, message) => {
    expect(await refusal(file([{}], 32, [[...str('general.alignment'), ...value]]))).toMatch(message);
  });

  it('arrays that are small each and too large together', async () => {
    const half = GGUF_ARRAY_ELEMENTS_MAX / 2;
    const array = (key: string): Uint8Array => {
      const head = bytesOf(str(key), u32(9), u32(0), u64(half));
      const bytes = new Uint8Array(head.length + half);
      bytes.set(head);
      return bytes;
    };
    const parts = [start(0, 3), array('a'), array('b'), array('c')];
    const bytes = new Uint8Array(await new Blob(parts.map((part) => new Uint8Array(part))).arrayBuffer());
    expect(await refusal(bytes)).toMatch(/metadata "c" length: found 2097152, expected at most 0/);
  });

  it('a sound header cut at every byte', async () => {
    const pair = [...str('tokens'), ...u32(9), ...u32(8), ...u64(2), ...str('a'), ...str('b')];
    const bytes = file([{ name: 'weight', shape: [32, 2], type: 8 }], 68, [pair]);
    for (let length = 0; length < bytes.length; length += 1) {
      await refusal(bytes.subarray(0, length));
    }
    expect((await readGgufHeader(countingSource(bytes))).tensors.size).toBe(1);
  });
});
