import { decodeUtf8, parseStrictJson } from '../../src/core/bytes/strict-json.ts';
import { BadInput } from '../bad-input.ts';
import { formatByteSize } from '../byte-size.ts';
import { F32 } from '../gguf/float-schemes.ts';
import { type GgmlTypeName, rowBytes } from '../gguf/ggml-type.ts';
import { type GgufLayout, layoutGguf } from '../gguf/layout.ts';
import type { MetadataValue } from '../gguf/metadata-value.ts';
import { modelMetadata, turnsNeighbours } from '../gguf/model-metadata.ts';
import { ropeFactors } from '../gguf/rope-factors.ts';
import { neighbourRotaryRows } from '../gguf/rotary-rows.ts';
import type { GgufScheme } from '../gguf/scheme.ts';
import { schemeOf } from '../gguf/schemes.ts';
import { specialTokens } from '../gguf/special-tokens.ts';
import { ggufName, ROPE_FREQS } from '../gguf/tensor-names.ts';
import { tokenizerMetadata } from '../gguf/tokenizer-metadata.ts';
import { type GgufFormat, tensorType } from '../gguf/type-mix.ts';
import type { TextFiles } from '../merge/text-files.ts';
import { columnsOf, type WeightRows } from '../weight-rows.ts';
import type { ExportSource } from './export-source.ts';
import { bufferFloats, planRowBlocks, type RowBlocks } from './row-blocks.ts';

/** A weight on its way into the file. */
export interface GgufJob extends RowBlocks {
  /** llama.cpp's name. */
  readonly name: string;
  readonly scheme: GgufScheme;
}

export interface GgufPlan {
  /** Name of the .gguf file. */
  readonly file: string;
  readonly layout: GgufLayout;
  readonly jobs: readonly GgufJob[];
  /** Weights that no checkpoint holds, by name. */
  readonly computed: ReadonlyMap<string, Float32Array>;
  /** f32 elements of the one buffer that all blocks share. */
  readonly bufferFloats: number;
  /** Bytes of the largest block, encoded. */
  readonly encodedBytes: number;
}

/**
 * Plans a GGUF file from manifest, headers and tokenizer alone: every output byte has its place before the first weight is
 * read. Peak memory of the run is one block, at most `memoryBytes`, beside the header, 6 MB for a vocabulary of 152k.
 *
 * @throws BadInput, MalformedFile for a model or tokenizer that llama.cpp does not have, and when not even one row fits
 */
export function planGguf(
  { manifest, llm, llmConfig, text }: Pick<ExportSource, 'manifest' | 'llm' | 'llmConfig' | 'text'>,
  { format, memoryBytes }: { format: GgufFormat; memoryBytes: number },
): GgufPlan {
  const facts = manifest.llm;
  const metadata = new Map([...modelMetadata(manifest, format), ...textMetadata(text, facts, llmConfig)]);
  const jobs = [...llm.values()].map((rows): GgufJob => {
    const name = ggufName(rows.name);
    const isTurned = turnsNeighbours(facts) && /\.attn_[qk]\./.test(name);
    const from = isTurned ? neighbourRotaryRows(rows, facts.headDim) : rows;
    const scheme = requireScheme(tensorType(format, { name, shape: rows.shape }, facts));
    const encoded = encodedRowBytes(scheme, from);
    const inThreads = isSearched(scheme) ? 4 * columnsOf(from) + encoded : 0;
    return { name, scheme, ...planRowBlocks(from, encoded + inThreads, memoryBytes) };
  });
  const computed = new Map<string, Float32Array>(
    facts.ropeScaling === null ? [] : [[ROPE_FREQS, ropeFactors(facts, facts.ropeScaling)]],
  );
  const layout = layoutGguf(metadata, [
    ...[...computed].map(([name, { length }]) => ({ name, type: F32.type, shape: [length] })),
    ...jobs.map(({ name, scheme, from }) => ({ name, type: scheme.type, shape: from.shape })),
  ]);
  return {
    file: `${manifest.name.replaceAll(/[^\w.-]+/g, '-')}-${format.toUpperCase()}.gguf`,
    layout,
    jobs,
    computed,
    bufferFloats: bufferFloats(jobs),
    encodedBytes: Math.max(0, ...jobs.map((job) => job.rowsPerBlock * encodedRowBytes(job.scheme, job.from))),
  };
}

/** Types whose scales come from a search, on several threads that get a copy of their rows and give back their blocks. */
export function isSearched({ type }: GgufScheme): boolean {
  return type === 'Q4_K' || type === 'Q6_K';
}

/** How many tensors of which type, then the whole. */
export function describeGgufPlan({ file, layout, jobs, bufferFloats, encodedBytes }: GgufPlan): string {
  const counts = new Map<string, number>();
  for (const { scheme } of jobs) {
    counts.set(scheme.type, (counts.get(scheme.type) ?? 0) + 1);
  }
  const types = [...counts].map(([type, count]) => `${count} ${type}`).join(', ');
  return (
    `${file}: ${jobs.length} tensors (${types}), ${formatByteSize(layout.byteLength)}\n` +
    `through buffers of ${formatByteSize(4 * bufferFloats + encodedBytes)}`
  );
}

function requireScheme(type: GgmlTypeName): GgufScheme {
  const scheme = schemeOf(type);
  if (scheme === undefined) {
    throw new RangeError(`${type} cannot be written`);
  }
  return scheme;
}

function encodedRowBytes({ type }: GgufScheme, from: WeightRows): number {
  return rowBytes(type, columnsOf(from)) ?? 0;
}

function textMetadata(
  { contents }: TextFiles,
  llm: ExportSource['manifest']['llm'],
  llmConfig: object,
): Map<string, MetadataValue> {
  const textOf = (name: string): string | null => {
    const content = contents.get(name);
    return content instanceof Uint8Array ? decodeUtf8(name, content, 'text') : (content ?? null);
  };
  const jsonOf = (name: string): unknown => {
    const content = textOf(name);
    return content === null ? undefined : parseStrictJson(name, content);
  };
  const tokenizer = jsonOf('tokenizer.json');
  if (tokenizer === undefined) {
    throw new BadInput('tokenizer.json: found none beside the model, expected one: llama.cpp reads it from the .gguf');
  }
  const tokenizerConfig = jsonOf('tokenizer_config.json') ?? {};
  const templateFile = textOf('chat_template.jinja');
  const special = specialTokens(llm, { tokenizer, tokenizerConfig, llmConfig, templateFile });
  return tokenizerMetadata(tokenizer, llm, special);
}
