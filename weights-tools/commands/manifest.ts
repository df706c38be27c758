import { Command } from 'commander';
import { formatByteSize } from '../byte-size.ts';
import { untilInterrupted } from '../interrupt.ts';
import { checkArtifact } from '../verify/check-artifact.ts';

export function manifestCommand(): Command {
  return new Command('manifest').summary('look after vora.json').addCommand(
    new Command('check')
      .summary('whether every file is what vora.json says')
      .description(
        'Compares size and sha256 of every file of an artifact folder with its manifest, and names files that it does not\n' +
          'list. Reads everything once, in fixed memory.',
      )
      .argument('<dir>', 'artifact folder')
      .addHelpText(
        'after',
        '\nExample:\n  $ vora manifest check onnx\n\nExit code 1: a file is missing, changed or not listed. Each is named.',
      )
      .action((folder: string) => untilInterrupted((signal) => check(folder, signal))),
  );
}

async function check(folder: string, signal: AbortSignal): Promise<void> {
  const { kind, files, bytes } = await checkArtifact(folder, signal);
  process.stdout.write(`${folder}: ${kind}, ${files} files, ${formatByteSize(bytes)}: all as vora.json says\n`);
}
