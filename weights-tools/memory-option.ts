import { InvalidArgumentError, Option } from 'commander';
import { parseByteSize } from './byte-size.ts';

/** `--memory`, in bytes: what a command's plan may use for buffers, beside the runtime itself. */
export function memoryOption(): Option {
  return new Option('--memory <size>', 'bound of the buffers, e.g. 512MB').default(1e9, '1GB').argParser((text) => {
    const bytes = parseByteSize(text);
    if (bytes === undefined) {
      throw new InvalidArgumentError('Expected a size such as 512MB or 1GiB.');
    }
    return bytes;
  });
}
