import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileDigest, type Manifest, MANIFEST_FILE } from '../../src/core/model/manifest.ts';
import { llmShapes } from '../../src/core/model/tensor-names.ts';
import { BadInput } from '../bad-input.ts';
import type { TensorRef } from '../checkpoint.ts';
import { digestFile } from '../digest.ts';
import { readJsonFile } from '../json-file.ts';
import { openMergeModel } from '../merge/merge-model.ts';
import type { MergeRequest } from '../merge/merge-request.ts';
import { mergedConfig } from '../merge/merged-config.ts';
import { digestInputs, mergedManifest } from '../merge/merged-manifest.ts';
import { readTextFiles, type TextFiles } from '../merge/text-files.ts';
import { warn } from '../warn.ts';
import { storedRows, type WeightRows } from '../weight-rows.ts';
import { openMerged, refuseUnlisted, verifyFile } from './merged-model.ts';

export interface VerifyOptions {
  readonly onBytes?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/** What every export starts from: a merged folder, or a merge that happens while it is read. */
export interface ExportSource {
  /** For messages: the folder, or what is added to what. */
  readonly description: string;
  /** As `vora merge` would have written it, kind `merged`. */
  readonly manifest: Manifest;
  /** In the order of the forward pass. */
  readonly llm: ReadonlyMap<string, WeightRows>;
  /** Null for a model of text only. */
  readonly vision: ReadonlyMap<string, TensorRef> | null;
  /** config.json of the language model. */
  readonly llmConfig: object;
  readonly text: TextFiles;
  /** Folders that the output must not replace. */
  readonly folders: readonly string[];
  /** Bytes that `verifyInputs` reads. */
  readonly inputBytes: number;
  /**
   * Digests of all that was read, for the provenance.
   *
   * @throws BadInput when a file of a merged folder is not what its manifest says
   */
  verifyInputs(options: VerifyOptions): Promise<readonly FileDigest[]>;
  close(): Promise<void>;
}

/** @throws BadInput, MalformedFile */
export async function openExportSource(request: MergeRequest): Promise<ExportSource> {
  const { path, base, adapters } = request;
  if (path !== null && (await stat(join(path, MANIFEST_FILE)).catch(() => undefined)) !== undefined) {
    if (base !== null || adapters.length > 0) {
      throw new BadInput(`${path}: found a finished artifact folder, expected no --base and --adapter with it`);
    }
    return openMergedSource(path);
  }
  return openMergingSource(request);
}

/** A merge that is computed while it is read, in f32: nothing is rounded before the export rounds it. */
async function openMergingSource(request: MergeRequest): Promise<ExportSource> {
  const model = await openMergeModel(request);
  try {
    model.warnings.forEach(warn);
    return {
      description: model.description,
      manifest: { ...(await mergedManifest(model, { weights: 'F32', inputs: [] })), artifacts: [] },
      llm: new Map([...model.weights].map(([name, { rows }]) => [name, rows])),
      vision: model.vision?.tensors ?? null,
      llmConfig: mergedConfig(model, 'F32'),
      text: model.text,
      folders: model.folders,
      inputBytes: model.inputBytes,
      verifyInputs: (options) => digestInputs(model.files, options),
      close: () => model.close(),
    };
  } catch (error) {
    await model.close();
    throw error;
  }
}

async function openMergedSource(folder: string): Promise<ExportSource> {
  const merged = await openMerged(folder);
  const { manifest, vision } = merged;
  try {
    const text = await readTextFiles([folder]);
    refuseUnlisted(folder, manifest, text.files);
    const llmConfig = Object(await readJsonFile(join(folder, 'config.json'))) as object;
    return {
      description: folder,
      manifest,
      llm: inOrder(merged.llm, llmShapes(manifest.llm)),
      vision,
      llmConfig,
      text,
      folders: [folder],
      inputBytes: manifest.artifacts.reduce((sum, { bytes }) => sum + bytes, 0),
      async verifyInputs(options) {
        for (const file of manifest.artifacts) {
          await verifyFile(folder, file, options);
        }
        const own = { path: MANIFEST_FILE, ...(await digestFile(join(folder, MANIFEST_FILE))) };
        return [own, ...manifest.artifacts];
      },
      close: () => merged.close(),
    };
  } catch (error) {
    await merged.close();
    throw error;
  }
}

/** Files have tensors in an order of their own. */
function inOrder(
  tensors: ReadonlyMap<string, TensorRef>,
  shapes: ReadonlyMap<string, unknown>,
): ReadonlyMap<string, WeightRows> {
  const ordered = new Map<string, WeightRows>();
  for (const name of shapes.keys()) {
    const tensor = tensors.get(name);
    if (tensor !== undefined) {
      ordered.set(name, storedRows(name, tensor));
    }
  }
  return ordered;
}
