import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Manifest, MANIFEST_FILE, manifestSchema } from '../../src/core/model/manifest.ts';
import { parseWithSchema } from '../../src/core/model/parse-with-schema.ts';
import { EMBED_TOKENS, llmShapes, LM_HEAD } from '../../src/core/model/tensor-names.ts';
import { BadInput } from '../bad-input.ts';
import { openCheckpoint } from '../checkpoint.ts';
import { openExportSource } from '../export/export-source.ts';
import { PATCH_EMBED_FILE } from '../export/patch-embed.ts';
import { readJsonFile } from '../json-file.ts';
import type { MergeRequest } from '../merge/merge-request.ts';
import { VISION_FILE } from '../merge/plan.ts';
import { readTextFiles } from '../merge/text-files.ts';
import type { WeightRows } from '../weight-rows.ts';
import { openCompressedWeights } from './compressed-weights.ts';
import { openGgufWeights } from './gguf-weights.ts';
import type { Graphs } from './language-session.ts';
import { openOnnxWeights } from './onnx-weights.ts';
import { type ScratchOptions, writeScratchGraphs } from './scratch-graphs.ts';
import type { StoredModel } from './stored-model.ts';

/** One of the two models under comparison, whatever form it has. */
export interface Side extends StoredModel {
  readonly description: string;
  readonly manifest: Manifest;
  /** Tokenizer files by name; null where the artifact has them in a form of its own. */
  readonly text: ReadonlyMap<string, string | Uint8Array> | null;
  /** Graphs to run: its own, or f32 ones written for the occasion. */
  graphs(options: ScratchOptions): Promise<Graphs>;
}

/**
 * Opens an artifact folder, or a checkpoint or adapters with their base.
 *
 * @throws BadInput, MalformedFile
 */
export async function openSide(request: MergeRequest): Promise<Side> {
  const folder = request.path;
  const manifest = folder === null ? null : await readManifest(folder);
  if (folder === null || manifest === null || manifest.kind === 'merged') {
    return openMerge(request);
  }
  switch (manifest.kind) {
    case 'onnx':
      return openOnnx(folder, manifest);
    case 'vllm':
      return openVllm(folder, manifest);
    case 'gguf':
      return openGguf(folder, manifest);
    case 'edge':
      throw new BadInput(`${folder}: found an edge bundle, which holds no language model, expected one to compare`);
  }
}

/** A merge, done or done while it is read. */
async function openMerge(request: MergeRequest): Promise<Side> {
  const source = await openExportSource(request);
  const { description, manifest, llm, text, vision } = source;
  const model = { manifest, weights: withTiedHead(manifest, llm) };
  return {
    ...model,
    description,
    text: text.contents,
    graphs: (options) => writeScratchGraphs({ ...model, vision }, options),
    close: () => source.close(),
  };
}

async function openOnnx(folder: string, manifest: Manifest): Promise<Side> {
  const [decoder, embedTokens] = [join(folder, 'decoder.onnx'), join(folder, 'embed_tokens.onnx')];
  const text = (await readTextFiles([folder])).contents;
  // A graph has a head of its own, whether it is tied or not.
  const shapes = llmShapes({ ...manifest.llm, tieWordEmbeddings: false });
  const { weights, close } = await openOnnxWeights([decoder, embedTokens], shapes);
  return {
    description: folder,
    manifest,
    weights: withTiedHead(manifest, weights),
    text,
    graphs: () => {
      const patchEmbed = manifest.vision === null ? null : join(folder, PATCH_EMBED_FILE);
      return Promise.resolve({ decoder, embedTokens, patchEmbed });
    },
    close,
  };
}

async function openVllm(folder: string, manifest: Manifest): Promise<Side> {
  const text = (await readTextFiles([folder])).contents;
  const model = await openCompressedWeights(folder, llmShapes(manifest.llm));
  return withScratchGraphs(folder, { description: folder, manifest, text, ...model });
}

async function openGguf(folder: string, manifest: Manifest): Promise<Side> {
  const files = manifest.artifacts.filter(({ path }) => path.endsWith('.gguf'));
  const [file] = files;
  if (file === undefined || files.length > 1) {
    throw new BadInput(`${join(folder, MANIFEST_FILE)}: found ${files.length} .gguf files, expected one`);
  }
  const model = await openGgufWeights(join(folder, file.path), manifest.llm);
  return withScratchGraphs(folder, { description: folder, manifest, text: null, ...model });
}

/** An artifact that some other program runs: what its weights stand for runs as f32, with the vision embedding beside it. */
function withScratchGraphs(folder: string, side: Omit<Side, 'graphs'>): Side {
  const { manifest } = side;
  const weights = withTiedHead(manifest, side.weights);
  return {
    ...side,
    weights,
    async graphs(options) {
      if (manifest.vision === null) {
        return writeScratchGraphs({ manifest, weights, vision: null }, options);
      }
      const vision = await openCheckpoint(join(folder, VISION_FILE));
      try {
        return await writeScratchGraphs({ manifest, weights, vision: vision.tensors }, options);
      } finally {
        await vision.close();
      }
    },
  };
}

async function readManifest(path: string): Promise<Manifest | null> {
  const file = join(path, MANIFEST_FILE);
  const isArtifact = (await stat(file).catch(() => undefined)) !== undefined;
  return isArtifact ? parseWithSchema(manifestSchema, file, await readJsonFile(file)) : null;
}

/** Gives a tied model both names of its one matrix. */
function withTiedHead({ llm }: Manifest, weights: ReadonlyMap<string, WeightRows>): ReadonlyMap<string, WeightRows> {
  const matrix = weights.get(EMBED_TOKENS) ?? weights.get(LM_HEAD);
  return llm.tieWordEmbeddings && matrix !== undefined
    ? new Map([[EMBED_TOKENS, matrix], [LM_HEAD, matrix], ...weights])
    : weights;
}
