import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { MalformedFile } from '../../../src/core/bytes/malformed-file.ts';
import { parseSafetensorsHeader } from '../../../src/core/bytes/safetensors.ts';
import { layoutSafetensors } from '../../../src/core/bytes/safetensors-layout.ts';
import { SAFETENSORS_HEADER_MAX_BYTES } from '../../../src/core/limits.ts';
import { countingSource } from '../../support/counting-source.ts';

function file(header: string | Uint8Array, dataBytes = 0, headerBytes?: bigint): Uint8Array {
  const json = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + json.byteLength + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, headerBytes ?? BigInt(json.byteLength), true);
  bytes.set(json, 8);
  return bytes;
}

function entry(begin: number | string, end: number | string, shape = '[1]', dtype = 'F32'): string {
  return `{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;
}

/** Parses, expects refusal, and proves that nothing beyond length field and header was ever asked for. */
async function refusal(bytes: Uint8Array): Promise<string> {
  const source = countingSource(bytes);
  const error = await parseSafetensorsHeader(source).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MalformedFile);
  expect(source.reads).toBeLessThanOrEqual(2);
  expect(source.bytesRead).toBeLessThanOrEqual(bytes.byteLength);
  return error instanceof MalformedFile ? error.message : '';
}

describe('a sound file', () => {
  it('gives absolute ranges in data order, for any order of keys, in two reads', async () => {
    const header = `{"b":${entry(4, 12, '[2]')},"__metadata__":{"format":"pt"},"a":${entry(0, 4)},"s":${entry(12, 16, '[]')}}  `;
    const source = countingSource(file(header, 16));
    const { metadata, tensors } = await parseSafetensorsHeader(source);
    const start = 8 + header.length;
    expect([...tensors.values()]).toEqual([
      { name: 'a', dtype: 'F32', shape: [1], start, end: start + 4 },
      { name: 'b', dtype: 'F32', shape: [2], start: start + 4, end: start + 12 },
      { name: 's', dtype: 'F32', shape: [], start: start + 12, end: start + 16 },
    ]);
    expect(metadata).toEqual(new Map([['format', 'pt']]));
    expect(source.reads).toBe(2);
    expect(source.bytesRead).toBe(start);
  });

  it('may have empty tensors, wherever their key stands', async () => {
    const header = `{"b":${entry(0, 4)},"a":${entry(4, 4, '[0,7]')},"z":${entry(0, 0, '[0]')}}`;
    const { tensors } = await parseSafetensorsHeader(countingSource(file(header, 4)));
    expect([...tensors.keys()]).toEqual(['z', 'b', 'a']);
  });

  it('may have no tensors', async () => {
    expect((await parseSafetensorsHeader(countingSource(file('{}')))).tensors.size).toBe(0);
  });

  it('may pack sub-byte elements into whole bytes', async () => {
    const header = `{"a":${entry(0, 3, '[6]', 'F4')}}`;
    expect((await parseSafetensorsHeader(countingSource(file(header, 3)))).tensors.get('a')?.dtype).toBe('F4');
  });

  it('may call a tensor __proto__ or constructor', async () => {
    const header = `{"__proto__":${entry(0, 4)},"constructor":${entry(4, 8)}}`;
    const { tensors } = await parseSafetensorsHeader(countingSource(file(header, 8)));
    expect([...tensors.keys()]).toEqual(['__proto__', 'constructor']);
    expect(Reflect.get({}, 'dtype')).toBeUndefined();
  });
});

describe('a hostile file is refused before anything is read for it:', () => {
  it.each([
    ['no length field', new Uint8Array(7), 'header length: found 7 bytes, expected 8 at least'],
    ['a header longer than the file', file('{}', 0, 3n), 'header length: found 3 bytes, expected at most 2'],
    [
      'a header of 2^64 - 1 bytes',
      file('{}', 0, 2n ** 64n - 1n),
      'header length: found 18446744073709551615 bytes, expected at most 2',
    ],
    ['a header of no bytes', file(''), 'header: found ""'],
    ['bytes that are not UTF-8', file(Uint8Array.of(0x7b, 0xff, 0x7d)), 'not UTF-8'],
    ['a byte order mark', file('\uFEFF{}'), 'from the first byte on'],
    ['a space before the brace', file(' {}'), 'header: found " "'],
    ['an array', file('[]'), 'header: found "["'],
    ['broken JSON', file('{"a":'), 'expected valid JSON'],
    ['two JSON values', file('{} {}'), 'expected valid JSON'],
    ['a truncated data section', file(`{"a":${entry(0, 4)}}`, 3), 'end of file'],
    ['bytes after the last tensor', file(`{"a":${entry(0, 4)}}`, 5), 'end of file'],
    ['a hole at the start', file(`{"a":${entry(4, 8)}}`, 8), 'found a start at 4, expected 0'],
    [
      'a hole between',
      file(`{"a":${entry(0, 4)},"b":${entry(8, 12)}}`, 12),
      'tensor "b" data_offsets: found a start at 8',
    ],
    ['an overlap', file(`{"a":${entry(0, 4)},"b":${entry(2, 6)}}`, 8), 'found a start at 2, expected 4'],
    ['the same range twice', file(`{"a":${entry(0, 4)},"b":${entry(0, 4)}}`, 4), 'found a start at 0, expected 4'],
    ['a reversed range', file(`{"a":${entry(4, 0)}}`, 4), 'found [4, 0]'],
    ['a range too small for the dtype', file(`{"a":${entry(0, 2)}}`, 2), 'expected 4 bytes for F32 [1]'],
    ['an unknown dtype', file(`{"a":${entry(0, 4, '[1]', 'F33')}}`, 4), 'tensor "a" dtype: found "F33"'],
    ['a dtype named like an object method', file(`{"a":${entry(0, 4, '[1]', 'toString')}}`, 4), 'dtype'],
    ['half a byte', file(`{"a":${entry(0, 1, '[3]', 'F4')}}`, 1), 'whole, countable number of bytes'],
    ['a negative offset', file(`{"a":${entry(-4, 0)}}`, 0), 'data_offsets: found [-4,0]'],
    ['a fractional offset', file(`{"a":${entry(0, 4.5)}}`, 4), 'data_offsets: found [0,4.5]'],
    ['an offset over 2^53', file(`{"a":${entry(0, '9007199254740993')}}`, 4), 'two whole numbers'],
    ['an infinite offset', file(`{"a":${entry(0, '1e999')}}`, 4), 'two whole numbers'],
    ['three offsets', file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}`, 4), 'two whole numbers'],
    ['a string as offset', file(`{"a":${entry('"0"', 4)}}`, 4), 'two whole numbers'],
    ['a negative dimension', file(`{"a":${entry(0, 4, '[-1]')}}`, 4), 'shape: found [-1]'],
    ['a rank bomb', file(`{"a":${entry(0, 4, `[${'1,'.repeat(100_000)}1]`)}}`, 4), 'shape: found [1,1,'],
    ['a shape product over 2^53', file(`{"a":${entry(0, 4, '[4294967296,4294967296]')}}`, 4), 'countable number'],
    [
      'a shape product that is 0 only at the end',
      file(`{"a":${entry(0, 0, '[4294967296,4294967296,0]')}}`),
      'countable',
    ],
    ['a missing field', file('{"a":{"dtype":"F32","shape":[1]}}', 4), 'data_offsets: found nothing'],
    ['an entry that is no object', file('{"a":7}'), 'tensor "a": found 7'],
    ['a fields hidden in __proto__', file(`{"a":{"__proto__":${entry(0, 4)}}}`, 4), 'dtype: found nothing'],
    ['metadata that is not text', file('{"__metadata__":{"format":1}}'), '__metadata__.format: found 1'],
    ['a tensor given twice', file(`{"a":${entry(0, 4)},"a":${entry(4, 8)}}`, 8), '"a": found the key twice'],
    [
      'a tensor given twice by an escape',
      file(`{"a":${entry(0, 4)},"\\u0061":${entry(4, 8)}}`, 8),
      '"a": found the key twice',
    ],
    ['a field given twice', file(`{"a":{"dtype":"U8",${entry(0, 4).slice(1)}}`, 4), '"dtype": found the key twice'],
    ['deep nesting', file(`{"a":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`), 'deeper nesting'],
  ])('%s', async (_name, bytes, message) => {
    expect(await refusal(bytes)).toContain(message);
  });

  it('a header over the limit, even if the file claims to be that big', async () => {
    const source = countingSource(file('{}', 0, BigInt(SAFETENSORS_HEADER_MAX_BYTES + 1)), 2 ** 40);
    await expect(parseSafetensorsHeader(source)).rejects.toThrow(
      `expected at most ${SAFETENSORS_HEADER_MAX_BYTES} bytes`,
    );
    expect(source.bytesRead).toBe(8);
  });
});

