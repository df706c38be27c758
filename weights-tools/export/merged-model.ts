import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type FileDigest,
  isSeeing,
  type Manifest,
  MANIFEST_FILE,
  manifestSchema,
  type SeeingManifest,
} from '../../src/core/model/manifest.ts';
import { parseWithSchema } from '../../src/core/model/parse-with-schema.ts';
import { llmShapes, visionShapes } from '../../src/core/model/tensor-names.ts';
import { parseLlmConfig } from '../../src/core/model/llm-config.ts';
import { BadInput } from '../bad-input.ts';
import { type Checkpoint, openCheckpoint, type TensorRef } from '../checkpoint.ts';
import { digestFile } from '../digest.ts';
import { readJsonFile } from '../json-file.ts';
import { VISION_FILE } from '../merge/plan.ts';
import { compareTensors, refuseProblems } from '../tensor-set.ts';

const CONFIG_FILE = 'config.json';

/** What `vora merge` wrote, opened and checked: exactly the tensors of the model, in the shapes of its manifest. */
export interface MergedModel {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly llm: ReadonlyMap<string, TensorRef>;
  /** Null for a model of text only. */
  readonly vision: ReadonlyMap<string, TensorRef> | null;
  close(): Promise<void>;
}

/**
 * Opens a merged folder. Reads headers and JSON, and hashes the vision embedding, whose hash ties embeddings to this LLM.
 *
 * @throws BadInput, MalformedFile
 */
export async function openMerged(folder: string): Promise<MergedModel> {
  const manifest = await readManifest(folder);
  await compareConfig(folder, manifest);
  if (isSeeing(manifest)) {
    await verifyFile(folder, expectedVision(folder, manifest));
  }
  const opened: Checkpoint[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(opened.map((checkpoint) => checkpoint.close()));
  };
  try {
    const llm = await openCheckpoint(folder);
    opened.push(llm);
    refuseUnlisted(folder, manifest, llm.files);
    const problems = compareTensors(llmShapes(manifest.llm), llm.tensors);
    if (!isSeeing(manifest)) {
      refuseProblems(problems, join(folder, MANIFEST_FILE));
      return { folder, manifest, llm: llm.tensors, vision: null, close };
    }
    const vision = await openCheckpoint(join(folder, VISION_FILE));
    opened.push(vision);
    const visionExpected = visionShapes(manifest.vision, manifest.llm.hiddenSize);
    problems.push(...compareTensors(visionExpected, vision.tensors));
    refuseProblems(problems, join(folder, MANIFEST_FILE));
    return { folder, manifest, llm: llm.tensors, vision: vision.tensors, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Compares a file with what the manifest says of it.
 *
 * @throws BadInput when it is missing, or has another size or hash
 */
export async function verifyFile(
  folder: string,
  { path, bytes, sha256 }: FileDigest,
  options: { onBytes?: (bytes: number) => void; signal?: AbortSignal } = {},
): Promise<void> {
  const full = join(folder, path);
  const found = await stat(full).catch(() => undefined);
  if (found === undefined || !found.isFile()) {
    throw new BadInput(`${full}: found no file, expected one of ${bytes} bytes, as ${MANIFEST_FILE} says`);
  }
  if (found.size !== bytes) {
    throw new BadInput(`${full}: found ${found.size} bytes, expected ${bytes}, as ${MANIFEST_FILE} says`);
  }
  const digest = await digestFile(full, options);
  if (digest.sha256 !== sha256) {
    throw new BadInput(`${full}: found sha256 ${digest.sha256}, expected ${sha256}, as ${MANIFEST_FILE} says`);
  }
}

/**
 * Only what the manifest lists is checked against its digest and named in the provenance.
 *
 * @throws BadInput for the first of `files`, paths in `folder`, that it does not list
 */
export function refuseUnlisted(folder: string, manifest: Manifest, files: readonly string[]): void {
  const listed = new Set(manifest.artifacts.map(({ path }) => join(folder, path)));
  const unlisted = files.find((file) => !listed.has(file));
  if (unlisted !== undefined) {
    throw new BadInput(`${unlisted}: found a file that ${MANIFEST_FILE} does not list, expected what vora merge wrote`);
  }
}

async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, MANIFEST_FILE);
  if ((await stat(path).catch(() => undefined)) === undefined) {
    throw new BadInput(`${folder}: found no ${MANIFEST_FILE}, expected a folder that vora merge has finished`);
  }
  const manifest = parseWithSchema(manifestSchema, path, await readJsonFile(path));
  if (manifest.kind !== 'merged') {
    throw new BadInput(`${path}: kind: found ${manifest.kind}, expected merged: exports start from a merged folder`);
  }
  return manifest;
}

/** The folder is also a plain Hugging Face model that people edit; its config and the manifest must stay one. */
async function compareConfig(folder: string, { llm }: Manifest): Promise<void> {
  const path = join(folder, CONFIG_FILE);
  const config = parseLlmConfig(path, await readJsonFile(path));
  for (const [field, found] of Object.entries(config)) {
    const expected = llm[field as keyof typeof config];
    if (JSON.stringify(found) !== JSON.stringify(expected)) {
      throw new BadInput(
        `${path}: ${field}: found ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}, as ${MANIFEST_FILE} says`,
      );
    }
  }
}

function expectedVision(folder: string, manifest: SeeingManifest): FileDigest {
  const listed = manifest.artifacts.find(({ path }) => path === VISION_FILE);
  if (listed?.sha256 !== manifest.vision.sha256) {
    const found = listed?.sha256 ?? 'nothing';
    const path = join(folder, MANIFEST_FILE);
    throw new BadInput(
      `${path}: artifacts: ${VISION_FILE}: found sha256 ${found}, expected vision.sha256 ${manifest.vision.sha256}`,
    );
  }
  return listed;
}
