import type { ArtifactFolder } from '../artifact-folder.ts';
import { INDEX_FILE } from '../checkpoint.ts';
import { withProgress } from '../progress.ts';
import { shardIndex } from '../safetensors-shards.ts';
import { together } from '../together.ts';
import { createWatermark } from '../watermark.ts';
import type { MergeModel } from './merge-model.ts';
import { mergedConfig, visionConfig } from './merged-config.ts';
import { digestInputs, mergedManifest } from './merged-manifest.ts';
import { type MergeReport, REPORT_FILE } from './merge-report.ts';
import type { MergePlan } from './plan.ts';
import { runMerge } from './run.ts';

/** How far ahead of the merge its inputs are hashed. */
const HASHED_AHEAD_BYTES = 512e6;

/** Weights, while the inputs are hashed, then the files beside them, then the manifest, which needs the digest of all. */
export async function writeMerged(
  folder: ArtifactFolder,
  model: MergeModel,
  plan: MergePlan,
  signal: AbortSignal,
): Promise<MergeReport> {
  return withProgress('merge', model.inputBytes + 2 * plan.outputBytes, async (progress) => {
    const onBytes = (bytes: number): void => {
      progress.advance(bytes);
    };
    const [report, inputs] = await together(signal, (either) => {
      const written = createWatermark(either);
      // At the pace of the merge, so that a file need not come from the disk twice.
      const ready = async (hashed: number): Promise<number> => {
        await written.above(((hashed - HASHED_AHEAD_BYTES) / model.inputBytes) * plan.outputBytes);
        return Number.POSITIVE_INFINITY;
      };
      return [
        runMerge(plan, model, folder, { progress, signal: either, written }),
        digestInputs(model.files, { onBytes, signal: either, ready }),
      ];
    });
    await writeTexts(folder, model, plan, report);
    await folder.finish(await mergedManifest(model, { weights: plan.options.weights, inputs }), { onBytes, signal });
    return report;
  });
}

async function writeTexts(
  folder: ArtifactFolder,
  model: MergeModel,
  plan: MergePlan,
  report: MergeReport,
): Promise<void> {
  await folder.write(REPORT_FILE, json(report));
  await folder.write('config.json', json(mergedConfig(model, plan.options.weights)));
  if (model.vision !== null) {
    await folder.write('vision/config.json', json(visionConfig(model.vision.config, model.vision.preprocessor)));
  }
  for (const [path, content] of model.text.contents) {
    await folder.write(path, content);
  }
  if (plan.shardOf.size > 0) {
    await folder.write(INDEX_FILE, shardIndex(plan.shardOf, plan.llmBytes));
  }
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
