import { join } from 'node:path';
import { Command } from 'commander';
import { isSeeing, MANIFEST_FILE } from '../../src/core/model/manifest.ts';
import { VISION_FILE } from '../merge/plan.ts';
import { beginArtifactFolder } from '../artifact-folder.ts';
import { BadInput } from '../bad-input.ts';
import { formatByteSize } from '../byte-size.ts';
import { digestFile } from '../digest.ts';
import { derivedManifest } from '../export/derived-manifest.ts';
import { type MergedModel, openMerged } from '../export/merged-model.ts';
import { buildPatchEmbed, describePatchEmbed, PATCH_EMBED_FILE } from '../export/patch-embed.ts';
import { untilInterrupted } from '../interrupt.ts';

interface ExportEdgeOptions {
  readonly out: string;
  readonly dryRun?: true;
  readonly force?: true;
}

export function exportEdgeCommand(): Command {
  return new Command('edge')
    .summary('the patch embedding for the worker')
    .description(
      'Folds pixel normalisation, convolution, norm weight and projection into one matrix and writes it as patch_embed.onnx\n' +
        'for the worker. Compares it with the unfolded embedding first and refuses to write when they differ.',
    )
    .argument('<merged>', 'folder that vora merge wrote')
    .requiredOption('--out <dir>', 'folder to create')
    .option('--dry-run', 'fold and compare, write nothing')
    .option('--force', 'replace a finished output folder')
    .addHelpText('after', '\nExample:\n  $ vora export edge merged --out edge')
    .action(async (path: string, options: ExportEdgeOptions) => {
      const merged = await openMerged(path);
      try {
        await untilInterrupted((signal) => exportEdge(merged, options, signal));
      } finally {
        await merged.close();
      }
    });
}

async function exportEdge(merged: MergedModel, options: ExportEdgeOptions, signal: AbortSignal): Promise<void> {
  const { manifest, vision } = merged;
  if (!isSeeing(manifest) || vision === null) {
    throw new BadInput(`${merged.folder}: found a model of text only, expected one with a vision embedding`);
  }
  const patchEmbed = await buildPatchEmbed(manifest, vision);
  process.stdout.write(`${describePatchEmbed(patchEmbed)}\n`);
  if (options.dryRun === true) {
    return;
  }
  const folder = await beginArtifactFolder(options.out, { force: options.force === true, inputs: [merged.folder] });
  await folder.write(PATCH_EMBED_FILE, patchEmbed.model);
  const own = { path: MANIFEST_FILE, ...(await digestFile(join(merged.folder, MANIFEST_FILE))) };
  const inputs = [own, ...manifest.artifacts.filter((file) => file.path === VISION_FILE)];
  await folder.finish(await derivedManifest(manifest, { kind: 'edge', weights: 'f32', inputs }), { signal });
  process.stdout.write(`wrote ${options.out}, ${formatByteSize(patchEmbed.model.byteLength)}\n`);
}
