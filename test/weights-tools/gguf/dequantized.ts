import { readFile, writeFile } from 'node:fs/promises';
import { fromBytes } from '../../../src/core/bytes/byte-source.ts';
import { layoutGguf } from '../../../weights-tools/gguf/layout.ts';
import { readGgufHeader } from '../../../weights-tools/gguf/read-header.ts';
import { schemeOf } from '../../../weights-tools/gguf/schemes.ts';

/** Types of a .gguf file's tensors, by name. */
export async function tensorTypes(path: string): Promise<Map<string, string>> {
  const { tensors } = await readGgufHeader(fromBytes(path, await readFile(path)));
  return new Map([...tensors].map(([name, { type }]) => [name, type]));
}

/** Rewrites a .gguf file with every tensor dequantized by our schemes and stored as F32. */
export async function writeDequantized(from: string, to: string): Promise<void> {
  const bytes = await readFile(from);
  const { metadata, tensors } = await readGgufHeader(fromBytes(from, bytes));
  const entries = new Map(metadata).set('general.file_type', { type: 'u32', value: 0 });
  const layout = layoutGguf(
    entries,
    [...tensors.values()].map(({ name, shape }) => ({ name, type: 'F32', shape })),
  );
  const out = new Uint8Array(layout.byteLength);
  out.set(layout.header);
  for (const { name, type, start, end } of tensors.values()) {
    const place = layout.places.get(name) ?? { start: 0, end: 0 };
    const values = new Float32Array((place.end - place.start) / 4);
    schemeOf(type)?.dequantize(bytes.subarray(start, end), values);
    out.set(new Uint8Array(values.buffer), place.start);
  }
  await writeFile(to, out);
}