describe('layout', () => {
  it('equals the bytes of the Rust crate', () => {
    // safetensors 0.8 (Python): save({...}, metadata={'format': 'pt'}) of an I64 [2], two BF16, a BOOL and an F32 [].
    const expected =
      '{"__metadata__":{"format":"pt"},"n":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},' +
      '"s":{"dtype":"F32","shape":[],"data_offsets":[16,20]},"a\\"\u00e9":{"dtype":"BF16","shape":[1,3],"data_offsets":[20,26]},' +
      '"b":{"dtype":"BF16","shape":[0],"data_offsets":[26,26]},"f":{"dtype":"BOOL","shape":[3],"data_offsets":[26,29]}}';
    const { header, byteLength } = layoutSafetensors([
      { name: 'f', dtype: 'BOOL', shape: [3] },
      { name: 'b', dtype: 'BF16', shape: [0] },
      { name: 'a"\u00e9', dtype: 'BF16', shape: [1, 3] },
      { name: 'n', dtype: 'I64', shape: [2] },
      { name: 's', dtype: 'F32', shape: [] },
    ]);
    expect(new TextDecoder().decode(header.subarray(8)).trimEnd()).toBe(expected);
    expect(header.byteLength % 8).toBe(0);
    expect(byteLength).toBe(header.byteLength + 29);
  });

  it('gives a file of the safetensors package its own header again', async () => {
    const bytes = await readFile('test/fixtures/checkpoints/vora-aux/model.safetensors');
    const { metadata, tensors } = await parseSafetensorsHeader(countingSource(bytes));
    const { header, byteLength } = layoutSafetensors([...tensors.values()].reverse(), metadata);
    expect(Buffer.compare(header, bytes.subarray(0, header.byteLength))).toBe(0);
    expect(byteLength).toBe(bytes.byteLength);
  });

  it('is read back as it was written', async () => {
    const names = ['\u{1F600}', '\uFFFD', 'model.layers.10.x', 'model.layers.2.x', '__proto__'];
    const layout = layoutSafetensors(names.map((name) => ({ name, dtype: 'F16', shape: [2, 3] })));
    const bytes = new Uint8Array(layout.byteLength);
    bytes.set(layout.header);
    const { tensors } = await parseSafetensorsHeader(countingSource(bytes));
    expect(tensors).toEqual(layout.tensors);
    // Code point order: U+FFFD before U+1F600, though its UTF-16 unit is larger.
    expect([...tensors.keys()].slice(-2)).toEqual(['\uFFFD', '\u{1F600}']);
  });

  it('refuses a name given twice and the metadata key', () => {
    const tensor = { name: 'a', dtype: 'F32', shape: [1] } as const;
    expect(() => layoutSafetensors([tensor, tensor])).toThrow('twice');
    expect(() => layoutSafetensors([{ ...tensor, name: '__metadata__' }])).toThrow('cannot be stored');
  });
});
