import type { ArtifactFolder } from '../artifact-folder.ts';
import { INDEX_FILE } from '../checkpoint.ts';
import { withProgress } from '../progress.ts';
import { shardIndex } from '../safetensors-shards.ts';
import type { MergeModel } from './merge-model.ts';
import { mergedConfig, visionConfig } from './merged-config.ts';
import { digestInputs, mergedManifest } from './merged-manifest.ts';
import { type MergeReport, REPORT_FILE } from './merge-report.ts';
import type { MergePlan } from './plan.ts';
import { runMerge } from './run.ts';

/** Weights, then the files beside them, then the manifest, which needs the digest of all. */
export async function writeMerged(
  folder: ArtifactFolder,
  model: MergeModel,
  plan: MergePlan,
  signal: AbortSignal,
): Promise<MergeReport> {
  const report = await withProgress('merge', plan.outputBytes, (progress) =>
    runMerge(plan, folder, { progress, signal }),
  );
  await folder.write(REPORT_FILE, json(report));
  await folder.write('config.json', json(mergedConfig(model, plan.weights)));
  if (model.vision !== null) {
    await folder.write('vision/config.json', json(visionConfig(model.vision.config, model.vision.preprocessor)));
  }
  for (const [path, content] of model.text.contents) {
    await folder.write(path, content);
  }
  if (plan.shardOf.size > 0) {
    await folder.write(INDEX_FILE, shardIndex(plan.shardOf, plan.llmBytes));
  }
  await withProgress('sha256', model.inputBytes + plan.outputBytes, async (progress) => {
    const onBytes = (bytes: number): void => {
      progress.advance(bytes);
    };
    const inputs = await digestInputs(model.files, { onBytes, signal });
    await folder.finish(await mergedManifest(model, { weights: plan.weights, inputs }), { onBytes, signal });
  });
  return report;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
