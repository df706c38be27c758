import { Command } from 'commander';
import { describeInspection } from '../inspect/describe.ts';
import { inspectPath } from '../inspect/inspect-path.ts';

export function inspectCommand(): Command {
  return new Command('inspect')
    .summary('say what a checkpoint, an adapter or an artifact holds')
    .description(
      'Reads headers and configuration only, and checks each file as strictly as merge does. Whether the tensors make the\n' +
        'model of config.json is what merge --dry-run says; whether an artifact is what it was, vora manifest check.',
    )
    .argument(
      '<path>',
      'folder: VoRA checkpoint, plain model, PEFT adapter, artifact; or one .safetensors, .onnx or .gguf',
    )
    .option('--json', 'print everything as JSON, each tensor included')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  $ vora inspect VoRA-7B-Instruct        # rank, merged or not, what is no part of the model\n' +
        '  $ vora inspect my-lora                 # rank, scaling, base, whether merge takes it\n' +
        '  $ vora inspect model.Q4_K_M.gguf\n' +
        '  $ vora inspect onnx --json | jq \'.tensors[] | select(.dtype == "u8") | .name\'',
    )
    .action(async (path: string, options: { json?: true }) => {
      const { details, ...inspection } = await inspectPath(path);
      const text =
        options.json === true
          ? JSON.stringify({ ...inspection, ...details }, null, 2)
          : describeInspection({ ...inspection, details });
      process.stdout.write(`${text}\n`);
    });
}
