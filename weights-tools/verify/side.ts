import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Manifest, MANIFEST_FILE, manifestSchema } from '../../src/core/model/manifest.ts';
import { parseWithSchema } from '../../src/core/model/parse-with-schema.ts';
import { EMBED_TOKENS, llmShapes, LM_HEAD } from '../../src/core/model/tensor-names.ts';
import { BadInput } from '../bad-input.ts';
import { type ExportSource, openExportSource } from '../export/export-source.ts';
import { PATCH_EMBED_FILE } from '../export/patch-embed.ts';
import { readJsonFile } from '../json-file.ts';
import type { MergeRequest } from '../merge/merge-request.ts';
import { readTextFiles } from '../merge/text-files.ts';
import type { WeightRows } from '../weight-rows.ts';
import type { Graphs } from './language-session.ts';
import { openOnnxWeights } from './onnx-weights.ts';
import { type ScratchOptions, writeScratchGraphs } from './scratch-graphs.ts';

/** One of the two models under comparison, whatever form it has. */
export interface Side {
  readonly description: string;
  readonly manifest: Manifest;
  /** Of the language model, by checkpoint name; a tied head has its own entry. */
  readonly weights: ReadonlyMap<string, WeightRows>;
  /** Tokenizer files by name; null where the artifact has them in a form of its own. */
  readonly text: ReadonlyMap<string, string | Uint8Array> | null;
  /** Graphs to run: its own, or f32 ones written for the occasion. */
  graphs(options: ScratchOptions): Promise<Graphs>;
  close(): Promise<void>;
}

/**
 * Opens an artifact folder, or a checkpoint or adapters with their base.
 *
 * @throws BadInput, MalformedFile
 */
export async function openSide(request: MergeRequest): Promise<Side> {
  const manifest = request.path === null ? null : await readManifest(request.path);
  if (request.path !== null && manifest?.kind === 'onnx') {
    return openOnnxSide(request.path, manifest);
  }
  return sourceSide(await openExportSource(request));
}

async function openOnnxSide(folder: string, manifest: Manifest): Promise<Side> {
  const files = { decoder: join(folder, 'decoder.onnx'), embedTokens: join(folder, 'embed_tokens.onnx') };
  const { weights, close } = await openOnnxWeights([files.decoder, files.embedTokens], headedShapes(manifest));
  return {
    description: folder,
    manifest,
    weights: withTiedHead(manifest, weights),
    text: (await readTextFiles([folder])).contents,
    graphs: async () => ({ ...files, patchEmbed: manifest.vision === null ? null : join(folder, PATCH_EMBED_FILE) }),
    close,
  };
}

/** A merge, done or done while it is read. */
function sourceSide({ description, manifest, llm, text, vision, close }: ExportSource): Side {
  const weights = withTiedHead(manifest, llm);
  return {
    description,
    manifest,
    weights,
    text: text.contents,
    graphs: (scratch) => writeScratchGraphs({ manifest, weights, vision }, scratch),
    close,
  };
}

async function readManifest(path: string): Promise<Manifest | null> {
  const file = join(path, MANIFEST_FILE);
  if ((await stat(file).catch(() => undefined)) === undefined) {
    return null;
  }
  const manifest = parseWithSchema(manifestSchema, file, await readJsonFile(file));
  if (manifest.kind === 'edge') {
    throw new BadInput(`${path}: found an edge bundle, which holds no language model, expected one to compare`);
  }
  return manifest;
}

/** Quantized graphs keep a head of their own, whether it is tied or not. */
function headedShapes({ llm }: Manifest): Map<string, number[]> {
  return llmShapes({ ...llm, tieWordEmbeddings: false });
}

function withTiedHead({ llm }: Manifest, weights: ReadonlyMap<string, WeightRows>): ReadonlyMap<string, WeightRows> {
  const embedding = weights.get(EMBED_TOKENS) ?? weights.get(LM_HEAD);
  return llm.tieWordEmbeddings && embedding !== undefined
    ? new Map([[EMBED_TOKENS, embedding], [LM_HEAD, embedding], ...weights])
    : weights;
}
