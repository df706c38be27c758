import { join } from 'node:path';
import { type FileDigest, MANIFEST_FORMAT_VERSION } from '../../src/core/model/manifest.ts';
import type { ArtifactFolder } from '../artifact-folder.ts';
import { INDEX_FILE } from '../checkpoint.ts';
import { digestFile } from '../digest.ts';
import { startProgress } from '../progress.ts';
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
  const progress = startProgress('merge', plan.outputBytes);
  await runMerge(plan, folder, { progress, signal });
  progress.done();

  const { config, preprocessor } = inputs;
  await folder.write('config.json', json(mergedConfig(inputs.llmConfig, config.llm.ropeTheta, plan.weights)));
  await folder.write('vision/config.json', json(visionConfig(config, preprocessor)));
  for (const [path, content] of inputs.text.contents) {
    await folder.write(path, content);
  }
  if (plan.shardOf.size > 0) {
    await folder.write(INDEX_FILE, indexJson(plan));
  }
  await finish(folder, inputs, plan, name, signal);
}

async function finish(
  folder: ArtifactFolder,
  inputs: MergeInputs,
  plan: MergePlan,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const inputBytes = [...inputs.checkpoint.tensors.values(), ...(inputs.base?.tensors.values() ?? [])];
  const total = inputBytes.reduce((sum, { start, end }) => sum + end - start, plan.outputBytes);
  const progress = startProgress('sha256', total);
  const onBytes = (bytes: number): void => {
    progress.advance(bytes);
  };
  const digests: FileDigest[] = [];
  for (const [path, file] of inputs.files) {
    digests.push({ path, ...(await digestFile(file, { onBytes, signal })) });
  }
  const { config, preprocessor } = inputs;
  const { sha256 } = await digestFile(join(folder.path, VISION_FILE));
  await folder.finish(
    {
      format: 'vora',
      formatVersion: MANIFEST_FORMAT_VERSION,
      kind: 'merged',
      name,
      weights: plan.weights.toLowerCase(),
      llm: { ...config.llm, eosTokenIds: [...inputs.eosTokenIds] },
      vision: {
        ...config.vision,
        eps: config.llm.rmsNormEps,
        mean: preprocessor.mean,
        std: preprocessor.std,
        resize: preprocessor.resize,
        imageToken: IMAGE_TOKEN,
        sha256,
      },
      provenance: { ...(await toolStamp()), mergePrecision: 'f32', inputs: digests },
    },
    { onBytes, signal },
  );
  progress.done();
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
