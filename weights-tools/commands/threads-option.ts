import { InvalidArgumentError, Option } from 'commander';
import { THREADS_MAX } from '../checkpoint-limits.ts';

/** `--threads`: how many work at once, at most. */
export function threadsOption(): Option {
  return new Option('--threads <n>', 'how many work at once, at most (default: all processors)').argParser((text) => {
    const threads = Number(text);
    if (!Number.isInteger(threads) || threads < 1 || threads > THREADS_MAX) {
      throw new InvalidArgumentError(`Expected a whole number from 1 to ${THREADS_MAX}.`);
    }
    return threads;
  });
}
