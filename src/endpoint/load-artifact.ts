import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { MalformedFile } from '../core/bytes/malformed-file.ts';
import { parseStrictJson } from '../core/bytes/strict-json.ts';
import { ARTIFACT_HASH_MAX_BYTES } from '../core/limits.ts';
import { type FileDigest, type Manifest, MANIFEST_FILE, manifestSchema } from '../core/model/manifest.ts';
import { parseWithSchema } from '../core/model/parse-with-schema.ts';
import { type ChatTemplate, createChatTemplate } from '../core/prompt/chat-template.ts';
import { createTokenizer, type Tokenizer } from '../core/prompt/tokenizer.ts';
import type { SamplingParams } from './sampler.ts';
import { findToolSyntax, type ToolCallSyntax } from './tools/tool-syntax.ts';

/** An onnx/ folder whose files are what its manifest says. */
export interface Artifact {
  readonly manifest: Manifest;
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate;
  /** How the model writes tool calls; null when it makes none. */
  readonly toolSyntax: ToolCallSyntax | null;
  /** What a request gets that names no sampling of its own. */
  readonly sampling: SamplingParams;
  /** Paths of the graphs; a model of text only has no patch embedding. */
  readonly graphs: { decoder: string; embedTokens: string; patchEmbed: string | null };
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
  const separate = has(manifest, CHAT_TEMPLATE) ? await text(CHAT_TEMPLATE) : undefined;
  const template = createChatTemplate(tokenizerConfig, separate);
  const toolSyntax = findToolSyntax(template);
  return {
    manifest,
    tokenizer: createTokenizer(await text('tokenizer.json'), tokenizerConfig, toolSyntax?.markers),
    template,
    toolSyntax,
    sampling: has(manifest, GENERATION_CONFIG) ? parseGenerationConfig(await text(GENERATION_CONFIG)) : OPENAI_DEFAULTS,
    graphs: {
      decoder: path('decoder.onnx'),
      embedTokens: path('embed_tokens.onnx'),
      patchEmbed: manifest.vision === null ? null : path('patch_embed.onnx'),
    },
  };
}

async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, MANIFEST_FILE);
  const text = await readFile(path, 'utf8').catch(missing(path, 'a finished artifact folder'));
  const manifest = parseWithSchema(manifestSchema, path, parseStrictJson(path, text));
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

function has({ artifacts }: Manifest, name: string): boolean {
  return artifacts.some((file) => file.path === name);
}

function listed(manifest: Manifest, name: string): string {
  if (!has(manifest, name)) {
    throw new MalformedFile(MANIFEST_FILE, 'artifacts', `no ${name}`, `an entry for it`);
  }
  return name;
}

function missing(path: string, expected: string): (cause: unknown) => never {
  return (cause) => {
    throw new MalformedFile(path, 'file', 'none that can be read', expected, { cause });
  };
}

const CHAT_TEMPLATE = 'chat_template.jinja';
const GENERATION_CONFIG = 'generation_config.json';
const OPENAI_DEFAULTS: SamplingParams = { temperature: 1, topP: 1, topK: 0 };

/** Hugging Face's generation_config.json, which a model may lack; greedy ones often say `null`. Penalties are not applied. */
const generationConfigSchema = z.looseObject({
  do_sample: z.boolean().nullish(),
  temperature: z.number().min(0).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
});

function parseGenerationConfig(text: string): SamplingParams {
  const config = parseWithSchema(generationConfigSchema, GENERATION_CONFIG, parseStrictJson(GENERATION_CONFIG, text));
  return {
    temperature: config.do_sample === false ? 0 : (config.temperature ?? OPENAI_DEFAULTS.temperature),
    topP: config.top_p ?? OPENAI_DEFAULTS.topP,
    topK: config.top_k ?? OPENAI_DEFAULTS.topK,
  };
}
