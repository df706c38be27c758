import { type ExportSource, openExportSource } from '../export/export-source.ts';
import { untilInterrupted } from '../interrupt.ts';
import { warn } from '../warn.ts';
import { mergeRequest, type SourceOptions } from './source-options.ts';

/** Opens the model that a command names, runs until done or interrupted, and closes it. */
export async function withSource(
  path: string | undefined,
  options: SourceOptions,
  run: (source: ExportSource, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const source = await openExportSource(mergeRequest(path, options));
  try {
    await untilInterrupted((signal) => run(source, signal));
  } finally {
    await source.close();
  }
}

/** Says on stderr that weights which a merge has rounded are about to be rounded once more. */
export function warnOfSecondRounding({ description, manifest }: ExportSource, target: string): void {
  if (manifest.weights !== 'f32' && manifest.weights !== target) {
    warn(
      `${description} was rounded to ${manifest.weights} already, and ${target} rounds it again; ` +
        'merge with --dtype f32 and export from that',
    );
  }
}
