import { InvalidArgumentError, Option } from 'commander';
import { parseByteSize } from '../byte-size.ts';

/** `--memory`: bound of a command's buffers, in bytes. */
export function memoryOption(): Option {
  return new Option('--memory <size>', 'bound of the buffers, e.g. 512MB')
    .argParser((text) => {
      const bytes = parseByteSize(text);
      if (bytes === undefined) {
        throw new InvalidArgumentError('Expected a size such as 512MB or 1GiB.');
      }
      return bytes;
    })
    .default(1e9, '1GB');
}
