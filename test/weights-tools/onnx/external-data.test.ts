import { describe, expect, it } from 'vitest';
import { layoutExternalData } from '../../../weights-tools/onnx/external-data.ts';
import { createTensorWriter, type TensorWriter } from '../../../weights-tools/tensor-writer.ts';

const TENSORS = [
  { name: 'a', type: 'f32', shape: [2, 3] },
  { name: 'b', type: 'u8', shape: [5000] },
  { name: 'c', type: 'f32', shape: [1] },
] as const;

function writerIntoMemory(): { writer: TensorWriter; data: Uint8Array } {
  const layout = layoutExternalData('w.data', TENSORS);
  const data = new Uint8Array(layout.byteLength);
  const write = (bytes: Uint8Array, position: number): Promise<void> => Promise.resolve(data.set(bytes, position));
  return { writer: createTensorWriter(layout, { write }), data };
}

describe('layoutExternalData', () => {
  it('places tensors one after another on 4096-byte boundaries', () => {
    const { places, byteLength } = layoutExternalData('w.data', TENSORS);
    expect([...places]).toEqual([
      ['a', { start: 0, end: 24 }],
      ['b', { start: 4096, end: 9096 }],
      ['c', { start: 12288, end: 12292 }],
    ]);
    expect(byteLength).toBe(12292);
  });

  it('places tensors beyond 4 GiB', () => {
    const big = { name: 'big', type: 'f32', shape: [152064, 18944] } as const;
    const { places, byteLength } = layoutExternalData('w.data', [big, { name: 'next', type: 'u8', shape: [1] }]);
    expect(places.get('next')?.start).toBe(152064 * 18944 * 4);
    expect(byteLength).toBe(152064 * 18944 * 4 + 1);
  });

  it('refuses a name given twice', () => {
    expect(() => layoutExternalData('w.data', [TENSORS[0], TENSORS[0]])).toThrow('w.data: tensor a is declared twice');
  });
});

describe('createTensorWriter', () => {
  it('puts blocks of alternating tensors into their places', async () => {
    const { writer, data } = writerIntoMemory();
    await writer.write('c', Uint8Array.of(1, 2, 3, 4));
    await writer.write('b', new Uint8Array(4000).fill(7));
    await writer.write('a', new Uint8Array(24).fill(9));
    await writer.write('b', new Uint8Array(1000).fill(8));
    writer.finish();
    expect([data[23], data[24], data[4096], data[8095], data[8096], data[9095], data[9096]]).toEqual([
      9, 0, 7, 7, 8, 8, 0,
    ]);
    expect([...data.subarray(12288)]).toEqual([1, 2, 3, 4]);
  });

  it('refuses a name that was not declared', async () => {
    const { writer } = writerIntoMemory();
    await expect(writer.write('d', new Uint8Array(1))).rejects.toThrow('w.data: tensor d was not declared');
  });

  it('refuses bytes past the end of a tensor', async () => {
    const { writer } = writerIntoMemory();
    await writer.write('a', new Uint8Array(20));
    await expect(writer.write('a', new Uint8Array(5))).rejects.toThrow('tensor a was declared with 24 bytes, got 25');
  });

  it('refuses to finish while tensors are incomplete, and names them', async () => {
    const { writer } = writerIntoMemory();
    await writer.write('a', new Uint8Array(24));
    await writer.write('b', new Uint8Array(4999));
    expect(() => {
      writer.finish();
    }).toThrow('w.data: incomplete tensors: b, c');
  });
});
