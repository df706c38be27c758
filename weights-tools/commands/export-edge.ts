import { Command } from 'commander';
import { VISION_FILE } from '../merge/plan.ts';
import { beginArtifactFolder } from '../artifact-folder.ts';
import { formatByteSize } from '../byte-size.ts';
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
  const patchEmbed = await buildPatchEmbed(manifest, vision);
  process.stdout.write(`${describePatchEmbed(patchEmbed)}\n`);
  if (options.dryRun === true) {
    return;
  }
  const folder = await beginArtifactFolder(options.out, { force: options.force === true, inputs: [merged.folder] });
  await folder.write(PATCH_EMBED_FILE, patchEmbed.model);
  const inputs = manifest.artifacts.filter((file) => file.path === VISION_FILE);
  await folder.finish(await derivedManifest(merged, { kind: 'edge', weights: 'f32', inputs }), { signal });
  process.stdout.write(`wrote ${options.out}, ${formatByteSize(patchEmbed.model.byteLength)}\n`);
}
