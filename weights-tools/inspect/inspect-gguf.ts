import { openFileSource } from '../file-source.ts';
import type { MetadataValue } from '../gguf/metadata-value.ts';
import { type GgufHeader, readGgufHeader } from '../gguf/read-header.ts';
import { countWords, type Fact, type InspectedTensor, type Inspection, inspectionOf } from './inspection.ts';

/** Values of an array that `--json` shows; a vocabulary has 152 064. */
const ARRAY_SHOWN = 8;

export async function inspectGguf(path: string): Promise<Inspection> {
  const source = await openFileSource(path);
  try {
    const header = await readGgufHeader(source);
    const metadata = Object.fromEntries([...header.metadata].map(([key, value]) => [key, showValue(value)]));
    const details = { manifest: null, config: null, metadata };
    return inspectionOf(
      { path, kind: `GGUF ${header.version}`, facts: ggufFacts(header), details },
      tensorsOf(path, header),
    );
  } finally {
    await source.close();
  }
}

function ggufFacts({ metadata, tensors }: GgufHeader): Fact[] {
  const text = (key: string): string | undefined => {
    const value = metadata.get(key);
    return value === undefined || value.type === 'array' ? undefined : String(value.value);
  };
  const architecture = text('general.architecture') ?? 'no architecture';
  const number = (key: string): string => text(`${architecture}.${key}`) ?? '?';
  const tokens = metadata.get('tokenizer.ggml.tokens');
  const vocabulary = tokens?.type === 'array' ? String(tokens.values.length) : 'none';
  return [
    { label: 'name', text: text('general.name') ?? 'none' },
    {
      label: 'language',
      text: `${architecture}, ${number('block_count')} layers, hidden ${number('embedding_length')}, vocabulary ${vocabulary}`,
    },
    { label: 'tokenizer', text: `${text('tokenizer.ggml.model') ?? 'none'}, ${text('tokenizer.ggml.pre') ?? 'none'}` },
    { label: 'weights', text: countWords([...tensors.values()].map(({ type }) => type)) },
    { label: 'metadata', text: `${metadata.size} keys` },
  ];
}

function tensorsOf(path: string, { tensors }: GgufHeader): InspectedTensor[] {
  return [...tensors.values()].map(({ name, type, shape, start, end }) => ({
    name,
    dtype: type,
    shape,
    bytes: end - start,
    file: path,
    part: 'language model',
  }));
}

/** JSON has no bigint; a vocabulary is cut short. */
function showValue(value: MetadataValue): unknown {
  const plain = (scalar: unknown): unknown => (typeof scalar === 'bigint' ? String(scalar) : scalar);
  if (value.type !== 'array') {
    return plain(value.value);
  }
  return { of: value.of, count: value.values.length, first: value.values.slice(0, ARRAY_SHOWN).map(plain) };
}
