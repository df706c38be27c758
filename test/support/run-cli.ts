import { vi } from 'vitest';
import { runCli } from '../../weights-tools/cli.ts';

export interface CliResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command of the CLI in this process and collects what it prints. */
export async function runInProcess(...argv: string[]): Promise<CliResult> {
  const result: CliResult = { code: -1, stdout: '', stderr: '' };
  const capture = (stream: 'stdout' | 'stderr') => {
    const write = (chunk: string | Uint8Array): boolean => {
      result[stream] += typeof chunk === 'string' ? chunk : new TextDecoder().decode(chunk);
      return true;
    };
    return vi.spyOn(process[stream], 'write').mockImplementation(write);
  };
  const spies = [capture('stdout'), capture('stderr')];
  try {
    result.code = await runCli(argv);
  } finally {
    spies.forEach((spy) => spy.mockRestore());
  }
  return result;
}
