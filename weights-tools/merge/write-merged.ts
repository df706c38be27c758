import { join } from 'node:path';
import { type FileDigest, type Manifest, MANIFEST_FORMAT_VERSION } from '../../src/core/model/manifest.ts';
import type { ArtifactFolder } from '../artifact-folder.ts';
import { INDEX_FILE } from '../checkpoint.ts';
import { digestFile } from '../digest.ts';
import { withProgress } from '../progress.ts';
import { toolStamp } from '../tool-stamp.ts';
import type { MergeInputs } from './inputs.ts';
import { IMAGE_TOKEN, mergedConfig, visionConfig } from './merged-config.ts';
import { indexJson, type MergePlan, VISION_FILE } from './plan.ts';
import { runMerge } from './run.ts';

/** Weights, then the files beside them, then the manifest, which needs the digest of all. */
export async function writeMerged(
  folder: ArtifactFolder,
  inputs: MergeInputs,
  plan: MergePlan,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  await withProgress('merge', plan.outputBytes, (progress) => runMerge(plan, folder, { progress, signal }));

  const { config, preprocessor } = inputs;
  await folder.write('config.json', json(mergedConfig(inputs.llmConfig, config.llm.ropeTheta, plan.weights)));
  await folder.write('vision/config.json', json(visionConfig(config, preprocessor)));
  for (const [path, content] of inputs.text.contents) {
    await folder.write(path, content);
  }
  if (plan.shardOf.size > 0) {
    await folder.write(INDEX_FILE, indexJson(plan));
  }
  const inputBytes = [...inputs.checkpoint.tensors.values(), ...(inputs.base?.tensors.values() ?? [])];
  const hashBytes = inputBytes.reduce((sum, { start, end }) => sum + end - start, plan.outputBytes);
  await withProgress('sha256', hashBytes, async (progress) => {
    const onBytes = (bytes: number): void => {
      progress.advance(bytes);
    };
    const facts = await manifestOf(folder, inputs, plan, name, { onBytes, signal });
    await folder.finish(facts, { onBytes, signal });
  });
}

/** The model's facts and where they come from, every input file with its digest. */
async function manifestOf(
  folder: ArtifactFolder,
  { config, preprocessor, eosTokenIds, files }: MergeInputs,
  plan: MergePlan,
  name: string,
  hashing: { onBytes: (bytes: number) => void; signal: AbortSignal },
): Promise<Omit<Manifest, 'artifacts'>> {
  const inputs: FileDigest[] = [];
  for (const [path, file] of files) {
    inputs.push({ path, ...(await digestFile(file, hashing)) });
  }
  const { sha256 } = await digestFile(join(folder.path, VISION_FILE));
  return {
    format: 'vora',
    formatVersion: MANIFEST_FORMAT_VERSION,
    kind: 'merged',
    name,
    weights: plan.weights.toLowerCase(),
    llm: { ...config.llm, eosTokenIds: [...eosTokenIds] },
    vision: {
      ...config.vision,
      eps: config.llm.rmsNormEps,
      mean: preprocessor.mean,
      std: preprocessor.std,
      resize: preprocessor.resize,
      imageToken: IMAGE_TOKEN,
      sha256,
    },
    provenance: { ...(await toolStamp()), mergePrecision: 'f32', inputs },
  };
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
