import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { MalformedFile } from '../core/bytes/malformed-file.ts';
import { parseStrictJson } from '../core/bytes/strict-json.ts';
import { ARTIFACT_HASH_MAX_BYTES } from '../core/limits.ts';
import { type FileDigest, type Manifest, MANIFEST_FILE, manifestSchema } from '../core/model/manifest.ts';
import { type ChatTemplate, createChatTemplate } from '../core/prompt/chat-template.ts';
import { createTokenizer, type Tokenizer } from '../core/prompt/tokenizer.ts';
import type { SamplingParams } from './sampler.ts';

/** An onnx/ folder whose files are what its manifest says. */
export interface Artifact {
  readonly manifest: Manifest;
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate;
  /** What a request gets that names no sampling of its own. */
  readonly sampling: SamplingParams;
  /** Paths of the graphs. */
  readonly graphs: { decoder: string; embedTokens: string; patchEmbed: string };
}

/**
 * Opens the folder that `vora export onnx` wrote. Graphs are not read here: the sessions check them.
 *
 * @throws MalformedFile naming the first file that is missing, of another size or hash, or not well-formed.
 */
export async function loadArtifact(folder: string): Promise<Artifact> {
  const manifest = await readManifest(folder);
  for (const file of manifest.artifacts) {
    await checkFile(folder, file);
  }
  const path = (name: string): string => join(folder, listed(manifest, name));
  const text = (name: string): Promise<string> => readFile(path(name), 'utf8');
  const tokenizerConfig = await text('tokenizer_config.json');
  return {
    manifest,
    tokenizer: createTokenizer(await text('tokenizer.json'), tokenizerConfig),
    template: createChatTemplate(tokenizerConfig),
    sampling: parseGenerationConfig(await text('generation_config.json')),
    graphs: {
      decoder: path('decoder.onnx'),
      embedTokens: path('embed_tokens.onnx'),
      patchEmbed: path('patch_embed.onnx'),
    },
  };
}

async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, MANIFEST_FILE);
  const manifest = parse(
    path,
    manifestSchema,
    await readFile(path, 'utf8').catch(missing(path, 'a finished artifact folder')),
  );
  if (manifest.kind !== 'onnx') {
    throw new MalformedFile(path, 'kind', `"${manifest.kind}"`, '"onnx", from `vora export onnx`');
  }
  return manifest;
}

/** The size of every file, and the hash of those that are quick to read: weights are left to their size. */
async function checkFile(folder: string, file: FileDigest): Promise<void> {
  const path = join(folder, file.path);
  const { size } = await stat(path).catch(missing(path, `${file.bytes} bytes`));
  if (size !== file.bytes) {
    throw new MalformedFile(path, 'size', `${size} bytes`, `${file.bytes} bytes as in ${MANIFEST_FILE}`);
  }
  if (size <= ARTIFACT_HASH_MAX_BYTES) {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(path)) {
      hash.update(chunk as Uint8Array);
    }
    const sha256 = hash.digest('hex');
    if (sha256 !== file.sha256) {
      throw new MalformedFile(path, 'sha256', sha256, `${file.sha256} as in ${MANIFEST_FILE}`);
    }
  }
}

function listed({ artifacts }: Manifest, name: string): string {
  if (!artifacts.some((file) => file.path === name)) {
    throw new MalformedFile(MANIFEST_FILE, 'artifacts', `no ${name}`, `an entry for it`);
  }
  return name;
}

function missing(path: string, expected: string): (cause: unknown) => never {
  return (cause) => {
    throw new MalformedFile(path, 'file', 'none that can be read', expected, { cause });
  };
}

/** Hugging Face's generation_config.json. Penalties are not applied; OpenAI's defaults stand in for what is absent. */
const generationConfigSchema = z.looseObject({
  do_sample: z.boolean().default(true),
  temperature: z.number().min(0).default(1),
  top_p: z.number().min(0).max(1).default(1),
  top_k: z.int().min(0).default(0),
});

function parseGenerationConfig(text: string): SamplingParams {
  const config = parse('generation_config.json', generationConfigSchema, text);
  return { temperature: config.do_sample ? config.temperature : 0, topP: config.top_p, topK: config.top_k };
}

function parse<Schema extends z.ZodType>(file: string, schema: Schema, text: string): z.output<Schema> {
  const parsed = schema.safeParse(parseStrictJson(file, text));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new MalformedFile(file, issue?.path.join('.') ?? '', issue?.message ?? 'another shape', 'a valid value');
  }
  return parsed.data;
}
