import { Command, CommanderError } from 'commander';
import { MalformedFile } from '../src/core/bytes/malformed-file.ts';
import { BadInput } from './bad-input.ts';
import { calibrateCommand } from './commands/calibrate.ts';
import { exportEdgeCommand } from './commands/export-edge.ts';
import { exportGgufCommand } from './commands/export-gguf.ts';
import { exportOnnxCommand } from './commands/export-onnx.ts';
import { exportVllmCommand } from './commands/export-vllm.ts';
import { inspectCommand } from './commands/inspect.ts';
import { manifestCommand } from './commands/manifest.ts';
import { mergeCommand } from './commands/merge.ts';
import { verifyCommand } from './commands/verify.ts';
import { Interrupted } from './interrupt.ts';
import { IoFailure } from './io-failure.ts';
import { printableLines } from './printable.ts';
import { PastBounds } from './verify/bounds.ts';

export const EXIT = { ok: 0, badInput: 1, usage: 2, interruptedOrIo: 3, pastBounds: 4 } as const;

/** Runs one command; the result is the exit code. A bug is no exit code: it throws. */
export async function runCli(argv: readonly string[]): Promise<number> {
  const program = new Command('vora')
    .description('VoRA in deployment: merge a checkpoint into one plain language model, export it, serve it.')
    .addCommand(inspectCommand())
    .addCommand(mergeCommand())
    .addCommand(
      new Command('export')
        .description('write a merged folder in the form that the endpoint or the worker reads')
        .addCommand(exportOnnxCommand())
        .addCommand(exportEdgeCommand())
        .addCommand(exportGgufCommand())
        .addCommand(exportVllmCommand()),
    )
    .addCommand(calibrateCommand())
    .addCommand(verifyCommand())
    .addCommand(manifestCommand())
    .addHelpText(
      'after',
      '\nFrom a checkpoint to an answer:\n' +
        '  $ vora inspect VoRA-7B-Instruct\n' +
        '  $ vora merge VoRA-7B-Instruct --dtype f32 --out merged\n' +
        '  $ vora export onnx merged --out onnx\n' +
        '  $ vora verify merged onnx\n' +
        '  $ vora export edge merged --out edge\n' +
        '  $ vora serve --model onnx\n\n' +
        'Exit codes: 0 done, 1 the input is at fault, 2 the command line is, 3 input/output failed or was interrupted,\n' +
        '4 two models differ by more than a bound of vora verify.',
    );
  throwInsteadOfExit(program);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    return report(error);
  }
}

function throwInsteadOfExit(command: Command): void {
  command.exitOverride().showHelpAfterError('Run with --help to see how.');
  command.commands.forEach(throwInsteadOfExit);
}

function report(error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has printed its message, or the help that was asked for.
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  if (error instanceof BadInput || error instanceof MalformedFile) {
    process.stderr.write(`error: ${printableLines(error.message)}\n`);
    return EXIT.badInput;
  }
  if (error instanceof PastBounds) {
    process.stderr.write(`${error.message}\n`);
    return EXIT.pastBounds;
  }
  if (error instanceof Interrupted) {
    process.stderr.write(`\n${error.message}: the .partial folder is unfinished; the same command starts over\n`);
    return EXIT.interruptedOrIo;
  }
  if (error instanceof IoFailure || (error instanceof Error && 'syscall' in error)) {
    process.stderr.write(`error: ${printableLines(error.message)}\n`);
    return EXIT.interruptedOrIo;
  }
  throw error;
}
