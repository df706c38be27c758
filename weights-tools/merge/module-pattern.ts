import { MalformedFile } from '../../src/core/bytes/malformed-file.ts';
import {
  ADAPTER_PATTERN_MAX_CHARS,
  ADAPTER_PATTERN_MAX_REPETITIONS,
  ADAPTER_PATTERNS_MAX,
} from '../checkpoint-limits.ts';

/**
 * A function that finds the first of `patterns` that PEFT takes for a module: Python's `re.match(rf"(.*\.)?({key})$", module)`.
 * Only patterns that cannot run long are taken: no repeated group, few repetitions, no reference to a group; and none that
 * JavaScript reads in another way, as `\A` or `{,2}`: the flag `u` makes errors of them.
 *
 * @param place of the patterns in `file`
 * @throws MalformedFile
 */
export function modulePatterns(
  file: string,
  place: string,
  patterns: readonly string[],
): (module: string) => string | undefined {
  if (patterns.length > ADAPTER_PATTERNS_MAX) {
    throw new MalformedFile(file, place, `${patterns.length} entries`, `at most ${ADAPTER_PATTERNS_MAX}`);
  }
  const compiled = patterns.map((pattern) => ({ pattern, regex: compile(file, place, pattern) }));
  return (module) => compiled.find(({ regex }) => regex.test(module))?.pattern;
}

function compile(file: string, place: string, pattern: string): RegExp {
  const repetitions = pattern.match(/[*+{?]/g)?.length ?? 0;
  const isSlow =
    repetitions > ADAPTER_PATTERN_MAX_REPETITIONS || /\)[*+{]/.test(pattern) || /\\[1-9k]|\(\?/.test(pattern);
  if (pattern.length > ADAPTER_PATTERN_MAX_CHARS || isSlow) {
    const found = JSON.stringify(pattern.slice(0, 80));
    throw new MalformedFile(file, place, found, 'module names or patterns without repeated groups');
  }
  try {
    return new RegExp(`^(.*\\.)?(${pattern})$`, 'u');
  } catch (cause) {
    throw new MalformedFile(
      file,
      place,
      JSON.stringify(pattern),
      'a regular expression that Python and JavaScript read alike',
      { cause },
    );
  }
}
