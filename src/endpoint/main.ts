import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { MalformedFile } from '../core/bytes/malformed-file.ts';
import { PREFIX_CACHE_MAX_BYTES } from '../core/limits.ts';
import { type EndpointOptions, startEndpoint } from './start.ts';

const EXIT_BAD_INPUT = 1;
const EXIT_USAGE = 2;
const EXIT_IO = 3;
const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

/**
 * `vora serve`. Resolves once the endpoint listens; the process then lives until SIGTERM or SIGINT, which let requests
 * at work end. A second signal ends at once.
 */
export async function serve(argv: string[]): Promise<void> {
  try {
    const options = readOptions(argv);
    const endpoint = await startEndpoint(options);
    console.log(`vora serve: listening on ${endpoint.url}`);
    if (options.apiKey === undefined && !LOOPBACK.has(options.host)) {
      console.error('vora serve: anyone who reaches this address can use it; --api-key-env asks for a key');
    }
    const stop = (): void => {
      process.off('SIGTERM', stop);
      process.off('SIGINT', stop);
      void endpoint.stop();
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  } catch (error) {
    process.exitCode = report(error);
  }
}

interface ServeFlags {
  model: string;
  host: string;
  port: number;
  apiKeyEnv?: string;
  prefixCache?: number;
}

function readOptions(argv: string[]): EndpointOptions {
  const command = new Command('vora serve')
    .description('Serve a model over the OpenAI chat completions API.')
    .requiredOption('--model <folder>', 'folder that `vora export onnx` wrote')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <number>', 'port to listen on, 0 for any free one', parsePort, 8080)
    .option('--api-key-env <name>', 'environment variable that holds the key every /v1 request must send')
    .option('--prefix-cache <MiB>', 'keys and values to keep for prompts that begin alike, 0 for none', parseMebibytes)
    .exitOverride()
    .parse(argv, { from: 'user' });
  const { model, host, port, apiKeyEnv, prefixCache } = command.opts<ServeFlags>();
  const options = { model, host, port, ...(prefixCache === undefined ? {} : { prefixCacheBytes: prefixCache }) };
  if (apiKeyEnv === undefined) {
    return options;
  }
  const apiKey = process.env[apiKeyEnv] ?? '';
  if (!/^\S+$/.test(apiKey)) {
    command.error(`error: the environment variable ${apiKeyEnv} holds no key`);
  }
  return { ...options, apiKey };
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) {
    throw new InvalidArgumentError('Expected a number from 0 to 65535.');
  }
  return port;
}

/** @returns bytes */
function parseMebibytes(text: string): number {
  const bytes = Number(text) * 2 ** 20;
  if (!/^\d+$/.test(text) || bytes > PREFIX_CACHE_MAX_BYTES) {
    throw new InvalidArgumentError(`Expected a number from 0 to ${PREFIX_CACHE_MAX_BYTES / 2 ** 20}.`);
  }
  return bytes;
}

/** Says what is wrong, on stderr, and with which code to exit. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has printed its own message, or the help that was asked for.
    return error.exitCode === 0 ? 0 : EXIT_USAGE;
  }
  console.error(`vora serve: ${error instanceof Error ? error.message : String(error)}`);
  return error instanceof MalformedFile ? EXIT_BAD_INPUT : EXIT_IO;
}
